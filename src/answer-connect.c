/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "notification.h"
#include "replace.h"

static bool awaits_bind(const struct passed_socket *passed) {
        return passed->kind.domain == AF_UNIX && !passed->inherited && !passed->used;
}

/* A passed socket that the target would connect */
static bool is_connectable(const struct passed_socket *passed) {
        return passed->used && passed->kind.type == SOCK_DGRAM && address_is_ip(&passed->address);
}

bool concerns_connect(const struct answerer *answerer) {
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (awaits_bind(&answerer->policy->passed[i]) ||
                    is_connectable(&answerer->policy->passed[i]))
                        return true;
        return false;
}

/* The passed socket that has this address, an abstract name or a path, as the target means it. NULL: none.
 */
static const struct passed_socket *find_passed_unix(const struct answerer *answerer,
                                                    const struct target *target,
                                                    const struct address *address) {
        char path[ADDRESS_UNIX_MAX + 1] = {};

        if (address_is_unix_path(address)) {
                memcpy(path, address->unix_name, address->unix_length);
                return find_passed_path(answerer, target, AT_FDCWD, path);
        }
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (address_equal(&answerer->policy->passed[i].address, address))
                        return &answerer->policy->passed[i];
        return NULL;
}

struct connect_call {
        struct answerer *answerer;
        const struct target *target;
        const struct call *call;
        struct sockaddr_storage sockaddr;
        int fd; /* a copy of the target's socket */
        struct socket_info info;
};

static void log_connect(const struct connect_call *connect_call, int priority, const char *message_id,
                        const char *text, const struct passed_socket *passed) {
        char address[ADDRESS_STRING_MAX], result[ADDRESS_STRING_MAX + 300];

        (void) snprintf(result, sizeof(result), "%s passed socket %s, %s", text, passed->name,
                        address_format(&passed->address, address));
        log_decision(priority, &(struct log_entry){
                                       .message_id = message_id,
                                       .tid = connect_call->target->tid,
                                       .requested = "connect()",
                                       .result = result,
                               });
}

/* Many daemons find out by connect() whether another instance of them runs, before they unlink the path and
 * bind. The passed socket listens already, and would let them connect to themselves, and give up. Returns
 * the errno to answer with; 1 to let the kernel do it. */
static int refuse_unserved(const struct connect_call *connect_call) {
        const struct passed_socket *passed;
        struct address address;

        if (connect_call->info.kind.domain != AF_UNIX ||
            address_from_sockaddr(&connect_call->sockaddr, connect_call->call->length, AF_UNIX, &address) <
                    0 ||
            address.unix_length == 0)
                return 1;
        passed = find_passed_unix(connect_call->answerer, connect_call->target, &address);
        if (!passed || !awaits_bind(passed) || connect_call->info.kind.type != passed->kind.type)
                return 1;
        log_connect(connect_call, LOG_INFO, MESSAGE_GUARDED,
                    "refused with ECONNREFUSED: the program has not bound yet", passed);
        return -ECONNREFUSED;
}

static int allow_reuse(int fd, int on) {
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* Both may have the address with SO_REUSEADDR. The passed one does not keep it: any user's socket could take
 * its datagrams then. */
static int bind_beside(int fd, const struct passed_socket *passed) {
        struct sockaddr_storage own;
        socklen_t length = sizeof(own), reuse_length = sizeof(int);
        int reuse, r;

        if (getsockname(passed->fd, (struct sockaddr *) &own, &length) < 0 ||
            getsockopt(passed->fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &reuse_length) < 0)
                return -errno;
        r = allow_reuse(fd, true);
        if (r >= 0)
                r = allow_reuse(passed->fd, true);
        if (r >= 0)
                r = bind(fd, (const struct sockaddr *) &own, length) < 0 ? -errno : 0;
        (void) allow_reuse(passed->fd, reuse);
        return r;
}

/* A socket beside the passed one on its address, with what the target has set. Datagrams go to the one that
 * is connected to their sender. */
static int make_sibling(const struct connect_call *connect_call, const struct passed_socket *passed) {
        _cleanup_close_ int fd = -1;
        int v6only = passed->v6only, r;

        if (may_be_in_other_network(passed->fd))
                return -EADDRNOTAVAIL;
        fd = socket(passed->kind.domain, passed->kind.type | SOCK_CLOEXEC, passed->kind.protocol);
        if (fd < 0)
                return -errno;
        (void) socket_options_replay(connect_call->fd, &connect_call->info, fd, NULL, false);
        if (passed->kind.domain == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
                return -errno;
        r = bind_beside(fd, passed);
        return r < 0 ? r : take_fd(&fd);
}

/* Programs that serve each datagram client on a socket of its own bind it to the common address and connect
 * it (DTLS). On the passed socket that would cut everybody else off. Returns the errno to answer with; 1 to
 * let the kernel do it. */
static int connect_sibling(const struct connect_call *connect_call, const struct passed_socket *passed) {
        const struct call *call = connect_call->call;
        _cleanup_close_ int sibling = make_sibling(connect_call, passed);
        struct socket_info info;
        int r;

        if (sibling < 0) {
                log_connect(connect_call, LOG_WARNING, MESSAGE_FAILED,
                            sibling == -EACCES ? "connected, and deaf for others: no right to bind another "
                                                 "socket of its port (CAP_NET_BIND_SERVICE):"
                                               : "connected, and deaf for others: no other socket could be "
                                                 "bound to its address:",
                            passed);
                return 1;
        }
        r = socket_info_read(sibling, &info);
        if (r < 0)
                return r;
        if (connect(sibling, (const struct sockaddr *) &connect_call->sockaddr, call->length) < 0)
                return -errno;
        replay_file_flags(connect_call->target, connect_call->fd, sibling, call->fd);
        r = replace_descriptor(connect_call->target, connect_call->fd, call->fd, sibling);
        if (r < 0)
                return r;
        remember_stand_in(connect_call->answerer, info.cookie, passed);
        log_connect(connect_call, LOG_INFO, MESSAGE_GUARDED,
                    "done to a socket of the program's own; others go on with", passed);
        return 0;
}

/* Programs that have one datagram socket and connect it to their first client (nc -u -l) go on to read what
 * that has sent. Where several descriptors may share the passed socket, others are served on it. */
static bool reads_on(const struct connect_call *connect_call, const struct passed_socket *passed) {
        const struct sockaddr *sockaddr = (const struct sockaddr *) &connect_call->sockaddr;
        struct sockaddr_storage sender;
        struct address peer, waiting;
        struct iovec nothing = {};
        struct msghdr message = {
                .msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &nothing, .msg_iovlen = 1};

        return !passed->shared && recvmsg(passed->fd, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 &&
               address_from_sockaddr(sockaddr, connect_call->call->length, passed->kind.domain, &peer) >=
                       0 &&
               address_from_sockaddr(&sender, message.msg_namelen, passed->kind.domain, &waiting) >= 0 &&
               address_equal(&peer, &waiting);
}

/* Returns 0 or the errno to answer with; 1 to let the kernel do it. */
static int connect_datagram(const struct connect_call *connect_call) {
        const struct passed_socket *passed = find_passed(connect_call->answerer, connect_call->info.cookie);
        bool disconnects = connect_call->sockaddr.ss_family == AF_UNSPEC;

        if (passed && (disconnects || !is_connectable(passed) || reads_on(connect_call, passed)))
                return 1;
        if (passed)
                return connect_sibling(connect_call, passed);
        passed = disconnects ? find_stood_for(connect_call->answerer, connect_call->info.cookie) : NULL;
        if (!passed || !is_connectable(passed))
                return 1;
        return replace_descriptor(connect_call->target, connect_call->fd, connect_call->call->fd,
                                  passed->fd);
}

void answer_connect(struct answerer *answerer, const struct target *target, const struct call *call) {
        struct connect_call connect_call = {answerer, target, call, .fd = -1};
        int r = 1;

        if (call->length >= sizeof(sa_family_t) && call->length <= sizeof(connect_call.sockaddr) &&
            target_read(target, call->pointer, &connect_call.sockaddr, call->length) >= 0)
                connect_call.fd = target_get_fd(target, call->fd);
        if (connect_call.fd >= 0 && socket_info_read(connect_call.fd, &connect_call.info) >= 0)
                r = connect_call.info.kind.domain == AF_UNIX ? refuse_unserved(&connect_call)
                                                             : connect_datagram(&connect_call);
        if (r == 1)
                (void) listener_continue(target->listener, target->id);
        else
                (void) listener_answer(target->listener, target->id, r);
        close_fd(&connect_call.fd);
}
