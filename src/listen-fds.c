/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listen-fds.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "util.h"

/* Digits only, as the manager writes them. Returns 0 or -EINVAL. */
static int parse_number(const char *text, uint64_t max, uint64_t *ret) {
        char *end;

        if (text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno != 0 || *end != '\0' || *ret > max ? -EINVAL : 0;
}

/* With PrivatePIDs=, the manager names the process by what it was outside of its PID namespace: in
 * LISTEN_PID (systemd 257), in LISTEN_PIDFDID (262). If it calls the process that it has executed the same,
 * and that is PID 1, we are meant. */
static bool is_meant_as_first_process(void) {
        const char *listen_pid = getenv("LISTEN_PID"), *executed = getenv("SYSTEMD_EXEC_PID");

        return getpid() == 1 && listen_pid && executed && strcmp(listen_pid, executed) == 0;
}

/* Returns the number of descriptors that are passed to this process, or -EINVAL. */
static int count(void) {
        const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
        uint64_t pid, n;

        if (!pid_text)
                return 0;
        if (parse_number(pid_text, INT_MAX, &pid) < 0 || pid == 0)
                return -EINVAL;
        /* LISTEN_PIDFDID (systemd 259) says it more exactly, and too exactly for a shell with its own
         * "LISTEN_PID=$$ exec". */
        if ((pid_t) pid != getpid() && !is_meant_as_first_process())
                return 0;
        if (!n_text)
                return 0;
        if (parse_number(n_text, INT_MAX - LISTEN_FDS_START, &n) < 0 || n == 0)
                return -EINVAL;
        return (int) n;
}

static int set_close_on_exec(int n) {
        for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + n; fd++) {
                int flags = fcntl(fd, F_GETFD);

                if (flags < 0 || ((flags & FD_CLOEXEC) == 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0))
                        return -errno;
        }
        return 0;
}

/* Splits LISTEN_FDNAMES; "unknown" is the name of all where it is not set. Returns 0 or a negative errno. */
static int read_names(int n, char **names) {
        const char *at = getenv("LISTEN_FDNAMES");

        for (int i = 0; i < n; i++) {
                size_t length = at ? strcspn(at, ":") : 0;

                /* The caller frees them, though gcc 12's -fanalyzer sees a leak here. */
                names[i] = at ? strndup(at, length) : strdup("unknown");
                if (!names[i])
                        return -ENOMEM;
                if (!at)
                        continue;
                at += length;
                if ((*at == '\0') != (i == n - 1)) /* fewer names, or more */
                        return -EINVAL;
                at++;
        }
        return 0;
}

int listen_fds_read(char ***ret) {
        char **names;
        int n = count(), r;

        *ret = NULL;
        if (n <= 0)
                return n;
        r = set_close_on_exec(n);
        if (r < 0)
                return r;
        names = calloc((size_t) n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        r = read_names(n, names);
        if (r < 0) {
                listen_fds_free(names);
                return r;
        }
        *ret = names;
        return n;
}

void listen_fds_free(char **names) {
        for (char **name = names; name && *name; name++)
                free(*name);
        free(names);
}

void listen_fds_unset(void) {
        (void) unsetenv("LISTEN_PID");
        (void) unsetenv("LISTEN_PIDFDID");
        (void) unsetenv("LISTEN_FDS");
        (void) unsetenv("LISTEN_FDNAMES");
}
