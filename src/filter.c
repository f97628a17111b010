/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "filter-run.h"
#include "util.h"

/* Linux 5.19; older headers lack it */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* SOCK_TYPE_MASK of <linux/net.h>, which programs do not get; the rest is SOCK_CLOEXEC and SOCK_NONBLOCK. */
#define SOCKET_TYPE_MASK 0xf

/* The kernel looks at the lower half of an int argument only. */
#define INT_MASK UINT64_C(0xffffffff)

/* A system call to trap, under a condition on one argument: (argument & mask) == value. A mask of 0 is no
 * condition. Several entries for one call are alternatives. */
struct trapped_call {
        unsigned traps;
        int number;
        unsigned argument;
        uint64_t mask, value;
};

/* An IP address takes 16 to 128 bytes, so one of these bits of addrlen is set: shorter ones are no IP bind,
 * of longer ones (EINVAL) it does not matter which are trapped. */
#define BIND_LENGTH_BIT(bit)                                                                                \
        { TRAP_BIND_IP, SCMP_SYS(bind), 2, (bit), (bit) }

/* IP connections are not to be slowed down, so of connect() the lengths of their addresses pass, 16 and 28.
 * Left are those below 16, the odd ones, the even ones up to 26, and those from 32 on. */
#define CONNECT_LENGTH(mask, value)                                                                         \
        { TRAP_CONNECT, SCMP_SYS(connect), 2, (mask), (value) }

/* Other levels have options of these numbers, too: they are let go. */
#define JOINS(option)                                                                                       \
        { TRAP_JOIN, SCMP_SYS(setsockopt), 2, INT_MASK, (option) }

static const struct trapped_call trapped_calls[] = {
        {TRAP_BIND_ALL, SCMP_SYS(bind), 0, 0, 0},
        BIND_LENGTH_BIT(0x10),
        BIND_LENGTH_BIT(0x20),
        BIND_LENGTH_BIT(0x40),
        BIND_LENGTH_BIT(0x80),
        {TRAP_LISTEN, SCMP_SYS(listen), 0, 0, 0},
        {TRAP_SHUTDOWN, SCMP_SYS(shutdown), 1, INT_MASK, SHUT_RD},
        {TRAP_SHUTDOWN, SCMP_SYS(shutdown), 1, INT_MASK, SHUT_RDWR},
        {TRAP_SHUTDOWN_WRITING, SCMP_SYS(shutdown), 1, INT_MASK, SHUT_WR},
        {TRAP_PATHS, SCMP_SYS(unlink), 0, 0, 0},
        {TRAP_PATHS, SCMP_SYS(unlinkat), 0, 0, 0},
        {TRAP_PATHS, SCMP_SYS(rename), 0, 0, 0},
        {TRAP_PATHS, SCMP_SYS(renameat), 0, 0, 0},
        {TRAP_PATHS, SCMP_SYS(renameat2), 0, 0, 0},
        {TRAP_CONNECT_ALL, SCMP_SYS(connect), 0, 0, 0},
        CONNECT_LENGTH(0xf0, 0x00),
        CONNECT_LENGTH(0xf1, 0x11),
        CONNECT_LENGTH(0xf3, 0x12),
        CONNECT_LENGTH(0xff, 20),
        CONNECT_LENGTH(0xff, 24),
        CONNECT_LENGTH(0x20, 0x20),
        CONNECT_LENGTH(0x40, 0x40),
        CONNECT_LENGTH(0x80, 0x80),
        JOINS(IP_ADD_MEMBERSHIP),
        JOINS(IP_ADD_SOURCE_MEMBERSHIP),
        JOINS(IPV6_JOIN_GROUP),
        JOINS(MCAST_JOIN_GROUP),
        JOINS(MCAST_JOIN_SOURCE_GROUP),
        {TRAP_DATAGRAM_SOCKETS, SCMP_SYS(socket), 1, SOCKET_TYPE_MASK, SOCK_DGRAM},
};

/* socketcall(2) keeps the arguments in memory, where a filter cannot look */
static const struct trapped_call trapped_socketcalls[] = {
        {TRAP_BIND_IP | TRAP_BIND_ALL, SCMP_SYS(socketcall), 0, INT_MASK, SYS_BIND},
        {TRAP_LISTEN, SCMP_SYS(socketcall), 0, INT_MASK, SYS_LISTEN},
        {TRAP_SHUTDOWN, SCMP_SYS(socketcall), 0, INT_MASK, SYS_SHUTDOWN},
        {TRAP_CONNECT | TRAP_CONNECT_ALL, SCMP_SYS(socketcall), 0, INT_MASK, SYS_CONNECT},
};

/* The machine's architectures beside the native one */
static const uint32_t foreign_architectures[] = {
#if defined(__x86_64__)
        SCMP_ARCH_X86,
        SCMP_ARCH_X32,
#elif defined(__aarch64__)
        SCMP_ARCH_ARM,
#endif
};

static void release_filter(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

static int add_traps(scmp_filter_ctx filter, unsigned traps, const struct trapped_call *calls,
                     size_t n_calls) {
        for (size_t i = 0; i < n_calls; i++) {
                const struct trapped_call *call = &calls[i];
                int r;

                if ((call->traps & traps) == 0)
                        continue;
                if (call->mask != 0)
                        r = seccomp_rule_add(
                                filter, SCMP_ACT_NOTIFY, call->number, 1,
                                SCMP_CMP64(call->argument, SCMP_CMP_MASKED_EQ, call->mask, call->value));
                else
                        r = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, call->number, 0);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_closed(scmp_filter_ctx filter, const struct closing *closing) {
        uint32_t action =
                closing->error > 0 ? SCMP_ACT_ERRNO((unsigned) closing->error) : SCMP_ACT_KILL_PROCESS;
        int r = 0;

        for (size_t i = 0; i < closing->n_calls && r >= 0; i++)
                r = seccomp_rule_add(filter, action, closing->calls[i], 0);
        for (size_t i = 0; i < closing->n_families && r >= 0; i++)
                r = seccomp_rule_add(
                        filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                        SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT_MASK, (uint64_t) closing->families[i]));
        return r;
}

static int build_for_architecture(uint32_t architecture, unsigned traps, const struct closing *closing,
                                  scmp_filter_ctx *ret) {
        _cleanup_(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r;

        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
        if (r >= 0 && architecture != seccomp_arch_native()) {
                r = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
                if (r >= 0)
                        r = seccomp_arch_add(filter, architecture);
        }
        if (r >= 0)
                r = add_traps(filter, traps, trapped_calls, ELEMENTSOF(trapped_calls));
        if (r >= 0 && architecture == SCMP_ARCH_X86)
                r = add_traps(filter, traps, trapped_socketcalls, ELEMENTSOF(trapped_socketcalls));
        if (r >= 0)
                r = add_closed(filter, closing);
        if (r < 0)
                return r;

        *ret = filter;
        filter = NULL;
        return 0;
}

static int build(unsigned traps, const struct closing *closing, scmp_filter_ctx *ret) {
        _cleanup_(release_filter) scmp_filter_ctx filter = NULL;
        int r;

        r = build_for_architecture(seccomp_arch_native(), traps, closing, &filter);
        for (size_t i = 0; i < ELEMENTSOF(foreign_architectures) && r >= 0; i++) {
                scmp_filter_ctx foreign = NULL;

                r = build_for_architecture(foreign_architectures[i], traps, closing, &foreign);
                if (r < 0)
                        break;
                r = seccomp_merge(filter, foreign); /* takes foreign over if it succeeds */
                if (r < 0)
                        release_filter(&foreign);
        }
        if (r < 0)
                return r;

        *ret = filter;
        filter = NULL;
        return 0;
}

/* libseccomp exports into a descriptor only (before 2.6); a pipe holds 64 KiB, far more than this filter. */
static int export_program(scmp_filter_ctx filter, struct sock_filter *instructions, size_t size,
                          size_t *ret_n) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        ssize_t n;
        int pipe_fds[2];
        int r;

        if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        read_end = pipe_fds[0];
        write_end = pipe_fds[1];

        r = seccomp_export_bpf(filter, write_end);
        if (r < 0)
                return r;
        n = read(read_end, instructions, size);
        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -E2BIG;
        *ret_n = (size_t) n / sizeof(*instructions);
        return 0;
}

/* --- without memory, libseccomp (2.5.4) leaves out parts of a filter, and says nothing: so it is tried ---
 */

/* The number that an architecture has for a call; negative: it has none. Without memory, one that no filter
 * answers. */
static int resolve(uint32_t architecture, int call) {
        _cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

        return name ? seccomp_syscall_resolve_name_arch(architecture, name) : INT_MAX;
}

static bool answers(const struct sock_fprog *program, uint32_t architecture, int number, unsigned argument,
                    uint64_t value, uint32_t wanted) {
        struct seccomp_data data = {.nr = number, .arch = architecture};

        /* x32 has the architecture of x86-64, and a bit in its numbers. */
        if (architecture == SCMP_ARCH_X32)
                data.arch = SCMP_ARCH_X86_64;
        data.args[argument] = value;
        return number < 0 || filter_run(program->filter, program->len, &data) == wanted;
}

static bool traps_all(const struct sock_fprog *program, uint32_t architecture, unsigned traps,
                      const struct trapped_call *calls, size_t n_calls) {
        for (size_t i = 0; i < n_calls; i++)
                if ((calls[i].traps & traps) != 0 &&
                    !answers(program, architecture, resolve(architecture, calls[i].number),
                             calls[i].argument, calls[i].value, SECCOMP_RET_USER_NOTIF))
                        return false;
        return true;
}

static bool closes_all(const struct sock_fprog *program, uint32_t architecture,
                       const struct closing *closing) {
        uint32_t action = closing->error > 0 ? SECCOMP_RET_ERRNO | (uint32_t) closing->error
                                             : SECCOMP_RET_KILL_PROCESS;

        for (size_t i = 0; i < closing->n_calls; i++)
                if (!answers(program, architecture, resolve(architecture, closing->calls[i]), 0, 0, action))
                        return false;
        for (size_t i = 0; i < closing->n_families; i++)
                if (!answers(program, architecture, resolve(architecture, SCMP_SYS(socket)), 0,
                             (uint64_t) closing->families[i], SECCOMP_RET_ERRNO | EAFNOSUPPORT))
                        return false;
        return true;
}

static bool does_all(const struct sock_fprog *program, unsigned traps, const struct closing *closing) {
        for (size_t i = 0; i <= ELEMENTSOF(foreign_architectures); i++) {
                uint32_t architecture = i == 0 ? seccomp_arch_native() : foreign_architectures[i - 1];

                if (!traps_all(program, architecture, traps, trapped_calls, ELEMENTSOF(trapped_calls)) ||
                    (architecture == SCMP_ARCH_X86 &&
                     !traps_all(program, architecture, traps, trapped_socketcalls,
                                ELEMENTSOF(trapped_socketcalls))) ||
                    !closes_all(program, architecture, closing))
                        return false;
        }
        return true;
}

/* Newer flags first; a kernel that does not know one says EINVAL. */
int filter_install_program(struct sock_fprog *program, unsigned listener_flag) {
        static const unsigned flags[] = {
                /* Once received, only a fatal signal ends a call: it is not carried out twice (5.19). */
                SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                /* Does not slow the target down with mitigations it did not ask for (4.17; default in 5.16).
                 */
                SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                0,
        };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listener_flag | flags[i], program);

                if (r >= 0)
                        return (int) r;
                if (errno != EINVAL)
                        break;
        }
        return -errno;
}

static enum filter_failure explain_failure(int error) {
        unsigned action = SECCOMP_RET_USER_NOTIF;

        if (error == -EBUSY)
                return FILTER_LISTENER_EXISTS;
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
                if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)
                        return FILTER_NO_NOTIFICATION;
                return FILTER_FORBIDDEN;
        }
        if (error == -EINVAL)
                return FILTER_NO_NOTIFICATION;
        return error == -EPERM || error == -EACCES ? FILTER_FORBIDDEN : FILTER_OTHER;
}

int filter_install(unsigned traps, const struct closing *closing, int *ret_listener,
                   enum filter_failure *ret_failure) {
        unsigned listener_flag = traps != 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        _cleanup_(release_filter) scmp_filter_ctx filter = NULL;
        struct sock_filter instructions[1024];
        struct sock_fprog program = {.filter = instructions};
        size_t n = 0;
        int r;

        *ret_failure = FILTER_OTHER;
        r = build(traps, closing, &filter);
        if (r < 0)
                return r;
        r = export_program(filter, instructions, sizeof(instructions), &n);
        if (r < 0)
                return r;
        program.len = (unsigned short) n;
        if (!does_all(&program, traps, closing))
                return -ENOMEM;

        r = filter_install_program(&program, listener_flag);
        if (r == -EACCES) { /* "must have CAP_SYS_ADMIN or no_new_privs", seccomp(2) */
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                        return -errno;
                r = filter_install_program(&program, listener_flag);
        }
        if (r < 0) {
                *ret_failure = explain_failure(r);
                return r;
        }
        *ret_listener = traps != 0 ? r : -1;
        return 0;
}
