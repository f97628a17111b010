/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket-info.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "util.h"

static int get_int(int fd, int level, int option, int *ret) {
        socklen_t length = sizeof(*ret);

        return getsockopt(fd, level, option, ret, &length) < 0 ? -errno : 0;
}

int socket_info_read(int fd, struct socket_info *ret) {
        struct socket_info info = {};
        socklen_t length = sizeof(info.cookie);
        int v6only = 0;
        int r;

        r = get_int(fd, SOL_SOCKET, SO_DOMAIN, &info.kind.domain);
        if (r >= 0)
                r = get_int(fd, SOL_SOCKET, SO_TYPE, &info.kind.type);
        if (r >= 0)
                r = get_int(fd, SOL_SOCKET, SO_PROTOCOL, &info.protocol);
        if (r >= 0 && info.kind.domain == AF_INET6)
                r = get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only);
        if (r < 0)
                return r;
        if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &info.cookie, &length) < 0)
                return -errno;

        info.kind.protocol = info.protocol == IPPROTO_MPTCP ? IPPROTO_TCP : info.protocol;
        info.v6only = v6only != 0;
        *ret = info;
        return 0;
}

int socket_address_read(int fd, int domain, struct address *ret) {
        struct sockaddr_storage storage;
        socklen_t length = sizeof(storage);

        if (getsockname(fd, (struct sockaddr *) &storage, &length) < 0)
                return -errno;
        if (length > sizeof(storage))
                length = sizeof(storage);
        return address_from_sockaddr(&storage, length, domain, ret);
}

bool socket_is_listening(int fd) {
        int listening = 0;

        return get_int(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) >= 0 && listening != 0;
}

int socket_backlog(int fd, const struct socket_kind *kind) {
        struct tcp_info info = {};
        socklen_t length = sizeof(info);

        if (kind->protocol != IPPROTO_TCP)
                return -EOPNOTSUPP;
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
                return -errno;
        return (int) info.tcpi_sacked; /* "sk_max_ack_backlog", tcp_get_info() of a listening socket */
}
