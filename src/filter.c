/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter.h"

#include <linux/net.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "call.h"
#include "util.h"

/* Linux 5.19; older headers lack it */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* SOCK_TYPE_MASK of <linux/net.h>, which programs do not get; the rest is SOCK_CLOEXEC and SOCK_NONBLOCK. */
#define SOCKET_TYPE_MASK 0xf

enum condition {
        ALWAYS,
        ANY_BIT, /* one of these bits is set in the argument */
        EQUAL,   /* the argument is this, its bits beyond the mask left out */
        NEITHER, /* the argument is none of these two */
        OPTION,  /* setsockopt() of this level and name */
};

/* Which calls are trapped, and when. Several for one call are alternatives. */
static const struct trigger {
        unsigned traps;
        enum call_kind kind;
        enum condition condition;
        unsigned argument;
        uint32_t value, other; /* the bits; the value and the mask; the two; the level and the name */
} triggers[] = {
        {TRAP_BIND_ALL, CALL_BIND, ALWAYS, 0, 0, 0},
        /* An IP address takes 16 to 128 bytes, so one of these bits of addrlen is set: shorter ones are no
         * IP bind, of longer ones (EINVAL) it does not matter which are trapped. */
        {TRAP_BIND_IP, CALL_BIND, ANY_BIT, 2, 0xf0, 0},
        {TRAP_LISTEN, CALL_LISTEN, ALWAYS, 0, 0, 0},
        {TRAP_SHUTDOWN, CALL_SHUTDOWN, EQUAL, 1, SHUT_RD, UINT32_MAX},
        {TRAP_SHUTDOWN, CALL_SHUTDOWN, EQUAL, 1, SHUT_RDWR, UINT32_MAX},
        {TRAP_SHUTDOWN_WRITING, CALL_SHUTDOWN, EQUAL, 1, SHUT_WR, UINT32_MAX},
        {TRAP_PATHS, CALL_UNLINK, ALWAYS, 0, 0, 0},
        {TRAP_PATHS, CALL_UNLINKAT, ALWAYS, 0, 0, 0},
        {TRAP_PATHS, CALL_RENAME, ALWAYS, 0, 0, 0},
        {TRAP_PATHS, CALL_RENAMEAT, ALWAYS, 0, 0, 0},
        {TRAP_PATHS, CALL_RENAMEAT2, ALWAYS, 0, 0, 0},
        {TRAP_CONNECT_ALL, CALL_CONNECT, ALWAYS, 0, 0, 0},
        /* IP connections are not to be slowed down, so the lengths of their addresses pass. */
        {TRAP_CONNECT, CALL_CONNECT, NEITHER, 2, sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6)},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IP, IP_ADD_MEMBERSHIP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IP, MCAST_JOIN_GROUP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IPV6, IPV6_JOIN_GROUP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IPV6, MCAST_JOIN_GROUP},
        {TRAP_JOIN, CALL_SETSOCKOPT, OPTION, 0, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP},
        {TRAP_DATAGRAM_SOCKETS, CALL_SOCKET, EQUAL, 1, SOCK_DGRAM, SOCKET_TYPE_MASK},
};

/* socketcall(2) keeps the arguments in memory, where a filter cannot look. */
static const struct {
        unsigned traps;
        uint32_t call;
} socketcall_triggers[] = {
        {TRAP_BIND_IP | TRAP_BIND_ALL, SYS_BIND},
        {TRAP_LISTEN, SYS_LISTEN},
        {TRAP_SHUTDOWN, SYS_SHUTDOWN},
        {TRAP_CONNECT | TRAP_CONNECT_ALL, SYS_CONNECT},
};

/* --- writing it --- */

static void trap(struct filter_program *program) {
        filter_return(program, SECCOMP_RET_USER_NOTIF);
}

static void trap_if_equal(struct filter_program *program, uint32_t value) {
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        trap(program);
}

static void write_trigger(struct filter_program *program, const struct trigger *trigger) {
        switch (trigger->condition) {
        case ALWAYS:
                trap(program);
                break;
        case ANY_BIT:
                filter_load_argument(program, trigger->argument);
                filter_emit(program, BPF_JMP | BPF_JSET | BPF_K, trigger->value, 0, 1);
                trap(program);
                break;
        case EQUAL:
                filter_load_argument(program, trigger->argument);
                if (trigger->other != UINT32_MAX)
                        filter_emit(program, BPF_ALU | BPF_AND | BPF_K, trigger->other, 0, 0);
                trap_if_equal(program, trigger->value);
                break;
        case NEITHER:
                filter_load_argument(program, trigger->argument);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, trigger->value, 2, 0);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, trigger->other, 1, 0);
                trap(program);
                break;
        case OPTION:
                filter_load_argument(program, 1);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, trigger->value, 0, 3);
                filter_load_argument(program, 2);
                trap_if_equal(program, trigger->other);
                break;
        }
}

static void write_call(struct filter_program *program, const struct trapped_call *call, unsigned traps) {
        size_t begin = 0;

        for (size_t i = 0; i < ELEMENTSOF(triggers); i++) {
                if (triggers[i].kind != call->kind || (triggers[i].traps & traps) == 0)
                        continue;
                if (begin == 0)
                        begin = filter_begin_if_equal(program, (uint32_t) call->number);
                write_trigger(program, &triggers[i]);
        }
        if (begin == 0)
                return;
        filter_return(program, SECCOMP_RET_ALLOW);
        filter_end_if(program, begin);
}

static void write_socketcall(struct filter_program *program, unsigned traps) {
        size_t begin = filter_begin_if_equal(program, I386_SOCKETCALL);

        filter_load_argument(program, 0);
        for (size_t i = 0; i < ELEMENTSOF(socketcall_triggers); i++)
                if ((socketcall_triggers[i].traps & traps) != 0)
                        trap_if_equal(program, socketcall_triggers[i].call);
        filter_return(program, SECCOMP_RET_ALLOW);
        filter_end_if(program, begin);
}

void filter_write(unsigned traps, struct filter_program *ret) {
        *ret = (struct filter_program){};
        /* The calls of an architecture stand together in the table. */
        for (size_t i = 0; i < n_trapped_calls;) {
                uint32_t architecture = trapped_calls[i].architecture;
                size_t begin = filter_begin_if_architecture(ret, architecture);

                filter_load(ret, offsetof(struct seccomp_data, nr));
                for (; i < n_trapped_calls && trapped_calls[i].architecture == architecture; i++)
                        write_call(ret, &trapped_calls[i], traps);
                if (architecture == AUDIT_ARCH_I386)
                        write_socketcall(ret, traps);
                filter_return(ret, SECCOMP_RET_ALLOW);
                filter_end_if_architecture(ret, begin);
        }
        filter_return(ret, SECCOMP_RET_ALLOW);
}

/* --- installing it --- */

/* Newer flags first; a kernel that does not know one says EINVAL. */
int filter_install_program(const struct filter_program *filter, unsigned listener_flag) {
        static const unsigned flags[] = {
                /* Once received, only a fatal signal ends a call: it is not carried out twice (5.19). */
                SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                /* Does not slow the target down with mitigations it did not ask for (4.17; default in 5.16).
                 */
                SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                0,
        };
        struct sock_fprog program = {filter->n, (struct sock_filter *) filter->code};

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listener_flag | flags[i], &program);

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

int filter_install(const struct filter_program *program, bool traps, int *ret_listener,
                   enum filter_failure *ret_failure) {
        unsigned listener_flag = traps ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
        int r;

        *ret_failure = FILTER_OTHER;
        r = filter_install_program(program, listener_flag);
        if (r == -EACCES) { /* "must have CAP_SYS_ADMIN or no_new_privs", seccomp(2) */
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                        return -errno;
                r = filter_install_program(program, listener_flag);
        }
        if (r < 0) {
                *ret_failure = explain_failure(r);
                return r;
        }
        *ret_listener = traps ? r : -1;
        return 0;
}
