/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small helpers that every layer uses: scope-exit clean-up, ownership moves, array sizes. */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* CLOCK_MONOTONIC */
static inline int64_t monotonic_ms(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

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

/* The error tells of what we lack at the moment, and nothing of what was asked for: -ENOMEM then, else 0. */
static inline int shortage(int error) {
        return error == ENOMEM || error == EMFILE || error == ENFILE ? -ENOMEM : 0;
}

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_close_ _cleanup_(close_fd)
#define _cleanup_free_ _cleanup_(free_pointer)

/* asprintf(3) that leaves NULL behind when there is no memory. Returns 0 or -ENOMEM. */
PRINTF(2, 3) static inline int format_text(char **ret, const char *format, ...) {
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(ret, format, arguments);
        va_end(arguments);
        if (n >= 0)
                return 0;
        *ret = NULL;
        return -ENOMEM;
}

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
