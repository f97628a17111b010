/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Binding the target's own socket on its behalf, from the supervisor, with the target's rights. */

#include <stdbool.h>
#include <sys/socket.h>

#include "socket-info.h"
#include "target.h"

/* Binds fd, a copy of the target's socket, as the kernel would have for the target: privileged ports need
 * CAP_NET_BIND_SERVICE in the target; a path is taken from the target's root and working directory and made
 * with its umask and owner. Returns 0 or bind(2)'s errno; -EINPROGRESS where the file
 * system takes its time: the call will be answered when it is done. */
int bind_as_target(const struct target *target, int fd, int domain, const void *sockaddr, socklen_t length);

/* unlinkat() as the target would do it, of a file that is no directory. -EINPROGRESS as above. */
int unlink_as_target(const struct target *target, int directory_fd, const char *path);

/* listen() on fd, a copy of the target's socket, as the target's user: a Unix socket's clients are told
 * (SO_PEERCRED). The process ID that they are told is not the target's. */
int listen_as_target(const struct target *target, int fd, int backlog);

/* Binds fd with the supervisor's own rights: the administrator has named this address. */
int bind_as_supervisor(int fd, const struct address *address);

/* Whether the socket is of a network namespace that is not the supervisor's. Where that cannot be told
 * (Linux before 5.14, no descriptor left), the one says that it may be, and the other that it is not. */
bool may_be_in_other_network(int fd);
bool is_in_other_network(int fd);

/* A Unix socket that was bound where the administrator said, and its path */
struct made_path {
        struct address address;
        dev_t device; /* of the path; inode 0: has none */
        ino_t inode;
        ino_t socket_inode; /* sockfs gives each socket its own */
};

/* Binds fd, a Unix socket of this type, to a path or abstract name that the administrator named. A path is
 * replaced if nobody listens on it any more, and if no process has the socket still open that was bound to
 * it earlier (NULL: none). Returns 0 and what to remove in the end, or a negative errno. */
int bind_to_made_path(int fd, int type, const struct address *address, const struct made_path *earlier,
                      struct made_path *ret);

/* Removes the path, if it still is what we made. */
void remove_made_path(const struct made_path *made);
