/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was seen of a program's sockets, and the drop-in that follows from it. Pure: no system calls here. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "bind-request.h"

/* Room for the name of a user or group, "4294967295" at least */
#define OWNER_NAME_MAX 64

/* Addresses that were bound, each once, whatever the number of sockets. Plain data: one process sends it to
 * another. */
struct observed_socket {
        struct socket_kind kind;
        bool v6only;
        struct address asked;  /* as the program gave it, but a Unix path made absolute */
        struct address bound;  /* what came of it: the kernel chooses a port for port 0 */
        bool path_too_long;    /* the absolute path does not fit, asked is relative */
        char device[IFNAMSIZ]; /* SO_BINDTODEVICE, or "" */
        bool listened;
        bool open;    /* some process still has such a socket ... */
        bool dropped; /* ... and none had when the program went on binding: it was a probe */

        /* Of a Unix socket's path; to be filled in by who can see the path as clients do */
        bool has_owner;
        mode_t mode;
        char user[OWNER_NAME_MAX]; /* "": one that does not stay (DynamicUser=) */
        char group[OWNER_NAME_MAX];
        bool loses_directory; /* the path's directory was gone when the service had stopped */
};

struct learned {
        const char *unit;                /* NAME.service; NULL: not known */
        const char *program;             /* that was run; NULL: the unit's own */
        const char *existing_socket;     /* the file of NAME.socket; NULL: there is none */
        bool existing_accepts;           /* and it has Accept=yes */
        const char *runtime_directories; /* names below /run, separated by blanks, that vanish when the
                                            service stops; NULL: none */
        const struct observed_socket *sockets;
        size_t n_sockets;
        bool more;    /* others were bound that are not among these */
        bool running; /* the program was running: what it had closed does not count */
};

/* Whether clients could find the program by this socket: it is open, listens if it is a stream socket, and
 * its address is the program's choice. */
bool observed_serves(const struct observed_socket *socket, bool running);

/* Writes the text. Returns how many sockets systemd would listen on. */
size_t learn_write(FILE *out, const struct learned *learned);
