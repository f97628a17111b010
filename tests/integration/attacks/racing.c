/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Threads, and a process that shares memory, change between check and use what a call is about. */

#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a rival thread writes in turn */
struct flip {
        _Atomic uint32_t *word;
        uint32_t values[2];
};

static void *flip(void *argument) {
        struct flip *flip = argument;

        for (unsigned i = 0;; i++)
                *flip->word = flip->values[i & 1];
        return NULL;
}

static void bind_again_and_again(int family, const void *address, socklen_t length) {
        while (is_racing()) {
                int fd = socket(family, SOCK_STREAM, 0);

                if (bind(fd, address, length) == 0 && is_forbidden(fd)) {
                        (void) listen(fd, 8);
                        return;
                }
                close(fd);
        }
}

/* A flip of one of the first words of an address */
static void rewrite(int family, const void *start, socklen_t length, size_t offset, uint32_t first,
                    uint32_t second) {
        static struct sockaddr_storage address;
        static struct flip task;

        memcpy(&address, start, length);
        task = (struct flip){.word = (_Atomic uint32_t *) ((char *) &address + offset),
                             .values = {first, second}};
        start_thread(flip, &task);
        bind_again_and_again(family, &address, length);
}

/* Family and port are the first word. */
static uint32_t first_word(uint16_t family, int port) {
        return family | (uint32_t) htons((uint16_t) port) << 16;
}

static void rewrite_port(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        rewrite(AF_INET, &in, sizeof(in), 0, first_word(AF_INET, ALLOWED_PORT),
                first_word(AF_INET, FORBIDDEN_PORT));
}

static void rewrite_address(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        rewrite(AF_INET, &in, sizeof(in), offsetof(struct sockaddr_in, sin_addr), htonl(INADDR_LOOPBACK),
                htonl(INADDR_ANY));
}

static void rewrite_family(void) {
        struct sockaddr_in in = {.sin_family = AF_INET};

        rewrite(AF_INET, &in, sizeof(in), 0, first_word(AF_UNIX, ALLOWED_PORT),
                first_word(AF_INET, ALLOWED_PORT));
}

/* ::ffff:127.0.0.1 and ::ffff:0.0.0.0 */
static void rewrite_mapped(void) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(ALLOWED_PORT)};

        (void) inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
        rewrite(AF_INET6, &in6, sizeof(in6), offsetof(struct sockaddr_in6, sin6_addr) + 12,
                htonl(INADDR_LOOPBACK), htonl(INADDR_ANY));
}

/* The address is in a file that another process writes. */
static void rewrite_shared_memory(void) {
        int fd = memfd_create("address", 0);
        struct sockaddr_in *in;

        (void) ftruncate(fd, 4096);
        in = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        *in = loopback(ALLOWED_PORT);
        if (fork() == 0) {
                struct flip task = {
                        .word = (_Atomic uint32_t *) in,
                        .values = {first_word(AF_INET, ALLOWED_PORT), first_word(AF_INET, FORBIDDEN_PORT)}};

                (void) flip(&task);
        }
        bind_again_and_again(AF_INET, in, sizeof(*in));
}

/* The page with the address is exchanged for another. */
static char *page;

static void *remap(void *argument) {
        const int *fds = argument;

        for (unsigned i = 0;; i++)
                (void) mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fds[i & 1], 0);
        return NULL;
}

static void exchange_page(void) {
        static int fds[2];

        for (int i = 0; i < 2; i++) {
                struct sockaddr_in in = loopback(i == 0 ? ALLOWED_PORT : FORBIDDEN_PORT);

                fds[i] = memfd_create("address", 0);
                (void) ftruncate(fds[i], 4096);
                (void) pwrite(fds[i], &in, sizeof(in), 0);
        }
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
        start_thread(remap, fds);
        bind_again_and_again(AF_INET, page, sizeof(struct sockaddr_in));
}

/* The address is written through /proc/self/mem. */
static void *write_memory(void *argument) {
        int fd = open("/proc/self/mem", O_RDWR);
        uint32_t words[] = {first_word(AF_INET, ALLOWED_PORT), first_word(AF_INET, FORBIDDEN_PORT)};

        for (unsigned i = 0;; i++)
                (void) pwrite(fd, &words[i & 1], sizeof(words[0]), (off_t) (uintptr_t) argument);
        return NULL;
}

static void rewrite_proc_mem(void) {
        static struct sockaddr_in in;

        in = loopback(ALLOWED_PORT);
        start_thread(write_memory, &in);
        bind_again_and_again(AF_INET, &in, sizeof(in));
}

/* --- the descriptor */

#define NUMBER 200

static _Atomic int forbidden_fd = -1;

/* Puts sockets of two types at NUMBER in turn. */
static void *exchange_descriptor(void *argument) {
        const int *types = argument;

        while (forbidden_fd < 0) {
                int fds[2];

                for (int i = 0; i < 2; i++) {
                        fds[i] = socket(AF_INET, types[i], 0);
                        (void) dup2(fds[i], NUMBER);
                }
                for (int i = 0; i < 2; i++) {
                        if (is_forbidden(fds[i]))
                                forbidden_fd = fds[i];
                        else
                                close(fds[i]);
                }
        }
        return NULL;
}

/* A rule for tcp is not one for udp. */
static void exchange_descriptor_of_bind(void) {
        static int types[] = {SOCK_STREAM, SOCK_DGRAM};
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        start_thread(exchange_descriptor, types);
        while (is_racing() && forbidden_fd < 0)
                (void) bind(NUMBER, (struct sockaddr *) &in, sizeof(in));
        (void) dup2(tcp(), NUMBER);
}

/* listen() is for a bound socket at one moment, and for one that is not at the next. */
static void *exchange_bound(void *argument) {
        int bound = *(int *) argument;

        while (forbidden_fd < 0) {
                int fd = tcp();

                (void) dup2(bound, NUMBER);
                (void) dup2(fd, NUMBER);
                (void) dup2(bound, NUMBER);
                if (is_forbidden(fd))
                        forbidden_fd = fd;
                else
                        close(fd);
        }
        return NULL;
}

static void exchange_descriptor_of_listen(void) {
        static int bound;
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        bound = tcp();
        (void) grab_at(bound, &in, sizeof(in));
        start_thread(exchange_bound, &bound);
        while (is_racing() && forbidden_fd < 0)
                (void) listen(NUMBER, 8);
}

/* --- the socket itself */

static int shared_fd;

static _Atomic bool to_unconnect;

static void *unconnect(void *argument) {
        struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

        for (;;)
                if (to_unconnect) {
                        (void) connect(shared_fd, &unspecified, sizeof(unspecified));
                        to_unconnect = false;
                }
        return argument;
}

/* See listen-on-accepted; here the port goes between the look at it and listen(). */
static void unconnect_during_listen(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);
        int server = tcp(), listening = 0;
        socklen_t length = sizeof(listening);

        if (!grab_at(server, &in, sizeof(in)))
                missing("the allowed port");
        start_thread(unconnect, NULL);
        while (is_racing()) {
                int client = tcp();

                (void) connect(client, (struct sockaddr *) &in, sizeof(in));
                shared_fd = accept(server, NULL, NULL);
                to_unconnect = true;
                do
                        (void) listen(shared_fd, 8);
                while (to_unconnect);
                if (getsockopt(shared_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening)
                        return;
                close(client);
                close(shared_fd);
        }
}

static void *toggle_v6only(void *argument) {
        (void) argument;
        for (int i = 0;; i ^= 1)
                (void) setsockopt(shared_fd, IPPROTO_IPV6, IPV6_V6ONLY, &i, sizeof(i));
        return NULL;
}

/* With a rule for [::]:5000 only: takes IPv4 as well. */
static void toggle_v6only_during_bind(void) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(ALLOWED_PORT)};

        shared_fd = -1;
        start_thread(toggle_v6only, NULL);
        while (is_racing()) {
                int v6only = 1, fd;
                socklen_t length = sizeof(v6only);

                fd = socket(AF_INET6, SOCK_STREAM, 0);
                shared_fd = fd;
                if (bind(fd, (struct sockaddr *) &in6, sizeof(in6)) == 0 &&
                    getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length) == 0 && v6only == 0) {
                        (void) listen(fd, 8);
                        return;
                }
                close(fd);
        }
}

/* With a rule for [::]:5000 only: an accepted connection that was disconnected shows its listening socket's
 * address, but is not bound. */
static void toggle_v6only_during_listen(void) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(ALLOWED_PORT)}, local = any;
        struct linger at_once = {.l_onoff = 1};
        int on = 1;

        local.sin6_addr = in6addr_loopback;
        shared_fd = -1;
        start_thread(toggle_v6only, NULL);
        while (is_racing()) {
                int server = socket(AF_INET6, SOCK_STREAM, 0), client = socket(AF_INET6, SOCK_STREAM, 0), fd,
                    v6only = 1;
                struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
                socklen_t length = sizeof(v6only);

                (void) setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
                (void) setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                (void) setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
                if (bind(server, (struct sockaddr *) &any, sizeof(any)) < 0 || listen(server, 8) < 0)
                        missing("the allowed port");
                (void) connect(client, (struct sockaddr *) &local, sizeof(local));
                fd = accept(server, NULL, NULL);
                close(server);
                (void) connect(fd, &unspecified, sizeof(unspecified));
                shared_fd = fd;
                if (listen(fd, 8) == 0 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length) == 0 &&
                    v6only == 0)
                        return;
                close(client);
                close(fd);
        }
}

/* hostile-binds N THREADS: so many binds of the allowed port, of which each word of the address is rewritten
 * meanwhile. Keeps what it got that is forbidden, and prints how often. */

static _Atomic int n_left, n_forbidden, n_bound;

static void *bind_hostile(void *argument) {
        const struct sockaddr_in *in = argument;

        while (n_left-- > 0) {
                int fd = tcp(), yes = 1;

                (void) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
                if (bind(fd, (const struct sockaddr *) in, sizeof(*in)) == 0) {
                        n_bound++;
                        if (is_forbidden(fd) && n_forbidden++ < 100)
                                continue;
                }
                close(fd);
        }
        return NULL;
}

static void hostile_binds(void) {
        enum { THREADS_MAX = 16 };
        static struct sockaddr_in addresses[THREADS_MAX];
        static struct flip flips[2 * THREADS_MAX];
        int n_threads = atoi(arguments[1]);
        pthread_t threads[THREADS_MAX];

        n_left = atoi(arguments[0]);
        for (int i = 0; i < n_threads; i++) {
                addresses[i] = loopback(ALLOWED_PORT);
                flips[2 * i] = (struct flip){
                        .word = (_Atomic uint32_t *) &addresses[i],
                        .values = {first_word(AF_INET, ALLOWED_PORT), first_word(AF_INET, FORBIDDEN_PORT)}};
                flips[2 * i + 1] = (struct flip){.word = (_Atomic uint32_t *) &addresses[i] + 1,
                                                 .values = {htonl(INADDR_LOOPBACK), htonl(INADDR_ANY)}};
                start_thread(flip, &flips[2 * i + i % 2]);
                (void) pthread_create(&threads[i], NULL, bind_hostile, &addresses[i]);
        }
        for (int i = 0; i < n_threads; i++)
                (void) pthread_join(threads[i], NULL);
        printf("%d bound, %d of them forbidden\n", n_bound, n_forbidden);
}

const struct attack racing_attacks[] = {
        {"rewrite-port", rewrite_port},
        {"rewrite-address", rewrite_address},
        {"rewrite-family", rewrite_family},
        {"rewrite-mapped", rewrite_mapped},
        {"rewrite-shared-memory", rewrite_shared_memory},
        {"rewrite-proc-mem", rewrite_proc_mem},
        {"exchange-page", exchange_page},
        {"exchange-descriptor-of-bind", exchange_descriptor_of_bind},
        {"exchange-descriptor-of-listen", exchange_descriptor_of_listen},
        {"unconnect-during-listen", unconnect_during_listen},
        {"toggle-v6only-during-bind", toggle_v6only_during_bind},
        {"toggle-v6only-during-listen", toggle_v6only_during_listen},
        {"hostile-binds", hostile_binds},
        {0},
};
