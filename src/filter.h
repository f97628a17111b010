/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The seccomp filter: which system calls of the target become notifications. Everything else, and every
 * architecture whose calls are not known here (call.c), passes without a word. */

#include <stdbool.h>

#include "filter-program.h"

enum trap {
        TRAP_BIND_IP =
                1 << 0, /* bind() with an address long enough for IP (16 bytes), or of unknown length */
        TRAP_BIND_ALL = 1 << 1, /* every bind() */
        TRAP_LISTEN = 1 << 2,
        TRAP_SHUTDOWN = 1 << 3,         /* for reading: SHUT_RD and SHUT_RDWR */
        TRAP_SHUTDOWN_WRITING = 1 << 4, /* SHUT_WR, which harms datagram sockets only */
        TRAP_PATHS = 1 << 5,            /* unlink(), rename(), and their relatives */
        TRAP_CONNECT = 1 << 6,     /* connect() with an address not as long as an IP one (16 or 28 bytes) */
        TRAP_CONNECT_ALL = 1 << 7, /* every connect() */
        TRAP_DATAGRAM_SOCKETS = 1 << 9, /* socket() for IP datagrams; no socketcall() */
        TRAP_JOIN = 1 << 8,             /* setsockopt() that joins a multicast group; no socketcall() */
};

/* Why a filter could not be installed. */
enum filter_failure {
        FILTER_OTHER,           /* see the returned errno */
        FILTER_NO_NOTIFICATION, /* the kernel has no user notification (before 5.0), or no ADDFD (5.9) */
        FILTER_LISTENER_EXISTS, /* a filter of ours or of an ancestor has a listener already */
        FILTER_FORBIDDEN,       /* a sandbox does not allow seccomp(2) */
};

/* Writes the filter. traps is an OR of enum trap. Pure. */
void filter_write(unsigned traps, struct filter_program *ret);

/* Installs a filter on this thread; it holds for all that it starts from now on. Sets no_new_privs only if
 * the kernel refuses without (no CAP_SYS_ADMIN). Returns 0 and the listener, FD_CLOEXEC set, the caller's to
 * close, or -1 without traps; or a negative errno and the reason. */
int filter_install(const struct filter_program *program, bool traps, int *ret_listener,
                   enum filter_failure *ret_failure);

/* The same without a word, with a listener if listener_flag is SECCOMP_FILTER_FLAG_NEW_LISTENER (0:
 * without). Returns the listener, 0, or a negative errno. */
int filter_install_program(const struct filter_program *program, unsigned listener_flag);
