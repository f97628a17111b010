/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that a supervisor can do: floor MODE PROGRAM ARGUMENT...
 *
 * none: nothing; a filter that lets every call pass. What any filter costs.
 * continue: receive the notification, answer CONTINUE.
 * read: also read the address, without which nobody can tell one bind from another.
 * deny: also copy the socket, since a wrong descriptor is another error; answer with one.
 * bind: bind the copy.
 * adopt: read the address, put a listening socket in the place of the target's (descriptor 3).
 * replay: also find out what has to be carried over: the descriptor's flags, other descriptors of the same
 * socket, and each option that a TCP socket has, of both sockets. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static int install(const char *mode) {
        struct sock_filter instructions[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, instructions};

        if (strcmp(mode, "none") == 0)
                instructions[2] = instructions[3];

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

/* Of IPv4 TCP sockets: those of SOL_SOCKET, of IPPROTO_IP, of IPPROTO_TCP */
static const struct {
        int level, first, last;
} options[] = {{SOL_SOCKET, 1, 36}, {IPPROTO_IP, 1, 23}, {IPPROTO_TCP, 1, 20}};

static void read_options(int fd) {
        char value[16];

        for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
                for (int name = options[i].first; name < options[i].last; name++)
                        getsockopt(fd, options[i].level, name, value, &(socklen_t){sizeof(value)});
}

static void read_flags(pid_t pid, int fd) {
        char path[64], text[512];
        int file;

        snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
        file = open(path, O_RDONLY | O_CLOEXEC);
        if (read(file, text, sizeof(text)) < 0)
                text[0] = '\0';
        close(file);
}

static void read_descriptors(pid_t pid) {
        char path[64], link[64];
        const struct dirent *entry;
        DIR *directory;

        snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        directory = opendir(path);
        while (directory && (entry = readdir(directory)))
                if (readlinkat(dirfd(directory), entry->d_name, link, sizeof(link)) < 0)
                        continue;
        if (directory)
                closedir(directory);
}

/* Ours has one child, which may have threads; a pidfd of a thread is new in Linux 6.9. */
static int copy_socket(pid_t process, const struct seccomp_notif *request) {
        int pidfd = pidfd_open(process, 0), fd = pidfd_getfd(pidfd, (int) request->data.args[0], 0);

        close(pidfd);
        return fd;
}

static void read_state(pid_t process, const struct seccomp_notif *request, int passed) {
        int fd = copy_socket(process, request);

        read_options(fd);
        read_options(passed);
        read_flags((pid_t) request->pid, (int) request->data.args[0]);
        read_descriptors((pid_t) request->pid);
        close(fd);
}

static void answer(int listener, const char *mode, pid_t process, int passed) {
        struct seccomp_notif request = {};
        struct seccomp_notif_resp response = {};
        struct sockaddr_in in;

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                return;
        response.id = request.id;
        if (mode[0] == 'c' || strcmp(mode, "read") == 0)
                response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        if (mode[0] != 'c') {
                struct iovec local = {&in, sizeof(in)}, remote = {(void *) request.data.args[1], sizeof(in)};

                if (process_vm_readv((pid_t) request.pid, &local, 1, &remote, 1, 0) < 0)
                        response.error = -errno;
        }
        if (mode[0] == 'b' || mode[0] == 'd') {
                int fd = copy_socket(process, &request);

                if (mode[0] == 'd')
                        response.error = -EACCES;
                else if (bind(fd, (struct sockaddr *) &in, sizeof(in)) < 0)
                        response.error = -errno;
                close(fd);
        }
        if (strcmp(mode, "replay") == 0)
                read_state(process, &request, passed);
        if (mode[0] == 'a' || strcmp(mode, "replay") == 0) {
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
                number = install(argv[1]);
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
                answer(listener, argv[1], child, passed);
        }
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
}
