/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that a supervisor can do: floor continue|bind|adopt PROGRAM ARGUMENT...
 *
 * continue: receive the notification, answer CONTINUE.
 * bind: also read the address, copy the socket, bind the copy.
 * adopt: also read the address, put a listening socket in its place (descriptor 3). */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

static int install(void) {
        struct sock_filter instructions[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, instructions};

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

static void answer(int listener, const char *mode, int passed) {
        struct seccomp_notif request = {};
        struct seccomp_notif_resp response = {};
        struct sockaddr_in in;

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                return;
        response.id = request.id;
        if (mode[0] == 'c')
                response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else {
                struct iovec local = {&in, sizeof(in)}, remote = {(void *) request.data.args[1], sizeof(in)};

                if (process_vm_readv((pid_t) request.pid, &local, 1, &remote, 1, 0) < 0)
                        response.error = -errno;
        }
        if (mode[0] == 'b') {
                int pidfd = pidfd_open((pid_t) request.pid, 0);
                int fd = pidfd_getfd(pidfd, (int) request.data.args[0], 0);

                if (bind(fd, (struct sockaddr *) &in, sizeof(in)) < 0)
                        response.error = -errno;
                close(fd);
                close(pidfd);
        }
        if (mode[0] == 'a') {
                struct seccomp_notif_addfd addfd = {.id = request.id,
                                                    .flags = SECCOMP_ADDFD_FLAG_SETFD,
                                                    .srcfd = (unsigned) passed,
                                                    .newfd = (unsigned) request.data.args[0]};

                if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) < 0)
                        response.error = -errno;
        }
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv) {
        int pair[2], number, listener, status, passed = 3;
        pid_t child;

        if (argc < 3 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return 2;
        child = fork();
        if (child == 0) {
                number = install();
                if (number < 0 || write(pair[1], &number, sizeof(number)) < 0 ||
                    read(pair[1], &status, 1) < 0)
                        _exit(3);
                close(number);
                execvp(argv[2], argv + 2);
                _exit(4);
        }
        if (read(pair[0], &number, sizeof(number)) != sizeof(number))
                return 3;
        listener = pidfd_getfd(pidfd_open(child, 0), number, 0);
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1); /* synchronous wake-up, Linux 6.6 */
        if (write(pair[0], "", 1) < 0)
                return 3;
        for (;;) {
                struct pollfd fd = {listener, POLLIN, 0};

                if (poll(&fd, 1, -1) < 0 || (fd.revents & POLLIN) == 0)
                        break;
                answer(listener, argv[1], passed);
        }
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
}
