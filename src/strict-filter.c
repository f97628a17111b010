/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict-filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "filter.h"
#include "strict.h"
#include "util.h"

/* Newer than the headers that this is built with: Linux 6.3, 5.3, ... */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
/* <netinet/sctp.h> is not glibc's */
#define SCTP_BINDX_ADD 100
#define SCTP_BINDX_REM 101

/* x32's calls have x86-64's architecture and this mark. */
#define X32_MARK 0x40000000

/* How the native ABI numbers a call, and the other one that is mediated (its headers are not there) */
struct numbers {
        int native, other;
};

#define NO_CALL (-1)

#if defined(__x86_64__)
#define OTHER(i386, arm) (i386)
#elif defined(__aarch64__)
#define OTHER(i386, arm) (arm)
#endif

enum condition {
        ALWAYS,
        ANY_BIT,    /* one of value's bits is set in the argument */
        EQUAL,      /* the argument is value */
        OTHER_THAN, /* the argument is not value */
        OPTION,     /* setsockopt() of this level and name */
};

/* Calls that fail with this error under a condition. The kernel ignores the upper halves of these arguments,
 * and so do we. */
static const struct refused_call {
        struct numbers numbers;
        int error;
        enum condition condition;
        unsigned argument;
        uint32_t value, name_value;
} refused_calls[] = {
        /* Submits bind() and listen() (6.11), and more to come, of which a filter sees nothing. Libraries
         * fall back. A ring may have been received from elsewhere, so all three. */
        {{SYS_io_uring_setup, OTHER(425, 425)}, ENOSYS, ALWAYS, 0, 0, 0},
        {{SYS_io_uring_enter, OTHER(426, 426)}, ENOSYS, ALWAYS, 0, 0, 0},
        {{SYS_io_uring_register, OTHER(427, 427)}, ENOSYS, ALWAYS, 0, 0, 0},
        /* Another listener would, once the supervisor is gone, take its place and answer CONTINUE. */
        {{SYS_seccomp, OTHER(354, 383)}, EPERM, ANY_BIT, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0},
        /* In a user namespace of its own, a process has every capability that was taken from it. clone3()
         * keeps its flags in memory; libc falls back to clone(). */
        {{SYS_unshare, OTHER(310, 337)}, EPERM, ANY_BIT, 0, CLONE_NEWUSER, 0},
        {{SYS_clone, OTHER(120, 120)}, EPERM, ANY_BIT, 0, CLONE_NEWUSER, 0},
        {{SYS_clone3, OTHER(435, 435)}, ENOSYS, ALWAYS, 0, 0, 0},
        {{SYS_setns, OTHER(346, 375)}, EPERM, ALWAYS, 0, 0, 0},
        /* Another process of the same user is not fenced in: it could be made to bind, or robbed of what it
         * has bound. */
        {{SYS_ptrace, OTHER(26, 26)}, EPERM, ALWAYS, 0, 0, 0},
        {{SYS_process_vm_writev, OTHER(348, 377)}, EPERM, ALWAYS, 0, 0, 0},
        {{SYS_pidfd_getfd, OTHER(438, 438)}, EPERM, ALWAYS, 0, 0, 0},
        /* Memory that the supervisor would wait for (it does not wait for long, see answer.c). */
        {{SYS_userfaultfd, OTHER(374, 388)}, ENOSYS, ALWAYS, 0, 0, 0},
        {{SYS_bpf, OTHER(357, 386)}, EPERM, ALWAYS, 0, 0, 0},
        /* Types into the terminal, for a shell outside to execute. */
        {{SYS_ioctl, OTHER(54, 54)}, EPERM, EQUAL, 1, TIOCSTI, 0},
        {{SYS_ioctl, OTHER(54, 54)}, EPERM, EQUAL, 1, TIOCLINUX, 0},
        /* i386's older way to sockets keeps everything in memory. */
        {{NO_CALL, 102}, ENOSYS, ALWAYS, 0, 0, 0},
        {{SYS_socketpair, OTHER(360, 288)}, EOPNOTSUPP, OTHER_THAN, 0, AF_UNIX, 0},
        /* Gives a socket any address without bind(). */
        {{SYS_setsockopt, OTHER(366, 294)}, EPERM, OPTION, 0, IPPROTO_TCP, TCP_REPAIR},
        /* Lets a program choose the ports that the kernel chooses for it. */
        {{SYS_setsockopt, OTHER(366, 294)}, ENOPROTOOPT, OPTION, 0, IPPROTO_IP, IP_LOCAL_PORT_RANGE},
        /* Makes an IPv6 socket an IPv4 one. */
        {{SYS_setsockopt, OTHER(366, 294)}, ENOPROTOOPT, OPTION, 0, IPPROTO_IPV6, IPV6_ADDRFORM},
        /* bind() by another name */
        {{SYS_setsockopt, OTHER(366, 294)}, EPERM, OPTION, 0, IPPROTO_SCTP, SCTP_BINDX_ADD},
        {{SYS_setsockopt, OTHER(366, 294)}, EPERM, OPTION, 0, IPPROTO_SCTP, SCTP_BINDX_REM},
};

static void refuse(struct filter_program *program, int error) {
        filter_return(program, SECCOMP_RET_ERRNO | (uint32_t) error);
}

static void allow_if_equal(struct filter_program *program, uint32_t value) {
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        filter_return(program, SECCOMP_RET_ALLOW);
}

static void write_refused_call(struct filter_program *program, const struct refused_call *call) {
        switch (call->condition) {
        case ALWAYS:
                refuse(program, call->error);
                break;
        case ANY_BIT:
                filter_load_argument(program, call->argument);
                filter_emit(program, BPF_JMP | BPF_JSET | BPF_K, call->value, 0, 1);
                refuse(program, call->error);
                break;
        case EQUAL:
                filter_load_argument(program, call->argument);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, 1);
                refuse(program, call->error);
                break;
        case OTHER_THAN:
                filter_load_argument(program, call->argument);
                allow_if_equal(program, call->value);
                refuse(program, call->error);
                break;
        case OPTION:
                filter_load_argument(program, 1);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, 3);
                filter_load_argument(program, 2);
                filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, call->name_value, 0, 1);
                refuse(program, call->error);
                break;
        }
}

/* Only kinds of sockets of which we know that they have an address by bind() and listen(), and nothing else.
 * Raw and packet sockets need none; SMC and such bring a TCP socket of their own. */
static void write_socket(struct filter_program *program, const struct policy *policy) {
        static const uint32_t stream[] = {0, IPPROTO_TCP, IPPROTO_MPTCP},
                              datagram[] = {0, IPPROTO_UDP, IPPROTO_UDPLITE};
        bool sctp = strict_names_protocol(policy, IPPROTO_SCTP);
        size_t begin;

        filter_load_argument(program, 0);
        allow_if_equal(program, AF_UNIX);
        allow_if_equal(program, AF_NETLINK);
        allow_if_equal(program, AF_ALG);
        if (strict_names_vsock(policy))
                allow_if_equal(program, AF_VSOCK);
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
        refuse(program, EAFNOSUPPORT);

        filter_load_argument(program, 1);
        filter_emit(program, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0); /* SOCK_TYPE_MASK of the kernel */
        begin = filter_begin_if_equal(program, SOCK_STREAM);
        filter_load_argument(program, 2);
        for (size_t i = 0; i < ELEMENTSOF(stream); i++)
                allow_if_equal(program, stream[i]);
        if (sctp)
                allow_if_equal(program, IPPROTO_SCTP);
        refuse(program, EPROTONOSUPPORT);
        filter_end_if(program, begin);

        begin = filter_begin_if_equal(program, SOCK_DGRAM);
        filter_load_argument(program, 2);
        for (size_t i = 0; i < ELEMENTSOF(datagram); i++)
                allow_if_equal(program, datagram[i]);
        refuse(program, EPROTONOSUPPORT);
        filter_end_if(program, begin);

        if (sctp)
                allow_if_equal(program, SOCK_SEQPACKET);
        if (strict_names_protocol(policy, IPPROTO_DCCP))
                allow_if_equal(program, SOCK_DCCP);
        refuse(program, EPERM);
}

static void write_call(struct filter_program *program, int number, const struct refused_call *call,
                       const struct policy *policy) {
        size_t begin;

        if (number == NO_CALL)
                return;
        filter_load(program, offsetof(struct seccomp_data, nr));
        begin = filter_begin_if_equal(program, (uint32_t) number);
        if (call)
                write_refused_call(program, call);
        else
                write_socket(program, policy);
        filter_end_if(program, begin);
}

static void write_abi(struct filter_program *program, bool native, const struct policy *policy) {
        static const struct numbers socket = {SYS_socket, OTHER(359, 281)};
        uint32_t architecture = native ? FILTER_NATIVE_ARCHITECTURE : FILTER_OTHER_ARCHITECTURE;
        size_t begin = filter_begin_if_architecture(program, architecture);

        if (architecture == AUDIT_ARCH_X86_64) {
                filter_load(program, offsetof(struct seccomp_data, nr));
                filter_emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_MARK, 0, 1);
                refuse(program, ENOSYS); /* x32 */
        }
        write_call(program, native ? socket.native : socket.other, NULL, policy);
        for (size_t i = 0; i < ELEMENTSOF(refused_calls); i++) {
                const struct numbers *numbers = &refused_calls[i].numbers;

                write_call(program, native ? numbers->native : numbers->other, &refused_calls[i], policy);
        }
        filter_return(program, SECCOMP_RET_ALLOW);
        filter_end_if_architecture(program, begin);
}

void strict_write_filter(const struct policy *policy, struct filter_program *ret) {
        *ret = (struct filter_program){};
        write_abi(ret, true, policy);
        write_abi(ret, false, policy);
        filter_return(ret, SECCOMP_RET_KILL_PROCESS); /* an ABI that nobody mediates */
}

int strict_filter_install(const struct policy *policy) {
        struct filter_program program;
        int r;

        strict_write_filter(policy, &program);
        r = filter_install_program(&program, 0);
        return r < 0 ? r : 0;
}
