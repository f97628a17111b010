/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a target asked for when it called bind(), and the passed sockets that might answer it. Plain data. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"

/* SO_DOMAIN, SO_TYPE and SO_PROTOCOL of a socket; IPPROTO_MPTCP is written as IPPROTO_TCP. */
struct socket_kind {
        int domain;
        int type;
        int protocol;
};

struct passed_socket;

struct bind_request {
        struct socket_kind kind;
        bool v6only;            /* IPV6_V6ONLY of an AF_INET6 socket */
        struct address address; /* as the target gave it */
        const char *path; /* file-system Unix address made absolute (see unix_path_absolute()), or NULL */
        const struct passed_socket *same_file; /* the passed socket that has this very path, or NULL */
};

struct passed_socket {
        int fd;
        unsigned index;   /* N of sd=N; of fd=N the descriptor number */
        bool inherited;   /* an fd=N descriptor, not one of LISTEN_FDS */
        const char *name; /* FileDescriptorName=, never NULL */
        struct socket_kind kind;
        bool v6only;
        struct address address;
        uint64_t cookie; /* SO_COOKIE: which socket this is, whatever the descriptor */

        /* Changes while the supervisor runs: */
        bool used;               /* was adopted at least once ... */
        struct address used_for; /* ... last for a bind of this address */
        bool shared;             /* was adopted more than once: several descriptors may have it */
        bool listened;           /* the target has called listen() on it */
};

/* The socket can have IPv4 peers: dual-stack, or bound to ::ffff:a.b.c.d. */
static inline bool receives_ipv4(const struct socket_kind *kind, bool v6only,
                                 const struct address *address) {
        struct address ipv4;

        if (kind->domain == AF_INET)
                return true;
        return kind->domain == AF_INET6 && !v6only &&
               (IN6_IS_ADDR_UNSPECIFIED(&address->ipv6) || address_unmap(address, &ipv4));
}

static inline bool is_stream(const struct socket_kind *kind) {
        return kind->type == SOCK_STREAM || kind->type == SOCK_SEQPACKET;
}

/* The line of a .socket unit that makes a socket of this kind */
static inline const char *unit_listen_key(const struct socket_kind *kind) {
        if (kind->type == SOCK_SEQPACKET)
                return "ListenSequentialPacket";
        return kind->type == SOCK_STREAM ? "ListenStream" : "ListenDatagram";
}

/* What a dual-stack passed socket's unit would have to listen on for a program that uses IPv4 only: the port
 * that clients know, on IPv4. */
static inline struct address ipv4_of_passed(const struct passed_socket *passed) {
        struct address ipv4 = {.family = AF_INET, .port = passed->address.port};

        (void) address_unmap(&passed->address, &ipv4);
        return ipv4;
}
