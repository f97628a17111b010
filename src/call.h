/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A trapped system call, whatever the ABI it came by: direct calls of x86-64, i386, x32, aarch64, arm, and
 * i386's socketcall(2), which keeps its arguments in memory. */

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/socket.h>

#include "target.h"

enum call_kind {
        CALL_BIND,
        CALL_LISTEN,
        CALL_SHUTDOWN,
        CALL_UNLINK,
        CALL_UNLINKAT,
        CALL_RENAME,
        CALL_RENAMEAT,
        CALL_RENAMEAT2,
        CALL_CONNECT,
        CALL_SETSOCKOPT,
        CALL_SOCKET,
        CALL_OTHER, /* nothing that is trapped on purpose */
};

/* How an architecture numbers a call that can be trapped */
struct trapped_call {
        uint32_t architecture; /* AUDIT_ARCH_* */
        int number;            /* x32's with its mark */
        enum call_kind kind;
};

extern const struct trapped_call trapped_calls[];
extern const size_t n_trapped_calls;

/* i386's number of socketcall(2), whose first argument says which call is meant (<linux/net.h>) */
#define I386_SOCKETCALL 102

struct call {
        enum call_kind kind;
        int fd;           /* the socket; of a path, its directory or AT_FDCWD */
        uint64_t pointer; /* bind()'s and connect()'s address, the path, or the option's value */
        unsigned length;  /* bind()'s and connect()'s addrlen, the option's */
        int level;        /* of the option, whose name is number */
        int number;       /* listen()'s backlog, shutdown()'s how, flags of unlinkat() and renameat2() */
        int domain, type, protocol; /* socket()'s */
        int new_fd;                 /* what a rename makes of the path */
        uint64_t new_pointer;
        bool arguments_fixed; /* in registers: nothing can change them while the call waits */
        /* bind()'s address, once it has been read; there is one copy only, by which everything is decided */
        struct sockaddr_storage address;
        bool address_read;
};

/* Returns 0, or the errno of reading socketcall's arguments (as target_read()). */
int call_decode(const struct seccomp_notif *notification, const struct target *target, struct call *ret);
