/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define WHITESPACE " \t\n\r"

void unit_reader_init(struct unit_reader *reader, const char *text, size_t length) {
        *reader = (struct unit_reader){.at = text, .end = text + length};
}

void unit_reader_done(struct unit_reader *reader) {
        free(reader->section);
        free(reader->joined);
        *reader = (struct unit_reader){};
}

/* One bit for each kind of line end. One of each kind, in any order, is one line end; NUL is its last. */
enum { END_NEWLINE = 1 << 0, END_RETURN = 1 << 1, END_NUL = 1 << 2 };

static unsigned line_end(char c) {
        switch (c) {
        case '\n':
                return END_NEWLINE;
        case '\r':
                return END_RETURN;
        case '\0':
                return END_NUL;
        default:
                return 0;
        }
}

/* Takes the next physical line. Returns 1; 0 at the end of the text; -EBADMSG if it is too long. */
static int take_line(struct unit_reader *reader, const char **ret, size_t *ret_length) {
        const char *begin = reader->at, *at;
        unsigned seen = 0;

        if (begin == reader->end)
                return 0;
        for (at = begin; at < reader->end && line_end(*at) == 0; at++)
                ;
        *ret = begin;
        *ret_length = (size_t) (at - begin);
        for (; at < reader->end && (seen & END_NUL) == 0; at++) {
                unsigned kind = line_end(*at);

                if (kind == 0 || (seen & kind) != 0)
                        break;
                seen |= kind;
        }
        reader->at = at;
        reader->line++;
        return *ret_length < UNIT_LINE_MAX ? 1 : -EBADMSG;
}

static bool is_comment(const char *line, size_t length) {
        size_t i = 0;

        while (i < length && strchr(WHITESPACE, line[i]))
                i++;
        return i < length && (line[i] == '#' || line[i] == ';');
}

static int append(struct unit_reader *reader, const char *line, size_t length) {
        if (reader->length + length > UNIT_LINE_MAX)
                return -EBADMSG;
        if (reader->length + length + 1 > reader->room) {
                size_t room = (reader->length + length + 1) * 2;
                char *joined = realloc(reader->joined, room);

                if (!joined)
                        return -ENOMEM;
                reader->joined = joined;
                reader->room = room;
        }
        memcpy(reader->joined + reader->length, line, length);
        reader->length += length;
        reader->joined[reader->length] = '\0';
        return 0;
}

static bool ends_in_backslash(const char *text) {
        bool escaped = false;

        for (; *text != '\0'; text++)
                escaped = !escaped && *text == '\\';
        return escaped;
}

/* Joins physical lines to the next logical one. Returns 1; 0 at the end; or a negative errno. */
static int join_lines(struct unit_reader *reader) {
        static const char bom[] = "\xef\xbb\xbf";
        const char *line;
        size_t length;
        bool continued = false;
        int r;

        reader->length = 0;
        while ((r = take_line(reader, &line, &length)) > 0) {
                if (is_comment(line, length)) /* in the middle of a continuation, too */
                        continue;
                if (!reader->bom_seen && length >= 3 && memcmp(line, bom, 3) == 0) {
                        line += 3;
                        length -= 3;
                        reader->bom_seen = true;
                }
                r = append(reader, line, length);
                if (r < 0)
                        return r;
                continued = ends_in_backslash(reader->joined);
                if (!continued)
                        return 1;
                reader->joined[reader->length - 1] = ' ';
        }
        return r < 0 ? r : continued;
}

static char *strip(char *text) {
        size_t length;

        text += strspn(text, WHITESPACE);
        length = strlen(text);
        while (length > 0 && strchr(WHITESPACE, text[length - 1]))
                length--;
        text[length] = '\0';
        return text;
}

static int enter_section(struct unit_reader *reader, char *line) {
        size_t length = strlen(line);

        if (line[length - 1] != ']')
                return -EBADMSG;
        line[length - 1] = '\0';
        for (const char *at = line + 1; *at != '\0'; at++)
                if ((unsigned char) *at < ' ' || strchr("\"\\'\x7f", *at))
                        return -EBADMSG;
        free(reader->section);
        reader->section = strdup(line + 1);
        return reader->section ? 0 : -ENOMEM;
}

int unit_reader_next(struct unit_reader *reader, struct assignment *ret) {
        int r;

        while ((r = join_lines(reader)) > 0) {
                char *line = strip(reader->joined), *equals;

                if (line[0] == '\0')
                        continue;
                if (!utf8_is_valid(line))
                        return -EBADMSG;
                if (line[0] == '[') {
                        r = enter_section(reader, line);
                        if (r < 0)
                                return r;
                        continue;
                }
                equals = strchr(line, '=');
                if (!reader->section || !equals || equals == line)
                        continue;
                *equals = '\0';
                *ret = (struct assignment){.section = reader->section,
                                           .key = strip(line),
                                           .value = strip(equals + 1),
                                           .line = reader->line};
                return 1;
        }
        return r;
}
