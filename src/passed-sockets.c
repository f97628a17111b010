/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "passed-sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "socket-info.h"
#include "util.h"

static bool is_socket(int fd) {
        struct socket_info info;

        return socket_info_read(fd, &info) >= 0;
}

/* Adds fd, if it is a socket. Returns 0 or -ENOMEM. */
static int add_socket(struct passed_sockets *passed, int fd, unsigned index, bool inherited,
                      const char *name) {
        struct passed_socket socket = {.fd = fd, .index = index, .inherited = inherited, .name = name};
        struct passed_socket *sockets;
        struct socket_info info;

        if (socket_info_read(fd, &info) < 0)
                return 0;
        socket.kind = info.kind;
        socket.v6only = info.v6only;
        socket.cookie = info.cookie;
        (void) socket_address_read(fd, info.kind.domain, &socket.address);

        sockets = reallocarray(passed->sockets, passed->n_sockets + 1, sizeof(*sockets));
        if (!sockets)
                return -ENOMEM;
        passed->sockets = sockets;
        passed->sockets[passed->n_sockets++] = socket;
        return 0;
}

static bool is_known(const struct passed_sockets *passed, unsigned number) {
        for (size_t i = 0; i < passed->n_sockets; i++)
                if (passed->sockets[i].inherited && passed->sockets[i].index == number)
                        return true;
        return false;
}

static int add_inherited(struct passed_sockets *passed, const struct rule *rules, size_t n_rules) {
        int r = 0;

        for (size_t i = 0; i < n_rules; i++)
                for (size_t j = 0; j < rules[i].n_steps && r >= 0; j++) {
                        const struct step *step = &rules[i].steps[j];

                        if (step->kind == STEP_INHERITED && !is_known(passed, step->number))
                                r = add_socket(passed, (int) step->number, step->number, true, "inherited");
                }
        return r;
}

/* With PrivatePIDs=, the manager names the process by what it was outside of its PID namespace: in
 * LISTEN_PID (systemd 257), in LISTEN_PIDFDID (262). If it calls the process that it has executed the same,
 * and that is PID 1, we are meant. */
static void correct_listen_pid(void) {
        const char *listen_pid = getenv("LISTEN_PID"), *executed = getenv("SYSTEMD_EXEC_PID");

        if (getpid() != 1 || !listen_pid || !executed || strcmp(listen_pid, executed) != 0)
                return;
        (void) setenv("LISTEN_PID", "1", true);
        (void) unsetenv("LISTEN_PIDFDID");
}

int passed_sockets_read(const struct rule *rules, size_t n_rules, struct passed_sockets *ret) {
        struct passed_sockets passed = {};
        int n, r = 0;

        correct_listen_pid();
        n = sd_listen_fds_with_names(0, &passed.names);
        if (n < 0)
                return n == -ENOMEM || n == -EBADF ? n : -EINVAL;
        passed.n_passed = (unsigned) n;
        passed.foreign = n == 0 && getenv("LISTEN_FDS");

        for (unsigned i = 0; i < passed.n_passed && r >= 0; i++)
                r = add_socket(&passed, SD_LISTEN_FDS_START + (int) i, i, false, passed.names[i]);
        if (r >= 0)
                r = add_inherited(&passed, rules, n_rules);
        if (r < 0)
                passed_sockets_free(&passed);
        else
                *ret = passed;
        return r;
}

void passed_sockets_free(struct passed_sockets *passed) {
        for (unsigned i = 0; passed->names && passed->names[i]; i++)
                free(passed->names[i]);
        free(passed->names);
        free(passed->sockets);
        *passed = (struct passed_sockets){};
}

static void set_close_on_exec(int fd, bool on) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0)
                (void) fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

void passed_sockets_leave(const struct passed_sockets *passed, bool keep) {
        /* sd_listen_fds() has set FD_CLOEXEC on all of them */
        for (unsigned i = 0; i < passed->n_passed; i++) {
                int fd = SD_LISTEN_FDS_START + (int) i;

                if (keep || !is_socket(fd))
                        set_close_on_exec(fd, false);
        }
        if (keep)
                return;

        for (size_t i = 0; i < passed->n_sockets; i++)
                if (passed->sockets[i].fd > STDERR_FILENO)
                        (void) close(passed->sockets[i].fd);
        (void) unsetenv("LISTEN_PID");
        (void) unsetenv("LISTEN_PIDFDID");
        (void) unsetenv("LISTEN_FDS");
        (void) unsetenv("LISTEN_FDNAMES");
}
