/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <string.h>
#include <sys/types.h>

#include "util.h"

/* Makes room for so many bytes more, and a NUL. */
static bool make_room(struct text *text, size_t length) {
        size_t needed = text->length + length + 1, room = needed < 256 ? 256 : needed * 2;
        char *bytes;

        if (needed <= text->room)
                return true;
        bytes = realloc(text->bytes, room);
        if (!bytes)
                return false;
        text->bytes = bytes;
        text->room = room;
        return true;
}

static ssize_t append(void *cookie, const char *bytes, size_t length) {
        struct text *text = cookie;

        if (!make_room(text, length))
                return 0; /* an error, see fopencookie(3) */
        memcpy(text->bytes + text->length, bytes, length);
        text->length += length;
        return (ssize_t) length;
}

int text_open(struct text *text) {
        *text = (struct text){};
        text->out = fopencookie(text, "w", (cookie_io_functions_t){.write = append});
        return text->out ? 0 : -ENOMEM;
}

int text_close(struct text *text, char **ret) {
        bool lost = !text->out || ferror(text->out);

        if (text->out && fclose(text->out) != 0)
                lost = true;
        if (lost || !make_room(text, 0)) {
                free(text->bytes);
                return -ENOMEM;
        }
        text->bytes[text->length] = '\0';
        *ret = text->bytes;
        return 0;
}
