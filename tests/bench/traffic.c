/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The two ends of a conversation, as small as can be:
 *
 * traffic serve-tcp PORT     answers each HTTP request; keeps the connection unless told otherwise
 * traffic serve-udp PORT     sends each datagram back
 * traffic udp PORT SECONDS   keeps datagrams under way to such a server; prints how many came back in a
 * second traffic first PORT         connects, sends a request; prints how many ns it took until the first
 * byte came back traffic wait               does nothing
 *
 * The servers take the first passed socket (LISTEN_FDS) if there is one, and bind 127.0.0.1 themselves if
 * not. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UNDER_WAY 32

static const char request[] = "GET / HTTP/1.0\r\n\r\n",
                  answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
                  last_answer[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nok\n";

static long now(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * 1000000000L + time.tv_nsec;
}

static struct sockaddr_in local(const char *port) {
        return (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                    .sin_port = htons((unsigned short) atoi(port))};
}

static int server_socket(int type, const char *port) {
        struct sockaddr_in in = local(port);
        int fd;

        if (getenv("LISTEN_FDS"))
                return 3;
        fd = socket(AF_INET, type, 0);
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(fd, (struct sockaddr *) &in, sizeof(in)) < 0 ||
            (type == SOCK_STREAM && listen(fd, 4096) < 0)) {
                perror("traffic");
                exit(1);
        }
        return fd;
}

/* Returns whether the connection stays. */
static int serve_one(int fd) {
        char buffer[4096];
        ssize_t n = recv(fd, buffer, sizeof(buffer) - 1, 0);
        int closes;

        if (n <= 0)
                return 0;
        buffer[n] = '\0';
        closes = strstr(buffer, "HTTP/1.0") || strstr(buffer, "onnection: close");
        if (send(fd, closes ? last_answer : answer, (closes ? sizeof(last_answer) : sizeof(answer)) - 1,
                 MSG_NOSIGNAL) < 0)
                return 0;
        return !closes;
}

static int serve_tcp(const char *port) {
        int listening = server_socket(SOCK_STREAM, port), epoll = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, events[64];

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event) < 0)
                return 1;
        for (;;) {
                int n = epoll_wait(epoll, events, 64, -1);

                for (int i = 0; i < n; i++) {
                        int fd = events[i].data.fd;

                        if (fd == listening) {
                                event.data.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
                                (void) epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
                        } else if (!serve_one(fd))
                                (void) close(fd);
                }
        }
}

static _Noreturn void serve_udp(const char *port) {
        int fd = server_socket(SOCK_DGRAM, port);
        struct sockaddr_in peer;
        char buffer[2048];

        for (;;) {
                socklen_t length = sizeof(peer);
                ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *) &peer, &length);

                if (n >= 0)
                        (void) sendto(fd, buffer, (size_t) n, 0, (struct sockaddr *) &peer, length);
        }
}

static int connected(int type, const char *port) {
        struct sockaddr_in in = local(port);
        int fd = socket(AF_INET, type, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *) &in, sizeof(in)) < 0) {
                perror("traffic: connect");
                exit(1);
        }
        return fd;
}

static int send_datagrams(const char *port, const char *seconds) {
        int fd = connected(SOCK_DGRAM, port);
        long begin = now(), end = begin + (long) (atof(seconds) * 1e9), n = 0;
        char byte = 0;

        for (int i = 0; i < UNDER_WAY; i++)
                (void) send(fd, &byte, 1, 0);
        while (now() < end) {
                struct pollfd answered = {.fd = fd, .events = POLLIN};

                /* What is lost is sent again. */
                if (poll(&answered, 1, 100) > 0 && recv(fd, &byte, 1, 0) > 0)
                        n++;
                (void) send(fd, &byte, 1, 0);
        }
        printf("%.0f\n", (double) n / ((double) (now() - begin) / 1e9));
        return 0;
}

static int first_byte(const char *port) {
        long begin = now();
        int fd = connected(SOCK_STREAM, port);
        char byte;

        if (send(fd, request, sizeof(request) - 1, 0) < 0 || recv(fd, &byte, 1, 0) != 1) {
                perror("traffic: first");
                return 1;
        }
        printf("%ld\n", now() - begin);
        return 0;
}

int main(int argc, char **argv) {
        const char *what = argc > 1 ? argv[1] : "";

        if (strcmp(what, "wait") == 0)
                return pause();
        if (argc == 3 && strcmp(what, "serve-tcp") == 0)
                return serve_tcp(argv[2]);
        if (argc == 3 && strcmp(what, "serve-udp") == 0)
                serve_udp(argv[2]);
        if (argc == 4 && strcmp(what, "udp") == 0)
                return send_datagrams(argv[2], argv[3]);
        if (argc == 3 && strcmp(what, "first") == 0)
                return first_byte(argv[2]);
        return 2;
}
