/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Python cannot do or hides: probe WHAT ARGUMENT... */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int bind_once(int port) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0), r = bind(fd, (struct sockaddr *) &in, sizeof(in)),
            error = errno;

        close(fd);
        errno = error;
        return r;
}

static int bind_result(int port) {
        printf("%d\n", bind_once(port));
        return 0;
}

/* Binds again and again; says how many did not return 0. */
static int bind_many(int port, int n) {
        int failed = 0;

        for (int i = 0; i < n; i++)
                failed += bind_once(port) != 0;
        printf("%d\n", failed);
        return 0;
}

static void ignore(int number) {
        (void) number;
}

static int bind_under_timer(int port, int n) {
        struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
        struct itimerval every_ms = {{0, 1000}, {0, 1000}};

        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &every_ms, NULL);
        return bind_many(port, n);
}

struct threads_task {
        int port, n, failed;
};

static void *bind_in_thread(void *argument) {
        struct threads_task *task = argument;

        for (int i = 0; i < task->n; i++)
                task->failed += bind_once(task->port) != 0;
        return NULL;
}

static int bind_in_threads(int port, int n_threads) {
        struct threads_task tasks[64];
        pthread_t threads[64];
        int failed = 0;

        for (int i = 0; i < n_threads; i++) {
                tasks[i] = (struct threads_task){port, 200, 0};
                pthread_create(&threads[i], NULL, bind_in_thread, &tasks[i]);
        }
        for (int i = 0; i < n_threads; i++) {
                pthread_join(threads[i], NULL);
                failed += tasks[i].failed;
        }
        printf("%d\n", failed);
        return 0;
}

static void *accept_in_thread(void *argument) {
        int r = accept(*(int *) argument, NULL, NULL);

        printf("accept %s\n", r < 0 ? strerrorname_np(errno) : "a connection");
        return NULL;
}

static int thread_waits(void) {
        char path[64], state = 0;
        FILE *file;

        /* The only other thread has the next ID. */
        snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", getpid() + 1);
        file = fopen(path, "r");
        if (!file)
                return 0;
        state = (char) fgetc(file);
        fclose(file);
        return state != '0' && state != EOF;
}

static int shutdown_wakes(int port) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        pthread_t thread;

        bind(fd, (struct sockaddr *) &in, sizeof(in));
        listen(fd, 1);
        pthread_create(&thread, NULL, accept_in_thread, &fd);
        for (int i = 0; i < 1000 && !thread_waits(); i++)
                usleep(1000);
        usleep(50 * 1000);
        printf("shutdown %d\n", shutdown(fd, SHUT_RDWR));
        fflush(stdout);
        pthread_join(thread, NULL);
        return 0;
}

static void print_result(const char *name, long r) {
        printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "0");
}

/* Malformed calls; each line is to be what it is without force-bind. */
static int malformed(int port) {
        struct sockaddr_storage storage = {};
        struct sockaddr_in *in = (struct sockaddr_in *) &storage;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &storage;
        char *page_end = (char *) 8192 + 0;
        int four = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0);
        int local = socket(AF_UNIX, SOCK_STREAM, 0);

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t) port);
        print_result("null", syscall(SYS_bind, four, NULL, sizeof(*in)));
        print_result("unmapped", syscall(SYS_bind, four, page_end, sizeof(*in)));
        print_result("empty", syscall(SYS_bind, four, in, 0));
        print_result("short", syscall(SYS_bind, four, in, 15));
        print_result("129", syscall(SYS_bind, four, in, 129));
        print_result("huge", syscall(SYS_bind, four, in, 0xffffffffU));
        print_result("fd -1", syscall(SYS_bind, -1, in, sizeof(*in)));
        print_result("fd 2^31", syscall(SYS_bind, 0x80000000U, in, sizeof(*in)));
        print_result("closed", syscall(SYS_bind, 999, in, sizeof(*in)));
        print_result("no socket", syscall(SYS_bind, STDIN_FILENO, in, sizeof(*in)));
        print_result("no socket, huge", syscall(SYS_bind, STDIN_FILENO, in, 200));
        print_result("closed, null", syscall(SYS_bind, 999, NULL, sizeof(*in)));
        print_result("IPv4 to IPv6", syscall(SYS_bind, six, in, sizeof(*in6)));
        print_result("IPv4 to IPv6, short", syscall(SYS_bind, six, in, sizeof(*in)));
        print_result("IPv4 to Unix", syscall(SYS_bind, local, in, sizeof(*in)));
        in->sin_family = AF_INET6;
        print_result("IPv6 to IPv4", syscall(SYS_bind, four, in, sizeof(*in)));
        print_result("IPv6, 23 bytes", syscall(SYS_bind, six, in6, 23));
        in->sin_family = AF_UNSPEC;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        print_result("unspecified family, an address", syscall(SYS_bind, four, in, sizeof(*in)));
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(0x08080808);
        in->sin_port = htons((uint16_t) (port + 1));
        print_result("not our address", syscall(SYS_bind, four, in, sizeof(*in)));
        return 0;
}

/* 128 bytes and AF_UNSPEC with 0.0.0.0 are good IPv4 addresses. */
static int unusual(int port) {
        struct sockaddr_storage storage = {};
        struct sockaddr_in *in = (struct sockaddr_in *) &storage;

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t) port);
        print_result("128", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *) &storage, 128));
        in->sin_family = AF_UNSPEC;
        print_result("unspecified",
                     bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *) in, sizeof(*in)));
        return 0;
}

int main(int argc, char **argv) {
        const char *what = argc > 2 ? argv[1] : "";
        int first = argc > 2 ? atoi(argv[2]) : 0, second = argc > 3 ? atoi(argv[3]) : 0;

        if (strcmp(what, "bind-result") == 0)
                return bind_result(first);
        if (strcmp(what, "bind-many") == 0)
                return bind_many(first, second);
        if (strcmp(what, "bind-under-timer") == 0)
                return bind_under_timer(first, second);
        if (strcmp(what, "bind-in-threads") == 0)
                return bind_in_threads(first, second);
        if (strcmp(what, "shutdown-wakes") == 0)
                return shutdown_wakes(first);
        if (strcmp(what, "malformed") == 0)
                return malformed(first);
        if (strcmp(what, "unusual") == 0)
                return unusual(first);
        return 2;
}
