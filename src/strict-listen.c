/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include "strict.h"

static bool is_connected(int fd, const struct socket_kind *kind) {
        struct tcp_info info = {};
        socklen_t length = sizeof(info);

        return kind->protocol == IPPROTO_TCP && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
               info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_LISTEN;
}

/* A socket that was bound to port 0, or not at all, has a port that the kernel chooses in listen(). */
static bool has_given_address(struct answerer *answerer, int fd, struct address *ret) {
        struct bind_request socket = {};
        const struct passed_socket *passed;
        struct decision decision;
        struct socket_info info;

        if (socket_info_read(fd, &info) < 0 ||
            socket_address_read(fd, info.kind.domain, &socket.address) < 0)
                return false;
        socket.kind = info.kind;
        socket.v6only = info.v6only;
        *ret = socket.address;
        passed = find_passed(answerer, info.cookie);
        if (passed)
                return address_equal(&socket.address, &passed->address) &&
                       (socket.v6only || !passed->v6only);
        /* Until then IPV6_V6ONLY can change. */
        if (socket.address.port == 0)
                socket.v6only = false;
        if (strict_gives(answerer->policy, &socket, true))
                return true;
        /* A parked socket: it is in a network that has no interface. */
        decide(answerer->policy, &socket, 0, &decision);
        return (decision.verdict == VERDICT_ADOPT || decision.verdict == VERDICT_PARK) &&
               is_in_other_network(fd);
}

/* shutdown() makes a listening socket a closed one, for everybody who has it (inet_shutdown()). */
static void stop_listening(const struct target *target, int fd) {
        (void) shutdown(fd, SHUT_RDWR);
        if (socket_is_listening(fd))
                (void) target_kill(target);
}

/* An accepted connection that was disconnected still shows the address of its listening socket, but has lost
 * the port (inet_put_port()), and listen() would bind it to another. So it is bound to what it shows; or, if
 * only a port of the kernel's choice is given, to such a one. One that is bound already says EINVAL, or
 * EACCES if the target might not bind it any more. Not where IPV6_V6ONLY matters: until then another thread
 * may change it, which fails as well if the socket is bound. */
static int keep_bound(const struct answerer *answerer, const struct target *target, int fd,
                      const struct socket_info *info, const struct address *address) {
        struct bind_request socket = {.kind = info->kind, .address = *address};
        struct sockaddr_storage sockaddr;
        const int v6only = 1;
        socklen_t length;
        int r;

        if (info->kind.domain == AF_VSOCK)
                return 0;
        if (strict_needs_v6only(answerer->policy, &info->kind, address, true))
                return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0 ? 0 : -EACCES;
        if (!find_passed(answerer, info->cookie) && !strict_gives(answerer->policy, &socket, false))
                socket.address.port = 0;
        length = address_to_sockaddr(&socket.address, &sockaddr);
        r = bind_as_target(target, fd, info->kind.domain, &sockaddr, length);
        return r == -EINVAL || r == -EACCES ? 0 : r;
}

/* Another thread that holds the socket's lock can make the second look a slow one, and we must not be ended
 * before it. */
static void end_slow_later(int how) {
        sigset_t signals;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, END_SLOW_SIGNAL);
        (void) sigprocmask(how, &signals, NULL);
}

static int listen_and_look(struct answerer *answerer, const struct target *target, int fd, int backlog) {
        struct address address;

        if (listen(fd, backlog) < 0)
                return -errno;
        if (has_given_address(answerer, fd, &address))
                return 0;
        stop_listening(target, fd);
        return -EACCES;
}

/* A connected socket that has a given address by that could be disconnected, and so unbound, before listen()
 * binds it to a port of the kernel's choice. One that is bound and not connected stays bound
 * (SOCK_BINDPORT_LOCK); should that ever not be so, the second look tells. */
static int listen_on_ip(struct answerer *answerer, const struct target *target, int fd,
                        const struct socket_info *info, int backlog) {
        struct address address;
        int r;

        if (is_connected(fd, &info->kind))
                return -EINVAL;
        if (!has_given_address(answerer, fd, &address))
                return -EACCES;
        r = keep_bound(answerer, target, fd, info, &address);
        if (r < 0)
                return r;
        end_slow_later(SIG_BLOCK);
        r = listen_and_look(answerer, target, fd, backlog);
        end_slow_later(SIG_UNBLOCK);
        return r;
}

static void log_listen(const struct target *target, const struct socket_info *info, int fd, int error) {
        struct address address = {};
        char text[ADDRESS_STRING_MAX], requested[ADDRESS_STRING_MAX + 16];

        (void) socket_address_read(fd, info->kind.domain, &address);
        (void) snprintf(requested, sizeof(requested), "listen() on %s", address_format(&address, text));
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_DENIED,
                                       .tid = target->tid,
                                       .requested = requested,
                                       .result = error == -EACCES ? "refused with EACCES" : "refused",
                               });
}

int strict_listen(struct answerer *answerer, const struct target *target, int fd,
                  const struct socket_info *info, int backlog) {
        int r;

        if (!strict_knows_family(info->kind.domain))
                r = -EACCES;
        else if (strict_is_local(info->kind.domain))
                r = listen_as_target(target, fd, backlog);
        else
                r = listen_on_ip(answerer, target, fd, info, backlog);
        if (r < 0)
                log_listen(target, info, fd, r);
        return r;
}
