/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel says of a socket that we hold. */

#include <stdbool.h>
#include <stdint.h>

#include "bind-request.h"

struct socket_info {
        struct socket_kind kind;
        int protocol; /* SO_PROTOCOL itself, IPPROTO_MPTCP too */
        bool v6only;
        uint64_t cookie;
};

/* Returns 0, -ENOTSOCK, or -EBADF for a descriptor that was opened with O_PATH. */
int socket_info_read(int fd, struct socket_info *ret);

/* The socket's own address (getsockname(2)). Returns 0 or a negative errno. */
int socket_address_read(int fd, int domain, struct address *ret);

bool socket_is_listening(int fd);

/* How many connections may queue on a listening TCP socket (the backlog it has now), or a negative errno
 * where the kernel does not tell. */
int socket_backlog(int fd, const struct socket_kind *kind);
