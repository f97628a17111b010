/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text that is printed into memory. Not with open_memstream(3): when there is no memory, that loses bytes,
 * and neither ferror() nor fclose() says so. */

#include <stddef.h>
#include <stdio.h>

struct text {
        FILE *out; /* to print to; NULL: there is no memory */
        char *bytes;
        size_t length, room;
};

/* text has to stay where it is. Returns 0 or -ENOMEM; text_close() is needed in any case. */
int text_open(struct text *text);

/* Returns 0 and the text, the caller's to free(); or -ENOMEM if any of it was lost. */
int text_close(struct text *text, char **ret);
