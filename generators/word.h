/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The words of a command line in a unit file, as systemd splits, unquotes and unescapes them
 * (systemd.service(5), "COMMAND LINES"; unknown escapes stay as they are). Pure: no system calls here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Takes the next word off *at, and the blanks behind it. Returns 1, the decoded word (the caller's to
 * free()) and its text as it was written (a part of *at); 0 at the end; -EINVAL for unbalanced quotes; or
 * -ENOMEM. */
int word_take(const char **at, char **ret_word, const char **ret_text, size_t *ret_text_length);

enum {
        WORD_DOLLAR_EXPANDED = 1 << 0,  /* systemd expands variables here: "$" becomes "$$" */
        WORD_PERCENT_EXPANDED = 1 << 1, /* ... specifiers, and the word means none: "%" becomes "%%" */
};

/* Writes word so that word_take() decodes it again, in quotes only if it needs them. */
void word_write(FILE *out, const char *word, unsigned expanded);
