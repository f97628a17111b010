/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pass tcp|udp PORT N PROGRAM ARGUMENT...: what a service manager does, as fast as can be: makes N sockets
 * on 127.0.0.1, PORT and those above it, listening if they are TCP, and becomes the program with these from
 * descriptor 3 on. With N = 0, only becomes the program. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int make_socket(int type, unsigned short port) {
        struct sockaddr_in in = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
        int fd = socket(AF_INET, type, 0), tries = 5000;

        /* A supervisor of the run before may have them for a moment. */
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0)
                return -1;
        while (bind(fd, (struct sockaddr *) &in, sizeof(in)) < 0)
                if (errno != EADDRINUSE || tries-- == 0 || usleep(1000) < 0)
                        return -1;
        if (type == SOCK_STREAM && listen(fd, 4096) < 0)
                return -1;
        return fd;
}

int main(int argc, char **argv) {
        struct rlimit limit;
        char number[16];
        int n, type;

        if (argc < 5)
                return 2;
        type = strcmp(argv[1], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
        n = atoi(argv[3]);
        if (n > 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
                for (int fd = 3; fd < 3 + n; fd++)
                        close(fd);
        }
        for (int i = 0; i < n; i++)
                if (make_socket(type, (unsigned short) (atoi(argv[2]) + i)) != 3 + i) {
                        perror("pass");
                        return 1;
                }
        if (n > 0) {
                (void) snprintf(number, sizeof(number), "%d", n);
                (void) setenv("LISTEN_FDS", number, 1);
                (void) snprintf(number, sizeof(number), "%d", getpid());
                (void) setenv("LISTEN_PID", number, 1);
        }
        (void) execvp(argv[4], argv + 4);
        perror(argv[4]);
        return 127;
}
