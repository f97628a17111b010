/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <sys/socket.h>
#include <time.h>

#include "notification.h"
#include "replace.h"

/* How long a Unix socket's listen() may take from our answer on before we no longer wait to see it */
#define LISTEN_WAIT_MS 100

/* listen() on a socket that listens already changes its backlog and nothing else: leave it if it would
 * shrink. */
static bool would_shrink(const struct passed_socket *passed, int backlog) {
        int current;

        if (!socket_is_listening(passed->fd))
                return false;
        current = socket_backlog(passed->fd, &passed->kind);
        return current < 0 || (unsigned) backlog <= (unsigned) current;
}

/* One on a port that the kernel chose can be disconnected, and lose it. */
static int listen_on_passed(struct answerer *answerer, const struct target *target,
                            const struct passed_socket *passed, int backlog) {
        struct socket_info info;
        int r;

        if (would_shrink(passed, backlog))
                return 0;
        if (!is_strict(answerer) || !address_is_ip(&passed->address))
                return listen(passed->fd, backlog) < 0 ? -errno : 0;
        r = socket_info_read(passed->fd, &info);
        return r < 0 ? r : strict_listen(answerer, target, passed->fd, &info, backlog);
}

static void wait_until_listening(int fd) {
        const struct timespec pause = {.tv_nsec = 1000000L}; /* 1 ms */

        for (int i = 0; i < LISTEN_WAIT_MS && !socket_is_listening(fd); i++)
                (void) nanosleep(&pause, NULL);
}

/* Whether READY=1 depends on this socket, which the target has bound itself */
static bool is_awaited(struct answerer *answerer, const struct socket_info *info) {
        const struct policy *policy = answerer->policy;

        if (answerer->readiness->mode != READY_LISTEN && answerer->readiness->mode != READY_STATUS)
                return false;
        return readiness_find_bound(answerer->readiness, info->cookie) ||
               (policy->automatic && policy->n_passed == 0 && info->kind.domain != AF_UNIX);
}

void answer_listen(struct answerer *answerer, const struct target *target, const struct call *call) {
        _cleanup_close_ int fd = target_get_fd(target, call->fd);
        struct passed_socket *passed, *absent;
        struct socket_info info;
        int r;

        r = fd < 0 ? fd : socket_info_read(fd, &info);
        if (r < 0 && is_strict(answerer)) {
                (void) listener_answer(target->listener, target->id,
                                       r == -EBADF || r == -ENOTSOCK ? r : -EACCES);
                return;
        }
        if (r < 0) {
                (void) listener_continue(target->listener, target->id); /* the kernel's own errno */
                return;
        }
        passed = find_passed(answerer, info.cookie);
        absent = passed ? NULL : find_stood_for(answerer, info.cookie);
        if (absent && replace_socket(target, fd, call->fd, absent->fd) == 0)
                passed = absent;

        if (passed)
                r = listen_on_passed(answerer, target, passed, call->number);
        else if (is_strict(answerer))
                r = strict_listen(answerer, target, fd, &info, call->number);
        else if (is_awaited(answerer, &info)) {
                /* listen() records who calls it for SO_PEERCRED of Unix sockets (unix(7)) */
                if (info.kind.domain == AF_UNIX) {
                        (void) listener_continue(target->listener, target->id);
                        wait_until_listening(fd);
                        r = socket_is_listening(fd) ? 0 : -EINVAL;
                } else /* by us, so that READY=1 is true when it is sent */
                        r = listen(fd, call->number) < 0 ? -errno : 0;
        } else {
                (void) listener_continue(target->listener, target->id);
                return;
        }

        if (r >= 0) {
                readiness_listened(answerer->readiness, passed ? passed->cookie : info.cookie);
                remember_listening_process(answerer, target);
        }
        (void) listener_answer(target->listener, target->id, r);
}
