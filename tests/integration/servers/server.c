/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers each connection with a line "served FAMILY": server PORT. Without libc's wrappers where RAW is
 * set; by i386's socketcall() where SOCKETCALL is. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(SOCKETCALL)
#include <linux/net.h>
static long call(int number, long a, long b, long c) {
        unsigned long arguments[] = {(unsigned long) a, (unsigned long) b, (unsigned long) c};

        return syscall(SYS_socketcall, number, arguments);
}
#define do_socket(a, b, c) call(SYS_SOCKET, a, b, c)
#define do_bind(a, b, c) call(SYS_BIND, a, (long) (b), c)
#define do_listen(a, b) call(SYS_LISTEN, a, b, 0)
#elif defined(RAW)
#define do_socket(a, b, c) syscall(SYS_socket, a, b, c)
#define do_bind(a, b, c) syscall(SYS_bind, a, b, c)
#define do_listen(a, b) syscall(SYS_listen, a, b)
#else
#define do_socket socket
#define do_bind bind
#define do_listen listen
#endif

int main(int argc, char **argv) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        int fd;

        if (argc < 2)
                return 2;
        in.sin_port = htons((unsigned short) atoi(argv[1]));
        if (argc > 2 && (setgid(65534) < 0 || setuid((uid_t) atoi(argv[2])) < 0))
                return 3;
        fd = (int) do_socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || do_bind(fd, (struct sockaddr *) &in, sizeof(in)) != 0 || do_listen(fd, 5) != 0) {
                perror("server");
                return 1;
        }
        for (;;) {
                struct sockaddr_storage peer;
                socklen_t length = sizeof(peer);
                int connection = accept(fd, (struct sockaddr *) &peer, &length);
                const char *line = peer.ss_family == AF_INET ? "served IPv4\n" : "served another family\n";

                if (write(connection, line, strlen(line)) < 0)
                        return 4;
                close(connection);
        }
}
