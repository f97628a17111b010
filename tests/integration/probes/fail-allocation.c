/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* To be preloaded: the N-th allocation of a program fails, and only that one. Built with -shared -fPIC.
 *
 * FAIL_ALLOCATION is N, from 1; children go on counting where they were forked. FAIL_PROGRAM is the name of
 * the program that is meant; others that it executes are let alone. FAIL_REPORT is a file of three longs,
 * which gets the highest number that any process came to, and the first and the last that libseccomp asked
 * for. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* glibc's own, by their other names */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);

static long wanted, count;
static struct { long highest, first_of_libseccomp, last_of_libseccomp; } * reported;

__attribute__((constructor)) static void begin(void) {
        const char *number = getenv("FAIL_ALLOCATION"), *program = getenv("FAIL_PROGRAM"),
                   *report = getenv("FAIL_REPORT");
        int fd;
        void *map;

        if (!number || !program || !report || strcmp(program, program_invocation_short_name) != 0)
                return;
        fd = open(report, O_RDWR | O_CLOEXEC);
        map = mmap(NULL, sizeof(*reported), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd < 0 || map == MAP_FAILED)
                abort();
        wanted = atol(number);
        reported = map;
}

static int fails(const void *caller) {
        Dl_info from;

        if (!reported)
                return 0;
        count++;
        if (reported->highest < count)
                reported->highest = count;
        if (dladdr(caller, &from) != 0 && strstr(from.dli_fname, "/libseccomp.")) {
                if (reported->first_of_libseccomp == 0)
                        reported->first_of_libseccomp = count;
                reported->last_of_libseccomp = count;
        }
        if (count != wanted)
                return 0;
        errno = ENOMEM;
        return 1;
}

void *malloc(size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *pointer, size_t size) {
        return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(pointer, size);
}

void *reallocarray(void *pointer, size_t n, size_t size) {
        if (size != 0 && n > (size_t) -1 / size) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(pointer, n * size);
}
