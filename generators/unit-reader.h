/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the text of a unit file or drop-in, line by line, as systemd does (systemd.syntax(7), and what its
 * reader really does with comments in continuations, CR, NUL, and malformed lines). Pure: no system calls
 * here. */

#include <stdbool.h>
#include <stddef.h>

/* A longer line, after joining, refuses the file (systemd's LONG_LINE_MAX). */
#define UNIT_LINE_MAX ((size_t) 1024 * 1024)

/* "Key=Value" in a section. The strings belong to the reader, until the next call. */
struct assignment {
        const char *section; /* without brackets */
        const char *key;
        const char *value;
        unsigned line; /* where it ends, as systemd counts */
};

struct unit_reader {
        const char *at, *end;
        unsigned line;
        bool bom_seen;
        char *section; /* NULL: none yet */
        char *joined;  /* the logical line */
        size_t length, room;
};

/* The text is the caller's and has to stay. */
void unit_reader_init(struct unit_reader *reader, const char *text, size_t length);
void unit_reader_done(struct unit_reader *reader);

/* Returns 1 and the next assignment; 0 at the end; -ENOMEM; or -EBADMSG where systemd reads no further: a
 * malformed section header, a line that is not UTF-8 or is too long. */
int unit_reader_next(struct unit_reader *reader, struct assignment *ret);
