/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times system calls: calls bind PORT N [DESCRIPTORS] | calls WHAT N, with WHAT one of getpid, read, accept,
 * sendto, shut-wr, shut-rdwr. Prints the median of one call in nanoseconds. */

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int listening = -1, zero = -1, datagram = -1;
static struct sockaddr_in address = {.sin_family = AF_INET}, server;

static long now(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int compare(const void *a, const void *b) {
        long x = *(const long *) a, y = *(const long *) b;

        return (x > y) - (x < y);
}

static int connect_one(void) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (connect(fd, (struct sockaddr *) &server, sizeof(server)) < 0)
                exit(3);
        return fd;
}

static void prepare(void) {
        socklen_t length = sizeof(server);

        listening = socket(AF_INET, SOCK_STREAM, 0);
        server = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (listen(listening, 100) < 0 || getsockname(listening, (struct sockaddr *) &server, &length) < 0)
                exit(3);
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        zero = open("/dev/zero", O_RDONLY);
        datagram = socket(AF_INET, SOCK_DGRAM, 0);
}

/* One timed call; what belongs before and after it is not timed. */
static long time_one(const char *what) {
        int fd = -1, other = -1;
        char byte = 0;
        long begin, end;

        if (strcmp(what, "bind") == 0) {
                fd = socket(AF_INET, SOCK_STREAM, 0);
                begin = now();
                if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 && getenv("EXPECT_SUCCESS"))
                        exit(4);
        } else if (strcmp(what, "getpid") == 0) {
                begin = now();
                syscall(SYS_getpid);
        } else if (strcmp(what, "read") == 0) {
                begin = now();
                if (read(zero, &byte, 1) < 0)
                        exit(3);
        } else if (strcmp(what, "sendto") == 0) {
                begin = now();
                if (sendto(datagram, &byte, 1, 0, (struct sockaddr *) &server, sizeof(server)) < 0)
                        (void) byte; /* nobody listens there: the next one says so */
        } else if (strcmp(what, "accept") == 0) {
                other = connect_one();
                begin = now();
                fd = accept(listening, NULL, NULL);
        } else {
                other = connect_one();
                fd = accept(listening, NULL, NULL);
                begin = now();
                shutdown(fd, strcmp(what, "shut-wr") == 0 ? SHUT_WR : SHUT_RDWR);
        }
        end = now();
        if (fd >= 0)
                close(fd);
        if (other >= 0)
                close(other);
        return end - begin;
}

int main(int argc, char **argv) {
        int is_bind = argc > 1 && strcmp(argv[1], "bind") == 0, n;
        long *times;

        if (argc < 3 + is_bind)
                return 2;
        n = atoi(argv[2 + is_bind]);
        times = malloc((size_t) n * sizeof(*times));
        if (is_bind) {
                address.sin_port = htons((unsigned short) atoi(argv[2]));
                for (int i = argc > 4 ? atoi(argv[4]) : 0; i > 0; i--)
                        open("/dev/null", O_RDONLY);
        } else
                prepare();
        for (int i = 0; i < n; i++)
                times[i] = time_one(argv[1]);
        qsort(times, (size_t) n, sizeof(*times), compare);
        printf("%ld\n", times[n / 2]);
        return 0;
}
