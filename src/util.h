/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small helpers that every layer uses: scope-exit clean-up, ownership moves, array sizes. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* Closes *fd if it is open; keeps errno. For _cleanup_close_. */
static inline void close_fd(int *fd) {
        if (*fd >= 0) {
                int saved = errno;
                (void) close(*fd);
                errno = saved;
        }
}

static inline void free_pointer(void *pointer) {
        free(*(void **) pointer);
}

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_close_ _cleanup_(close_fd)
#define _cleanup_free_ _cleanup_(free_pointer)

/* Hands the descriptor on and leaves -1 behind, so that the scope no longer closes it. */
static inline int take_fd(int *fd) {
        int taken = *fd;
        *fd = -1;
        return taken;
}

/* Closes what *fd held, and puts fd there. */
static inline void replace_fd(int *fd, int by) {
        close_fd(fd);
        *fd = by;
}
