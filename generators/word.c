/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "word.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define WHITESPACE " \t\n\r"

/* Reads n digits of this base. Returns false if there are not as many. */
static bool read_digits(const char *at, size_t n, unsigned base, uint32_t *ret) {
        uint32_t number = 0;

        for (size_t i = 0; i < n; i++) {
                static const char digits[] = "0123456789abcdef";
                int lower = tolower((unsigned char) at[i]);
                const char *digit = lower == '\0' ? NULL : strchr(digits, lower);

                if (!digit || digit - digits >= (ptrdiff_t) base)
                        return false;
                number = number * base + (uint32_t) (digit - digits);
        }
        *ret = number;
        return true;
}

/* Decodes what follows a backslash. Returns the number of bytes it takes, 0 if systemd knows no such escape;
 * to has 4 bytes. */
static size_t decode_escape(const char *at, char *to, size_t *ret_length) {
        static const char letters[] = "abfnrtvs\\\"'", meant[] = "\a\b\f\n\r\t\v \\\"'";
        const char *letter = *at == '\0' ? NULL : strchr(letters, *at);
        uint32_t number;

        *ret_length = 1;
        if (letter) {
                to[0] = meant[letter - letters];
                return 1;
        }
        if (*at == 'x' && read_digits(at + 1, 2, 16, &number) && number != 0) {
                to[0] = (char) number;
                return 3;
        }
        if (*at >= '0' && *at <= '7' && read_digits(at, 3, 8, &number) && number != 0 && number <= 255) {
                to[0] = (char) number;
                return 3;
        }
        if (*at == 'u' && read_digits(at + 1, 4, 16, &number) && number != 0) {
                *ret_length = utf8_encode(to, number);
                return 5;
        }
        if (*at == 'U' && read_digits(at + 1, 8, 16, &number) && number != 0 && unicode_is_valid(number)) {
                *ret_length = utf8_encode(to, number);
                return 9;
        }
        return 0;
}

/* Decodes one word into a buffer with room for its text; decoding never makes it longer. Moves *at behind
 * it. */
static int decode_word(const char **at, char *word) {
        const char *from = *at;
        size_t length = 0;
        char quote = '\0';

        for (; *from != '\0' && (quote != '\0' || !strchr(WHITESPACE, *from)); from++) {
                size_t used, decoded;

                if (quote == '\0' && (*from == '"' || *from == '\'')) {
                        quote = *from;
                        continue;
                }
                if (quote != '\0' && *from == quote) {
                        quote = '\0';
                        continue;
                }
                used = *from == '\\' ? decode_escape(from + 1, word + length, &decoded) : 0;
                if (used > 0) {
                        length += decoded;
                        from += used;
                        continue;
                }
                word[length++] = *from;
                /* In an unknown escape, quotes and blanks do not count. */
                if (*from == '\\' && from[1] != '\0')
                        word[length++] = *++from;
        }
        if (quote != '\0')
                return -EINVAL;
        word[length] = '\0';
        *at = from;
        return 0;
}

int word_take(const char **at, char **ret_word, const char **ret_text, size_t *ret_text_length) {
        const char *begin = *at + strspn(*at, WHITESPACE), *end = begin;
        char *word;

        if (*begin == '\0') {
                *at = begin;
                return 0;
        }
        word = malloc(strlen(begin) + 1);
        if (!word)
                return -ENOMEM;
        if (decode_word(&end, word) < 0) {
                free(word);
                return -EINVAL;
        }
        *ret_text = begin;
        *ret_text_length = (size_t) (end - begin);
        *at = end + strspn(end, WHITESPACE);
        *ret_word = word;
        return 1;
}

/* Nothing in it means anything to systemd, besides "$" and "%". */
static bool is_plain(const char *word) {
        if (word[0] == '\0' || strcmp(word, ";") == 0 || !utf8_is_valid(word))
                return false;
        for (const char *at = word; *at != '\0'; at++)
                if ((unsigned char) *at <= ' ' || *at == '\x7f' || strchr("\"'\\", *at))
                        return false;
        return true;
}

void word_write(FILE *out, const char *word, unsigned expanded) {
        bool plain = is_plain(word), text = utf8_is_valid(word); /* the line has to be */

        if (!plain)
                fputc('"', out);
        for (const char *at = word; *at != '\0'; at++)
                if (*at == '"' || *at == '\\')
                        fprintf(out, "\\%c", *at);
                else if ((unsigned char) *at < ' ' || *at == '\x7f' || (!text && (*at & 0x80) != 0))
                        fprintf(out, "\\x%02x", (unsigned char) *at);
                else if (*at == '$' && (expanded & WORD_DOLLAR_EXPANDED))
                        fputs("$$", out);
                else if (*at == '%' && (expanded & WORD_PERCENT_EXPANDED))
                        fputs("%%", out);
                else
                        fputc(*at, out);
        if (!plain)
                fputc('"', out);
}
