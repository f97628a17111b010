/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same calls by other doors of the kernel */

#include "attack.h"

#include <errno.h>
#include <linux/net.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GARBAGE (UINT64_C(0xdeadbeef) << 32)

/* The kernel looks at the lower halves of these only. */
static void upper_halves(void) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        uint64_t fd = (unsigned) tcp() | GARBAGE;

        if (syscall((long) (SYS_bind | GARBAGE), fd, &in, sizeof(in) | GARBAGE) < 0)
                perror("bind");
        (void) syscall((long) (SYS_listen | GARBAGE), fd, 8 | GARBAGE);
}

static void upper_halves_of_listen(void) {
        (void) syscall((long) (SYS_listen | GARBAGE), (unsigned) tcp() | GARBAGE, 8 | GARBAGE);
}

#ifdef __x86_64__

/* asm/unistd_32.h, whose names are those of the native calls, too */
enum { I386_SOCKETCALL = 102, I386_SOCKET = 359, I386_BIND = 361, I386_LISTEN = 363, I386_GETPID = 20 };

static long int80(long number, long a, long b, long c) {
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(number), "b"(a), "c"(b), "d"(c)
                         : "memory", "r8", "r9", "r10", "r11");
        return (int) r;
}

/* Memory that a 32-bit address reaches */
static void *low_memory(void) {
        void *memory =
                mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        if (memory == MAP_FAILED || int80(I386_GETPID, 0, 0, 0) != getpid())
                missing("i386 calls");
        return memory;
}

static void i386_calls(void) {
        struct sockaddr_in *in = low_memory();
        long fd = int80(I386_SOCKET, AF_INET, SOCK_STREAM, 0);

        *in = loopback(FORBIDDEN_PORT);
        (void) int80(I386_BIND, fd, (long) in, sizeof(*in));
        (void) int80(I386_LISTEN, fd, 8, 0);
}

/* A 64-bit socket, listened on by a 32-bit call */
static void i386_listen(void) {
        (void) low_memory();
        (void) int80(I386_LISTEN, tcp(), 8, 0);
}

struct socketcall {
        uint32_t arguments[3];
        struct sockaddr_in in;
};

static void i386_socketcall(void) {
        struct socketcall *call = low_memory();
        uint32_t fd = (uint32_t) tcp();

        call->in = loopback(FORBIDDEN_PORT);
        memcpy(call->arguments, (uint32_t[]){fd, (uint32_t) (uintptr_t) &call->in, sizeof(call->in)}, 12);
        (void) int80(I386_SOCKETCALL, SYS_BIND, (long) call->arguments, 0);
        memcpy(call->arguments, (uint32_t[]){fd, 8}, 8);
        (void) int80(I386_SOCKETCALL, SYS_LISTEN, (long) call->arguments, 0);
}

/* Descriptor, pointer and length are in memory, where a thread can change each. */
static uint32_t other_values[3];

static void *rewrite_arguments(void *argument) {
        struct socketcall *call = argument;
        uint32_t values[3];

        memcpy(values, call->arguments, sizeof(values));
        for (unsigned i = 0;; i++)
                for (int j = 0; j < 3; j++)
                        ((_Atomic uint32_t *) call->arguments)[j] = i & 1 ? values[j] : other_values[j];
        return NULL;
}

static void rewrite_socketcall(void) {
        struct socketcall *call = low_memory();
        struct sockaddr_in *other = (struct sockaddr_in *) (call + 1);
        int fd = tcp(), other_fd = socket(AF_INET, SOCK_DGRAM, 0), new_fd;

        call->in = loopback(ALLOWED_PORT);
        *other = loopback(FORBIDDEN_PORT);
        memcpy(call->arguments,
               (uint32_t[]){(uint32_t) fd, (uint32_t) (uintptr_t) &call->in, sizeof(*other)}, 12);
        memcpy(other_values, (uint32_t[]){(uint32_t) other_fd, (uint32_t) (uintptr_t) other, 128}, 12);
        start_thread(rewrite_arguments, call);
        while (is_racing()) {
                (void) int80(I386_SOCKETCALL, SYS_BIND, (long) call->arguments, 0);
                if (is_forbidden(fd) || is_forbidden(other_fd))
                        return;
                new_fd = tcp(); /* bound now; another one takes its number */
                (void) dup2(new_fd, fd);
                close(new_fd);
        }
}

#define X32 0x40000000

static void x32_calls(void) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        int fd = tcp();

        if (syscall(X32 | SYS_getpid) < 0)
                missing("x32 calls");
        (void) syscall(X32 | SYS_bind, fd, &in, sizeof(in));
        (void) syscall(X32 | SYS_listen, fd, 8);
}

#endif

const struct attack call_attacks[] = {
        {"upper-halves", upper_halves},
        {"upper-halves-of-listen", upper_halves_of_listen},
#ifdef __x86_64__
        {"i386-calls", i386_calls},
        {"i386-listen", i386_listen},
        {"i386-socketcall", i386_socketcall},
        {"rewrite-socketcall", rewrite_socketcall},
        {"x32-calls", x32_calls},
#endif
        {0},
};
