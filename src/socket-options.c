/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket-options.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

/* The longest value in the table: TCP_CONGESTION, SO_BINDTODEVICE, time-outs */
#define OPTION_VALUE_MAX 16

struct option {
        int level;
        int name;
        int set_name; /* where it differs from name: needs a privilege, and is tried first */
        bool doubled; /* the kernel reports twice what was set (socket(7), SO_RCVBUF) */
};

/* Everything that can be both read and set. Not here, on purpose: SO_REUSEPORT, which would let others of
 * the same user share the unit's address; SO_INCOMING_CPU and TCP_QUICKACK, which report a state;
 * IPV6_V6ONLY, which is fixed once bound; memberships, IPV6_MTU, TCP_MD5SIG, which cannot be read back. */
static const struct option options[] = {
        {SOL_SOCKET, SO_REUSEADDR, 0, false},
        {SOL_SOCKET, SO_KEEPALIVE, 0, false},
        {SOL_SOCKET, SO_BROADCAST, 0, false},
        {SOL_SOCKET, SO_OOBINLINE, 0, false},
        {SOL_SOCKET, SO_DONTROUTE, 0, false},
        {SOL_SOCKET, SO_LINGER, 0, false},
        {SOL_SOCKET, SO_PRIORITY, 0, false},
        {SOL_SOCKET, SO_MARK, 0, false},
        {SOL_SOCKET, SO_RCVBUF, SO_RCVBUFFORCE, true},
        {SOL_SOCKET, SO_SNDBUF, SO_SNDBUFFORCE, true},
        {SOL_SOCKET, SO_BUF_LOCK, 0, false}, /* behind the buffers, which set it */
        {SOL_SOCKET, SO_RCVLOWAT, 0, false},
        {SOL_SOCKET, SO_RCVTIMEO, 0, false},
        {SOL_SOCKET, SO_SNDTIMEO, 0, false},
        {SOL_SOCKET, SO_NO_CHECK, 0, false},
        {SOL_SOCKET, SO_PASSCRED, 0, false},
        {SOL_SOCKET, SO_PASSSEC, 0, false},
        {SOL_SOCKET, SO_TIMESTAMP, 0, false},
        {SOL_SOCKET, SO_TIMESTAMPNS, 0, false},
        {SOL_SOCKET, SO_TIMESTAMP_NEW, 0, false},
        {SOL_SOCKET, SO_TIMESTAMPNS_NEW, 0, false},
        {SOL_SOCKET, SO_TIMESTAMPING, 0, false},
        {SOL_SOCKET, SO_RXQ_OVFL, 0, false},
        {SOL_SOCKET, SO_WIFI_STATUS, 0, false},
        {SOL_SOCKET, SO_PEEK_OFF, 0, false},
        {SOL_SOCKET, SO_SELECT_ERR_QUEUE, 0, false},
        {SOL_SOCKET, SO_BUSY_POLL, 0, false},
        {SOL_SOCKET, SO_PREFER_BUSY_POLL, 0, false},
        {SOL_SOCKET, SO_BUSY_POLL_BUDGET, 0, false},
        {SOL_SOCKET, SO_MAX_PACING_RATE, 0, false},
        {SOL_SOCKET, SO_ZEROCOPY, 0, false},
        {SOL_SOCKET, SO_TXREHASH, 0, false},
        {SOL_SOCKET, SO_RCVMARK, 0, false},
        {SOL_SOCKET, SO_BINDTODEVICE, 0, false},

        {IPPROTO_IP, IP_TOS, 0, false},
        {IPPROTO_IP, IP_TTL, 0, false},
        {IPPROTO_IP, IP_RECVOPTS, 0, false},
        {IPPROTO_IP, IP_RETOPTS, 0, false},
        {IPPROTO_IP, IP_PKTINFO, 0, false},
        {IPPROTO_IP, IP_MTU_DISCOVER, 0, false},
        {IPPROTO_IP, IP_RECVERR, 0, false},
        {IPPROTO_IP, IP_RECVTTL, 0, false},
        {IPPROTO_IP, IP_RECVTOS, 0, false},
        {IPPROTO_IP, IP_FREEBIND, 0, false},
        {IPPROTO_IP, IP_TRANSPARENT, 0, false},
        {IPPROTO_IP, IP_RECVORIGDSTADDR, 0, false},
        {IPPROTO_IP, IP_PASSSEC, 0, false},
        {IPPROTO_IP, IP_MINTTL, 0, false},
        {IPPROTO_IP, IP_CHECKSUM, 0, false},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, false},
        {IPPROTO_IP, IP_RECVFRAGSIZE, 0, false},
        {IPPROTO_IP, IP_RECVERR_RFC4884, 0, false},
        {IPPROTO_IP, IP_MULTICAST_TTL, 0, false},
        {IPPROTO_IP, IP_MULTICAST_LOOP, 0, false},
        {IPPROTO_IP, IP_MULTICAST_ALL, 0, false},
        {IPPROTO_IP, IP_MULTICAST_IF, 0, false},
        {IPPROTO_IP, IP_UNICAST_IF, 0, false},

        {IPPROTO_IPV6, IPV6_TCLASS, 0, false},
        {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0, false},
        {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 0, false},
        {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, false},
        {IPPROTO_IPV6, IPV6_MULTICAST_IF, 0, false},
        {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, false},
        {IPPROTO_IPV6, IPV6_UNICAST_IF, 0, false},
        {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0, false},
        {IPPROTO_IPV6, IPV6_2292PKTINFO, 0, false},
        {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0, false},
        {IPPROTO_IPV6, IPV6_2292HOPLIMIT, 0, false},
        {IPPROTO_IPV6, IPV6_RECVTCLASS, 0, false},
        {IPPROTO_IPV6, IPV6_RECVRTHDR, 0, false},
        {IPPROTO_IPV6, IPV6_RECVHOPOPTS, 0, false},
        {IPPROTO_IPV6, IPV6_RECVDSTOPTS, 0, false},
        {IPPROTO_IPV6, IPV6_RECVPATHMTU, 0, false},
        {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 0, false},
        {IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 0, false},
        {IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0, false},
        {IPPROTO_IPV6, IPV6_RECVERR, 0, false},
        {IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 0, false},
        {IPPROTO_IPV6, IPV6_DONTFRAG, 0, false},
        {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0, false},
        {IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 0, false},
        {IPPROTO_IPV6, IPV6_MINHOPCOUNT, 0, false},
        {IPPROTO_IPV6, IPV6_TRANSPARENT, 0, false},
        {IPPROTO_IPV6, IPV6_FREEBIND, 0, false},

        {IPPROTO_TCP, TCP_NODELAY, 0, false},
        {IPPROTO_TCP, TCP_CORK, 0, false},
        {IPPROTO_TCP, TCP_MAXSEG, 0, false},
        {IPPROTO_TCP, TCP_KEEPIDLE, 0, false},
        {IPPROTO_TCP, TCP_KEEPINTVL, 0, false},
        {IPPROTO_TCP, TCP_KEEPCNT, 0, false},
        {IPPROTO_TCP, TCP_SYNCNT, 0, false},
        {IPPROTO_TCP, TCP_LINGER2, 0, false},
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, false},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, false},
        {IPPROTO_TCP, TCP_CONGESTION, 0, false},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, false},
        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, false},
        {IPPROTO_TCP, TCP_FASTOPEN, 0, false},
        {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, false},
        {IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0, false},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, false},
        {IPPROTO_TCP, TCP_SAVE_SYN, 0, false},
        {IPPROTO_TCP, TCP_INQ, 0, false},
        {IPPROTO_TCP, TCP_TX_DELAY, 0, false},

        {IPPROTO_UDP, UDP_CORK, 0, false},
        {IPPROTO_UDP, UDP_ENCAP, 0, false},
        {IPPROTO_UDP, UDP_NO_CHECK6_TX, 0, false},
        {IPPROTO_UDP, UDP_NO_CHECK6_RX, 0, false},
        {IPPROTO_UDP, UDP_SEGMENT, 0, false},
        {IPPROTO_UDP, UDP_GRO, 0, false},
};

struct option_value {
        bool known; /* the socket has this option */
        uint8_t length;
        uint8_t bytes[OPTION_VALUE_MAX];
};

struct socket_options {
        struct socket_kind kind;
        bool has_filter;
        struct option_value values[ELEMENTSOF(options)];
};

static bool option_applies(const struct option *option, const struct socket_kind *kind) {
        switch (option->level) {
        case IPPROTO_IP: /* of AF_INET6 sockets too: they may have IPv4 peers */
                return kind->domain == AF_INET || kind->domain == AF_INET6;
        case IPPROTO_IPV6:
                return kind->domain == AF_INET6;
        case IPPROTO_TCP:
                return kind->protocol == IPPROTO_TCP;
        case IPPROTO_UDP:
                return kind->protocol == IPPROTO_UDP;
        default:
                return true;
        }
}

static struct option_value get_value(int fd, const struct option *option) {
        struct option_value value = {};
        socklen_t length = sizeof(value.bytes);

        if (getsockopt(fd, option->level, option->name, value.bytes, &length) < 0)
                return value;
        value.known = true;
        value.length = (uint8_t) length;
        return value;
}

static bool same_value(const struct option_value *a, const struct option_value *b) {
        return a->known == b->known && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool set_value(int fd, const struct option *option, struct option_value value) {
        int number;

        if (option->doubled) {
                memcpy(&number, value.bytes, sizeof(number));
                number /= 2;
                memcpy(value.bytes, &number, sizeof(number));
        }
        return (option->set_name != 0 &&
                setsockopt(fd, option->level, option->set_name, value.bytes, value.length) == 0) ||
               setsockopt(fd, option->level, option->name, value.bytes, value.length) == 0;
}

static unsigned filter_length(int fd) {
        socklen_t n = 0;

        return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0 ? 0 : n; /* in instructions */
}

struct socket_options *socket_options_read(int fd, const struct socket_info *info) {
        struct socket_options *read = calloc(1, sizeof(*read));

        if (!read)
                return NULL;
        read->kind = info->kind;
        read->has_filter = filter_length(fd) > 0;
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (option_applies(&options[i], &info->kind))
                        read->values[i] = get_value(fd, &options[i]);
        return read;
}

/* The values of a fresh socket of this kind, read once for each kind that occurs. NULL if none can be made.
 */
static const struct socket_options *fresh_options(const struct socket_info *info) {
        static struct {
                int domain, type, protocol;
                struct socket_options *values;
        } cache[8];
        static size_t n_cached;
        _cleanup_close_ int fd = -1;

        for (size_t i = 0; i < n_cached; i++)
                if (cache[i].domain == info->kind.domain && cache[i].type == info->kind.type &&
                    cache[i].protocol == info->protocol)
                        return cache[i].values;

        fd = socket(info->kind.domain, info->kind.type | SOCK_CLOEXEC, info->protocol);
        if (fd < 0)
                return NULL;
        if (n_cached == ELEMENTSOF(cache))
                free(cache[--n_cached].values);
        cache[n_cached].values = socket_options_read(fd, info);
        if (!cache[n_cached].values)
                return NULL;
        cache[n_cached].domain = info->kind.domain;
        cache[n_cached].type = info->kind.type;
        cache[n_cached].protocol = info->protocol;
        return cache[n_cached++].values;
}

static bool replay_filter(int from_fd, int to_fd, const struct socket_options *known) {
        unsigned n = filter_length(from_fd);
        struct sock_filter instructions[BPF_MAXINSNS];
        struct sock_fprog program = {.len = (unsigned short) n, .filter = instructions};
        socklen_t room = n;

        if (n > 0 && n <= BPF_MAXINSNS)
                return getsockopt(from_fd, SOL_SOCKET, SO_GET_FILTER, instructions, &room) == 0 &&
                       setsockopt(to_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
        if (known && !known->has_filter && filter_length(to_fd) > 0)
                return setsockopt(to_fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){0}, sizeof(int)) == 0;
        return true;
}

unsigned socket_options_replay(int from_fd, const struct socket_info *from_info, int to_fd,
                               const struct socket_options *known, bool untouched) {
        const struct socket_options *fresh = fresh_options(from_info);
        unsigned n_failed = 0;

        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct option_value wanted = {}, current;

                if (!option_applies(&options[i], &from_info->kind))
                        continue;
                if (fresh)
                        wanted = get_value(from_fd, &options[i]);
                if (!wanted.known || same_value(&wanted, &fresh->values[i])) {
                        if (!known)
                                continue;
                        wanted = known->values[i];
                }
                if (!wanted.known)
                        continue;
                current = untouched ? known->values[i] : get_value(to_fd, &options[i]);
                if (!same_value(&wanted, &current) && !set_value(to_fd, &options[i], wanted))
                        n_failed++;
        }
        /* A filter that was written for IP packets knows nothing of what a Unix socket receives. */
        if (known && known->kind.domain == AF_UNIX && from_info->kind.domain != AF_UNIX)
                return n_failed;
        return n_failed + !replay_filter(from_fd, to_fd, known);
}

void socket_options_restore(int fd, const struct socket_options *known) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct option_value current;

                if (!known->values[i].known)
                        continue;
                current = get_value(fd, &options[i]);
                if (!same_value(&known->values[i], &current))
                        (void) set_value(fd, &options[i], known->values[i]);
        }
        if (!known->has_filter && filter_length(fd) > 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){0}, sizeof(int));
}
