/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times system calls: calls bind PORT N [DESCRIPTORS [THREADS]] | calls WHAT N, with WHAT one of getpid,
 * read, accept, sendto, shut-wr, shut-rdwr. Prints the median of one call in nanoseconds. DESCRIPTORS are
 * open beside the socket; THREADS call at the same time, N times in all. */

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct work {
        const char *what;
        long *times;
        int n;
};

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
                /* Threads bind the same port at the same time. */
                (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
                begin = now();
                (void) bind(fd, (struct sockaddr *) &address, sizeof(address)); /* it may be denied */
        } else if (strcmp(what, "getpid") == 0) {
                begin = now();
                (void) syscall(SYS_getpid);
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
                (void) shutdown(fd, strcmp(what, "shut-wr") == 0 ? SHUT_WR : SHUT_RDWR);
        }
        end = now();
        if (fd >= 0)
                (void) close(fd);
        if (other >= 0)
                (void) close(other);
        return end - begin;
}

static void *run(void *argument) {
        struct work *work = argument;

        for (int i = 0; i < work->n; i++)
                work->times[i] = time_one(work->what);
        return NULL;
}

static void run_all(const char *what, long *times, int n, int n_threads) {
        struct work *works = calloc((size_t) n_threads, sizeof(*works));
        pthread_t *threads = calloc((size_t) n_threads, sizeof(*threads));

        for (int i = 0; i < n_threads; i++) {
                works[i] = (struct work){what, times + (ptrdiff_t) i * (n / n_threads), n / n_threads};
                if (pthread_create(&threads[i], NULL, run, &works[i]) != 0)
                        exit(3);
        }
        for (int i = 0; i < n_threads; i++)
                (void) pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
        int is_bind = argc > 1 && strcmp(argv[1], "bind") == 0, n, n_threads = argc > 5 ? atoi(argv[5]) : 1;
        long *times;

        if (argc < 3 + is_bind)
                return 2;
        n = atoi(argv[2 + is_bind]) / n_threads * n_threads;
        times = calloc((size_t) n, sizeof(*times));
        if (is_bind) {
                address.sin_port = htons((unsigned short) atoi(argv[2]));
                for (int i = argc > 4 ? atoi(argv[4]) : 0; i > 0; i--)
                        (void) open("/dev/null", O_RDONLY);
        } else
                prepare();
        if (n_threads > 1)
                run_all(argv[1], times, n, n_threads);
        else
                run(&(struct work){argv[1], times, n});
        qsort(times, (size_t) n, sizeof(*times), compare);
        printf("%ld\n", times[n / 2]);
        return 0;
}
