/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict-filter.h"

#include <assert.h>
#include <endian.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
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

enum condition {
        ALWAYS,
        ANY_BIT,    /* one of value's bits is set in the argument */
        OTHER_THAN, /* the argument is not value */
        OPTION,     /* setsockopt() of this level and name */
};

/* Calls that fail with this error under a condition. The kernel ignores the upper halves of these arguments,
 * and so do we. */
static const struct refused_call {
        const char *name;
        int error;
        enum condition condition;
        unsigned argument;
        uint32_t value, name_value;
} refused_calls[] = {
        /* Submits bind() and listen() (6.11), and more to come, of which a filter sees nothing. Libraries
         * fall back. A ring may have been received from elsewhere, so all three. */
        {"io_uring_setup", ENOSYS, ALWAYS, 0, 0, 0},
        {"io_uring_enter", ENOSYS, ALWAYS, 0, 0, 0},
        {"io_uring_register", ENOSYS, ALWAYS, 0, 0, 0},
        /* Another listener would, once the supervisor is gone, take its place and answer CONTINUE. */
        {"seccomp", EPERM, ANY_BIT, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0},
        /* In a user namespace of its own, a process has every capability that was taken from it. clone3()
         * keeps its flags in memory; libc falls back to clone(). */
        {"unshare", EPERM, ANY_BIT, 0, CLONE_NEWUSER, 0},
        {"clone", EPERM, ANY_BIT, 0, CLONE_NEWUSER, 0},
        {"clone3", ENOSYS, ALWAYS, 0, 0, 0},
        {"setns", EPERM, ALWAYS, 0, 0, 0},
        /* Another process of the same user is not fenced in: it could be made to bind, or robbed of what it
         * has bound. */
        {"ptrace", EPERM, ALWAYS, 0, 0, 0},
        {"process_vm_writev", EPERM, ALWAYS, 0, 0, 0},
        {"pidfd_getfd", EPERM, ALWAYS, 0, 0, 0},
        /* Memory that the supervisor would wait for (it does not wait for long, see answer.c). */
        {"userfaultfd", ENOSYS, ALWAYS, 0, 0, 0},
        {"bpf", EPERM, ALWAYS, 0, 0, 0},
        /* i386's older way to sockets keeps everything in memory. */
        {"socketcall", ENOSYS, ALWAYS, 0, 0, 0},
        {"socketpair", EOPNOTSUPP, OTHER_THAN, 0, AF_UNIX, 0},
        /* Gives a socket any address without bind(). */
        {"setsockopt", EPERM, OPTION, 0, IPPROTO_TCP, TCP_REPAIR},
        /* Lets a program choose the ports that the kernel chooses for it. */
        {"setsockopt", ENOPROTOOPT, OPTION, 0, IPPROTO_IP, IP_LOCAL_PORT_RANGE},
        /* Makes an IPv6 socket an IPv4 one. */
        {"setsockopt", ENOPROTOOPT, OPTION, 0, IPPROTO_IPV6, IPV6_ADDRFORM},
        /* bind() by another name */
        {"setsockopt", EPERM, OPTION, 0, IPPROTO_SCTP, SCTP_BINDX_ADD},
        {"setsockopt", EPERM, OPTION, 0, IPPROTO_SCTP, SCTP_BINDX_REM},
};

/* libseccomp says "multiplexed" for calls of i386 that can be had directly, too. */
static const struct {
        const char *name;
        int number;
} i386_calls[] = {{"socket", 359}, {"socketpair", 360}, {"setsockopt", 366}};

/* Of each machine, the native ABI and the other that is mediated (call.c) */
static const struct abi {
        uint32_t audit_architecture, architecture; /* the kernel's number, libseccomp's */
} abis[] = {
#if defined(__x86_64__)
        {AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64},
        {AUDIT_ARCH_I386, SCMP_ARCH_X86},
#elif defined(__aarch64__)
        {AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64},
        {AUDIT_ARCH_ARM, SCMP_ARCH_ARM},
#endif
};

/* --- writing the program --- */

struct program {
        struct sock_filter code[1024];
        size_t n;
};

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        assert(program->n < ELEMENTSOF(program->code));
        program->code[program->n++] = (struct sock_filter) BPF_JUMP(code, k, jt, jf);
}

static void load(struct program *program, size_t offset) {
        emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t) offset, 0, 0);
}

static void load_argument(struct program *program, unsigned argument) {
        size_t lower_half = __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : sizeof(uint32_t);

        load(program, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) + lower_half);
}

static void give_back(struct program *program, uint32_t action) {
        emit(program, BPF_RET | BPF_K, action, 0, 0);
}

static void refuse(struct program *program, int error) {
        give_back(program, SECCOMP_RET_ERRNO | (uint32_t) error);
}

static void allow_if_equal(struct program *program, uint32_t value) {
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        give_back(program, SECCOMP_RET_ALLOW);
}

/* What stands between begin_if_equal() and end_if() is for this value. */
static size_t begin_if_equal(struct program *program, uint32_t value) {
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
        return program->n;
}

static void end_if(struct program *program, size_t begin) {
        assert(program->n - begin <= UINT8_MAX);
        program->code[begin - 1].jf = (uint8_t) (program->n - begin);
}

/* --- what is refused --- */

static int find_number(const struct abi *abi, const char *name) {
        for (size_t i = 0; abi->architecture == SCMP_ARCH_X86 && i < ELEMENTSOF(i386_calls); i++)
                if (strcmp(i386_calls[i].name, name) == 0)
                        return i386_calls[i].number;
        return seccomp_syscall_resolve_name_arch(abi->architecture, name);
}

static void write_refused_call(struct program *program, const struct refused_call *call) {
        switch (call->condition) {
        case ALWAYS:
                refuse(program, call->error);
                break;
        case ANY_BIT:
                load_argument(program, call->argument);
                emit(program, BPF_JMP | BPF_JSET | BPF_K, call->value, 0, 1);
                refuse(program, call->error);
                break;
        case OTHER_THAN:
                load_argument(program, call->argument);
                allow_if_equal(program, call->value);
                refuse(program, call->error);
                break;
        case OPTION:
                load_argument(program, 1);
                emit(program, BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, 3);
                load_argument(program, 2);
                emit(program, BPF_JMP | BPF_JEQ | BPF_K, call->name_value, 0, 1);
                refuse(program, call->error);
                break;
        }
}

/* Only kinds of sockets of which we know that they have an address by bind() and listen(), and nothing else.
 * Raw and packet sockets need none; SMC and such bring a TCP socket of their own. */
static void write_socket(struct program *program, const struct policy *policy) {
        static const uint32_t stream[] = {0, IPPROTO_TCP, IPPROTO_MPTCP},
                              datagram[] = {0, IPPROTO_UDP, IPPROTO_UDPLITE};
        bool sctp = strict_names_protocol(policy, IPPROTO_SCTP);
        size_t begin;

        load_argument(program, 0);
        allow_if_equal(program, AF_UNIX);
        allow_if_equal(program, AF_NETLINK);
        allow_if_equal(program, AF_ALG);
        if (strict_names_vsock(policy))
                allow_if_equal(program, AF_VSOCK);
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
        refuse(program, EAFNOSUPPORT);

        load_argument(program, 1);
        emit(program, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0); /* SOCK_TYPE_MASK of the kernel */
        begin = begin_if_equal(program, SOCK_STREAM);
        load_argument(program, 2);
        for (size_t i = 0; i < ELEMENTSOF(stream); i++)
                allow_if_equal(program, stream[i]);
        if (sctp)
                allow_if_equal(program, IPPROTO_SCTP);
        refuse(program, EPROTONOSUPPORT);
        end_if(program, begin);

        begin = begin_if_equal(program, SOCK_DGRAM);
        load_argument(program, 2);
        for (size_t i = 0; i < ELEMENTSOF(datagram); i++)
                allow_if_equal(program, datagram[i]);
        refuse(program, EPROTONOSUPPORT);
        end_if(program, begin);

        if (sctp)
                allow_if_equal(program, SOCK_SEQPACKET);
        if (strict_names_protocol(policy, IPPROTO_DCCP))
                allow_if_equal(program, SOCK_DCCP);
        refuse(program, EPERM);
}

static void write_call(struct program *program, const struct abi *abi, const char *name,
                       const struct refused_call *call, const struct policy *policy) {
        int number = find_number(abi, name);
        size_t begin;

        if (number < 0) /* this ABI has no such call */
                return;
        load(program, offsetof(struct seccomp_data, nr));
        begin = begin_if_equal(program, (uint32_t) number);
        if (call)
                write_refused_call(program, call);
        else
                write_socket(program, policy);
        end_if(program, begin);
}

static void write_abi(struct program *program, const struct abi *abi, const struct policy *policy) {
        load(program, offsetof(struct seccomp_data, arch));
        /* Longer than a conditional jump reaches */
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, abi->audit_architecture, 1, 0);
        emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
        size_t begin = program->n;

        if (abi->audit_architecture == AUDIT_ARCH_X86_64) {
                load(program, offsetof(struct seccomp_data, nr));
                emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_MARK, 0, 1);
                refuse(program, ENOSYS); /* x32 */
        }
        write_call(program, abi, "socket", NULL, policy);
        for (size_t i = 0; i < ELEMENTSOF(refused_calls); i++)
                write_call(program, abi, refused_calls[i].name, &refused_calls[i], policy);
        give_back(program, SECCOMP_RET_ALLOW);
        program->code[begin - 1].k = (uint32_t) (program->n - begin);
}

int strict_filter_install(const struct policy *policy) {
        struct program program = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(abis); i++)
                write_abi(&program, &abis[i], policy);
        give_back(&program, SECCOMP_RET_KILL_PROCESS); /* an ABI that nobody mediates */
        r = filter_install_program(
                &(struct sock_fprog){.len = (unsigned short) program.n, .filter = program.code}, 0);
        return r < 0 ? r : 0;
}
