/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The passed sockets: what the service manager handed over (sd_listen_fds_with_names(3)), and descriptors
 * that rules name with fd=N. */

#include "bind-request.h"
#include "rule.h"

struct passed_sockets {
        struct passed_socket *sockets;
        size_t n_sockets;
        unsigned n_passed; /* LISTEN_FDS, with what is no socket */
        char **names;      /* of all of them */
        bool foreign;      /* LISTEN_PID names another process, or none: nothing was passed to us */
};

/* Reads the environment and describes each socket. What is no socket (OpenFile=, FDSTORE) is left out, and
 * stays for the target. Returns 0; -ENOMEM; -EBADF if not all of LISTEN_FDS are open; or
 * -EINVAL if LISTEN_* are malformed or contradict each other. */
int passed_sockets_read(const struct rule *rules, size_t n_rules, struct passed_sockets *ret);
void passed_sockets_free(struct passed_sockets *passed);

/* Clears LISTEN_* and closes the sockets in this process, which becomes the target. With keep, gives the
 * target all of it instead. Descriptors that are no sockets, and 0 to 2, stay open in any case. */
void passed_sockets_leave(const struct passed_sockets *passed, bool keep);
