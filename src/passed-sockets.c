/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "passed-sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "listen-fds.h"
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

int passed_sockets_read(const struct rule *rules, size_t n_rules, struct passed_sockets *ret) {
        struct passed_sockets passed = {};
        int n, r = 0;

        n = listen_fds_read(&passed.names);
        if (n < 0)
                return n;
        passed.n_passed = (unsigned) n;
        passed.foreign = n == 0 && getenv("LISTEN_FDS");

        for (unsigned i = 0; i < passed.n_passed && r >= 0; i++)
                r = add_socket(&passed, LISTEN_FDS_START + (int) i, i, false, passed.names[i]);
        if (r >= 0)
                r = add_inherited(&passed, rules, n_rules);
        if (r < 0)
                passed_sockets_free(&passed);
        else
                *ret = passed;
        return r;
}

void passed_sockets_free(struct passed_sockets *passed) {
        listen_fds_free(passed->names);
        free(passed->sockets);
        *passed = (struct passed_sockets){};
}

static void set_close_on_exec(int fd, bool on) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0)
                (void) fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

void passed_sockets_leave(const struct passed_sockets *passed, bool keep) {
        /* listen_fds_read() has set FD_CLOEXEC on all of them */
        for (unsigned i = 0; i < passed->n_passed; i++) {
                int fd = LISTEN_FDS_START + (int) i;

                if (keep || !is_socket(fd))
                        set_close_on_exec(fd, false);
        }
        if (keep)
                return;

        for (size_t i = 0; i < passed->n_sockets; i++)
                if (passed->sockets[i].fd > STDERR_FILENO)
                        (void) close(passed->sockets[i].fd);
        listen_fds_unset();
}
