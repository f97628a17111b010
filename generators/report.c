/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

/* Messages that are remembered, to tell none of them twice in a row of many */
#define TOLD_MAX 256

static int log_fd = STDERR_FILENO;
static bool to_kernel;

/* The manager starts generators with its own stderr, which for PID 1 leads nowhere. */
static bool stderr_leads_somewhere(void) {
        struct stat st;

        return fstat(STDERR_FILENO, &st) == 0 && (!S_ISCHR(st.st_mode) || isatty(STDERR_FILENO));
}

void report_open(bool user) {
        int fd;

        if (user || stderr_leads_somewhere())
                return;
        fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return;
        log_fd = fd;
        to_kernel = true;
}

static bool was_told(const char *text) {
        static unsigned long told[TOLD_MAX];
        static size_t n_told;
        unsigned long hash = 5381;

        for (const char *at = text; *at != '\0'; at++)
                hash = hash * 33 + (unsigned char) *at;
        for (size_t i = 0; i < n_told && i < TOLD_MAX; i++)
                if (told[i] == hash)
                        return true;
        told[n_told++ % TOLD_MAX] = hash;
        return false;
}

void report(int priority, const char *path, unsigned line, const char *format, ...) {
        char text[900], message[960]; /* the kernel log takes a little more in one go */
        int length;
        size_t used = 0;
        va_list arguments;

        if (path)
                used = (size_t) snprintf(text, sizeof(text), "%.400s:%u: ", path, line);
        va_start(arguments, format);
        (void) vsnprintf(text + used, sizeof(text) - used, format, arguments);
        va_end(arguments);
        for (char *at = text; *at != '\0'; at++) /* file names may hold anything */
                if ((unsigned char) *at < ' ' || *at == '\x7f')
                        *at = '?';
        if (was_told(text))
                return;
        /* One write is one message; dprintf(3) would seek first, which the kernel log refuses. */
        if (to_kernel)
                length = snprintf(message, sizeof(message), "<%d>force-bind-generator[%d]: %s\n",
                                  LOG_DAEMON | priority, getpid(), text);
        else
                length = snprintf(message, sizeof(message), "force-bind-generator: %s\n", text);
        (void) !write(log_fd, message, (size_t) length);
}
