/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char **arguments;

void missing(const char *what) {
        printf("missing: %s: %s\n", what, strerror(errno));
        exit(77);
}

int tcp(void) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        return fd;
}

struct sockaddr_in loopback(int port) {
        return (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t) port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

bool grab_at(int fd, const void *address, socklen_t length) {
        if (bind(fd, address, length) < 0) {
                perror("bind");
                return false;
        }
        (void) listen(fd, 8);
        return true;
}

bool grab(int fd) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);

        return grab_at(fd, &in, sizeof(in));
}

bool is_forbidden(int fd) {
        struct sockaddr_in6 address = {0}; /* takes an AF_INET one, too */
        struct sockaddr_in *in = (struct sockaddr_in *) &address;
        socklen_t length = sizeof(address), type_length = sizeof(int);
        uint32_t mapped = htonl(INADDR_LOOPBACK);
        int type = 0;

        if (getsockname(fd, (struct sockaddr *) &address, &length) < 0 || in->sin_port == 0)
                return false;
        (void) getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length);
        if (type != SOCK_STREAM || in->sin_port != htons(ALLOWED_PORT))
                return true;
        if (in->sin_family == AF_INET)
                return in->sin_addr.s_addr != htonl(INADDR_LOOPBACK);
        return !IN6_IS_ADDR_V4MAPPED(&address.sin6_addr) ||
               memcmp(&address.sin6_addr.s6_addr[12], &mapped, sizeof(mapped)) != 0;
}

bool is_racing(void) {
        enum { SECONDS = 3 };
        static time_t end;

        if (end == 0)
                end = time(NULL) + SECONDS;
        return time(NULL) < end;
}

void start_thread(void *(*function)(void *), void *argument) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, function, argument) != 0)
                missing("a thread");
}

int main(int argc, char **argv) {
        static const struct attack *const tables[] = {plain_attacks,   racing_attacks,    option_attacks,
                                                      call_attacks,    ring_attacks,      process_attacks,
                                                      outside_attacks, supervisor_attacks};

        if (argc < 2)
                return 2;
        arguments = argv + 2;
        setvbuf(stdout, NULL, _IONBF, 0);
        if (strcmp(argv[1], "victim") == 0)
                victim();
        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                for (const struct attack *attack = tables[i]; attack->name; attack++)
                        if (strcmp(attack->name, argv[1]) == 0) {
                                printf("started\n");
                                attack->run();
                                printf("done\n");
                                for (;;)
                                        pause();
                        }
        return 2;
}
