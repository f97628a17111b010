/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "notification.h"
#include "replace.h"
#include "wake.h"

/* A socket in the state that shutdown() would have left the passed one in: it does not listen, accept() says
 * EINVAL, poll() says POLLHUP; a datagram socket receives nothing any more. */
static int make_shut_down(const struct passed_socket *passed, int how) {
        int fd = socket(passed->kind.domain, passed->kind.type | SOCK_CLOEXEC, passed->kind.protocol);

        if (fd < 0)
                return -errno;
        if (!is_stream(&passed->kind))
                (void) shutdown(fd, how);
        return fd;
}

/* shutdown() on a listening or datagram socket would shut it for everybody who holds it: queued connections
 * would be reset, and the .socket unit fail. The target gets what it asked for on a socket of its own. */
static int shut_down_for_target(struct answerer *answerer, const struct target *target,
                                const struct call *call, int fd, const struct passed_socket *passed) {
        _cleanup_close_ int by = make_shut_down(passed, call->number);
        struct socket_info info;
        int r;

        if (by < 0)
                return by;
        r = socket_info_read(by, &info);
        if (r < 0)
                return r;
        replay_file_flags(target, fd, by, call->fd);
        r = replace_socket(target, fd, call->fd, by);
        if (r < 0)
                return r;
        remember_stand_in(answerer, info.cookie, passed);

        /* Threads that wait in accept() would wait for ever, on the passed socket. */
        restart_waiting_threads(target, call->fd);
        return 0;
}

void answer_shutdown(struct answerer *answerer, const struct target *target, const struct call *call) {
        _cleanup_close_ int fd = target_get_fd(target, call->fd);
        const struct passed_socket *passed = NULL;
        char address[ADDRESS_STRING_MAX], result[ADDRESS_STRING_MAX + 300];
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);
        int r;

        if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0)
                passed = find_passed(answerer, cookie);
        /* For writing, a listening socket is not shut down (tcp_shutdown(), unix_shutdown()). */
        if (!passed || (call->number == SHUT_WR && is_stream(&passed->kind))) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        /* A datagram socket would send for nobody any more, and has to go on receiving: nothing is done. */
        r = call->number == SHUT_WR ? 0 : shut_down_for_target(answerer, target, call, fd, passed);
        if (r == -ENOENT)
                return;
        /* udp(7): a socket without a peer is shut down, and ENOTCONN returned all the same */
        if (r >= 0 && !is_stream(&passed->kind) && passed->kind.domain != AF_UNIX)
                r = -ENOTCONN;
        else if (r < 0) {
                log_message(LOG_WARNING, "shutdown() of passed socket %s was ignored: %s", passed->name,
                            strerrorname_np(-r));
                r = 0;
        }
        (void) listener_answer(target->listener, target->id, r);
        (void) snprintf(result, sizeof(result),
                        "done to a socket of the program's own; passed socket %s, %s, stays open",
                        passed->name, address_format(&passed->address, address));
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_GUARDED,
                                       .tid = target->tid,
                                       .requested = "shutdown()",
                                       .result = result,
                               });
}
