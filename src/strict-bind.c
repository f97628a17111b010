/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "strict.h"

/* What the socket may be asked for, if it gets this address */
static struct bind_request request_of(const struct bind_call *bind_call, const struct address *address,
                                      bool v6only) {
        return (struct bind_request){.kind = bind_call->info.kind, .v6only = v6only, .address = *address};
}

/* See answer-socket.c. */
static bool is_unreachable(const struct bind_call *bind_call) {
        return bind_call->answerer->policy->strict == STRICT_DATAGRAM &&
               bind_call->info.kind.type == SOCK_DGRAM && may_be_in_other_network(bind_call->fd);
}

/* A socket like the target's that nobody else has, with what can be carried over */
static int make_twin(const struct bind_call *bind_call) {
        const struct socket_info *info = &bind_call->info;
        _cleanup_close_ int fd = socket(info->kind.domain, info->kind.type | SOCK_CLOEXEC, info->protocol);
        int v6only = info->v6only;
        struct stat owner;

        if (fd < 0)
                return -errno;
        (void) socket_options_replay(bind_call->fd, info, fd, NULL, false);
        /* SO_REUSEPORT shares with sockets of the same user only. */
        if (fstat(bind_call->fd, &owner) == 0 && (owner.st_uid != geteuid() || owner.st_gid != getegid()))
                (void) fchown(fd, owner.st_uid, owner.st_gid);
        if (info->kind.domain == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
                return -errno;
        return take_fd(&fd);
}

/* A datagram socket whose port the kernel chose loses it when it is disconnected (SOCK_BINDPORT_LOCK, see
 * __udp_disconnect()), and could change IPV6_V6ONLY then, and be bound anew by sending. So a twin is bound
 * to a port of the kernel's choice by number; should that have been taken meanwhile, the program may try
 * again. */
static int choose_port(const struct bind_call *bind_call, const struct address *address,
                       struct address *ret) {
        _cleanup_close_ int fd = make_twin(bind_call);
        struct sockaddr_storage sockaddr;
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        const int later = 0;

        if (fd < 0)
                return fd;
        (void) setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &later, sizeof(later));
        if (bind(fd, (struct sockaddr *) &sockaddr, length) < 0)
                return -errno;
        return socket_address_read(fd, address->family, ret);
}

static int bind_to(const struct bind_call *bind_call, int fd, const struct address *address, bool named) {
        struct sockaddr_storage sockaddr;
        socklen_t length = address_to_sockaddr(address, &sockaddr);

        return named ? bind_as_supervisor(fd, address)
                     : bind_as_target(bind_call->target, fd, bind_call->info.kind.domain, &sockaddr, length);
}

/* A second look at what has been done, for what nobody has thought of. Another thread may have connected the
 * socket meanwhile, and so made a wildcard address a narrower one. */
static bool has_given_address(const struct bind_call *bind_call, int fd, const struct address *address) {
        struct bind_request actual;
        struct socket_info info;
        struct address bound;

        if (socket_info_read(fd, &info) < 0 || socket_address_read(fd, info.kind.domain, &bound) < 0)
                return false;
        actual = request_of(bind_call, &bound, info.v6only);
        if (address_is_wildcard(address) && bound.family == address->family) {
                actual.address = *address;
                actual.address.port = bound.port;
        }
        return strict_gives(bind_call->answerer->policy, &actual, address->port == 0);
}

/* A Unix path is bound as it was asked for: it is looked up where the target is. */
static int bind_unix_as_asked(const struct bind_call *bind_call) {
        return bind_as_target(bind_call->target, bind_call->fd, AF_UNIX, &bind_call->sockaddr,
                              bind_call->call->length);
}

int strict_bind(struct bind_call *bind_call, const struct address *address, bool named,
                uint64_t *ret_cookie) {
        struct bind_request wanted = request_of(bind_call, address, bind_call->info.v6only);
        _cleanup_close_ int twin = -1;
        char asked[REQUEST_STRING_MAX];
        struct address where = *address;
        struct socket_info info;
        int fd = bind_call->fd, r;

        if (address->family == AF_UNIX)
                return bind_unix_as_asked(bind_call);
        if (address->family == AF_UNSPEC)
                return bind_as_target(bind_call->target, fd, bind_call->info.kind.domain,
                                      &bind_call->sockaddr, bind_call->call->length);
        if (!strict_gives(bind_call->answerer->policy, &wanted, false))
                return -EACCES;
        if (strict_needs_v6only(bind_call->answerer->policy, &bind_call->info.kind, address, false) ||
            is_unreachable(bind_call)) {
                twin = make_twin(bind_call);
                if (twin < 0)
                        return twin;
                fd = twin;
                if (address->port == 0 && bind_call->info.kind.type == SOCK_DGRAM) {
                        r = choose_port(bind_call, address, &where);
                        if (r < 0)
                                return r;
                }
        }

        r = bind_to(bind_call, fd, &where, named);
        if (r < 0)
                return r;
        if (!has_given_address(bind_call, fd, address)) {
                log_message(LOG_ERR, "%s: bound elsewhere than allowed: ending the process",
                            describe_request(bind_call, asked));
                (void) target_kill(bind_call->target);
                return -EACCES;
        }
        if (twin < 0)
                return 0;
        r = socket_info_read(twin, &info);
        if (r >= 0)
                r = put_in_place(bind_call, twin);
        if (r < 0)
                return r;
        *ret_cookie = info.cookie;
        return 0;
}
