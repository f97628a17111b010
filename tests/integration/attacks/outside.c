/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A process outside of the fence, of the same user, is made to do it, or robbed of its sockets. */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program is linked to a fixed address (-no-pie): the victim's is ours. */
static struct order {
        volatile int go;
        struct sockaddr_in where;
} order;

/* Binds what is written into its memory, and has a socket to steal; starts the attack, and says when that
 * has ended. */
void victim(void) {
        struct sockaddr_in in = loopback(VICTIM_PORT);
        int fd = tcp(), yes = 1;
        pid_t child;

        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
        (void) grab_at(fd, &in, sizeof(in));
        child = fork();
        if (child == 0) {
                (void) execvp(arguments[0], arguments);
                _exit(127);
        }
        while (!order.go) {
                if (waitpid(child, NULL, WNOHANG) == child)
                        printf("ended\n");
                (void) usleep(1000);
        }
        (void) grab_at(tcp(), &order.where, sizeof(order.where));
        for (;;)
                pause();
}

/* Gives the victim the time to do what it was told. */
static void await_victim(void) {
        (void) usleep(300000);
}

static void write_with_process_vm(void) {
        struct order new = {.go = 1, .where = loopback(FORBIDDEN_PORT)};
        struct iovec local = {.iov_base = &new, .iov_len = sizeof(new)},
                     remote = {.iov_base = &order, .iov_len = sizeof(order)};

        if (process_vm_writev(VICTIM, &local, 1, &remote, 1, 0) < 0)
                perror("process_vm_writev");
        else
                await_victim();
}

static void write_proc_mem(void) {
        struct order new = {.go = 1, .where = loopback(FORBIDDEN_PORT)};
        int fd = open("/proc/1/mem", O_RDWR);

        if (pwrite(fd, &new, sizeof(new), (off_t) (uintptr_t) &order) < 0)
                perror("/proc/1/mem");
        else
                await_victim();
}

#ifdef __x86_64__

static long inject_call(int pid, struct user_regs_struct registers, long number, long a, long b, long c) {
        registers.rip -= 2; /* the syscall instruction in which it waits */
        registers.rax = (unsigned long) number;
        registers.orig_rax = -1UL;
        registers.rdi = (unsigned long) a;
        registers.rsi = (unsigned long) b;
        registers.rdx = (unsigned long) c;
        (void) ptrace(PTRACE_SETREGS, pid, NULL, &registers);
        (void) ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        (void) waitpid(pid, NULL, __WALL);
        (void) ptrace(PTRACE_GETREGS, pid, NULL, &registers);
        return (long) registers.rax;
}

void inject(int pid) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        struct user_regs_struct registers;
        long words[2], where, fd;

        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0) {
                perror("ptrace");
                return;
        }
        (void) waitpid(pid, NULL, __WALL);
        (void) ptrace(PTRACE_GETREGS, pid, NULL, &registers);
        where = (long) registers.rsp - 4096;
        memcpy(words, &in, sizeof(words));
        for (int i = 0; i < 2; i++)
                (void) ptrace(PTRACE_POKEDATA, pid, (void *) (where + i * 8), (void *) words[i]);
        fd = inject_call(pid, registers, SYS_socket, AF_INET, SOCK_STREAM, 0);
        (void) inject_call(pid, registers, SYS_bind, fd, where, sizeof(in));
        (void) inject_call(pid, registers, SYS_listen, fd, 8, 0);
}

#else

void inject(int pid) {
        (void) pid;
        missing("code for this machine");
}

#endif

static void trace(void) {
        inject(VICTIM);
}

static void take_socket(void) {
        int pidfd = (int) syscall(SYS_pidfd_open, VICTIM, 0);

        for (int fd = 0; fd < 64; fd++)
                if (syscall(SYS_pidfd_getfd, pidfd, fd, 0) < 0 && errno != EBADF) {
                        perror("pidfd_getfd");
                        break;
                }
}

const struct attack outside_attacks[] = {
        {"write-with-process-vm", write_with_process_vm},
        {"write-proc-mem", write_proc_mem},
        {"trace", trace},
        {"take-socket", take_socket},
        {0},
};
