/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The supervisor is done away with, starved, robbed or made to do it; without one each of these just binds.
 */

#include "attack.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int find_supervisor(void) {
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        int found = 0;

        while (proc && (entry = readdir(proc))) {
                char path[300], name[32] = "";
                int fd;

                if (!isdigit((unsigned char) entry->d_name[0]))
                        continue;
                (void) snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
                fd = open(path, O_RDONLY);
                if (fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && strncmp(name, "force-bind", 10) == 0)
                        found = atoi(entry->d_name);
                close(fd);
        }
        return found;
}

/* A call that nobody answers is not to keep the attack from its end. */
static void *grab_in_thread(void *argument) {
        (void) argument;
        (void) grab(tcp());
        return argument;
}

static void grab_within_a_second(void) {
        struct timespec end;
        pthread_t thread;

        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec++;
        (void) pthread_create(&thread, NULL, grab_in_thread, NULL);
        (void) pthread_timedjoin_np(thread, NULL, &end);
}

static void signal_supervisor(int number) {
        int pid = find_supervisor();

        if (pid != 0 && kill(pid, number) < 0)
                perror("kill");
}

static void kill_supervisor(void) {
        signal_supervisor(SIGKILL);
        while (find_supervisor() != 0 && kill(find_supervisor(), 0) == 0)
                (void) usleep(1000);
        (void) grab(tcp());
        (void) listen(tcp(), 8);
}

/* A listener of its own comes after the supervisor's, and would be asked. */
static void kill_supervisor_and_listen(void) {
        signal_supervisor(SIGKILL);
        while (find_supervisor() != 0 && kill(find_supervisor(), 0) == 0)
                (void) usleep(1000);
        for (const struct attack *attack = process_attacks; attack->name; attack++)
                if (strcmp(attack->name, "listener-of-its-own") == 0)
                        attack->run();
}

static void stop_supervisor(void) {
        signal_supervisor(SIGSTOP);
        grab_within_a_second();
        signal_supervisor(SIGCONT);
}

/* Every other signal, too */
static void signals_to_supervisor(void) {
        for (int number = 1; number <= 64; number++)
                if (number != SIGKILL && number != SIGSTOP)
                        signal_supervisor(number);
        grab_within_a_second();
}

static void trace_supervisor(void) {
        int pid = find_supervisor();

        if (pid != 0)
                inject(pid);
        else
                (void) grab(tcp());
}

/* Prints "escaped": what stood there could have been code. */
static void write_supervisor(void) {
        int pid = find_supervisor(), fd;
        char path[64], byte;
        struct iovec local = {.iov_base = &byte, .iov_len = 1}, remote = {.iov_len = 1};
        unsigned long start;
        FILE *maps;

        if (pid == 0) {
                (void) grab(tcp());
                return;
        }
        (void) snprintf(path, sizeof(path), "/proc/%d/maps", pid);
        maps = fopen(path, "re");
        if (!maps || fscanf(maps, "%lx", &start) != 1) {
                perror(path);
                return;
        }
        remote.iov_base = (void *) start;
        if (process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1)
                printf("escaped: reads the supervisor's memory\n");
        (void) snprintf(path, sizeof(path), "/proc/%d/mem", pid);
        fd = open(path, O_RDWR);
        if (fd >= 0 && pread(fd, &byte, 1, (off_t) start) == 1 && pwrite(fd, &byte, 1, (off_t) start) == 1)
                printf("escaped: writes the supervisor's memory\n");
}

/* Limits need no right but the same user (prlimit(2)): what if everything fails? */
static void limit_supervisor(void) {
        int pid = find_supervisor();
        struct rlimit none = {0, 0};

        for (int resource = 0; pid != 0 && resource < RLIM_NLIMITS; resource++)
                if (prlimit(pid, resource, &none, NULL) < 0)
                        perror("prlimit");
        grab_within_a_second();
        (void) listen(tcp(), 8);
}

/* With so few descriptors that it can take the socket, and not much else; with fewer than 4 it ends. */
static void limit_descriptors(void) {
        int pid = find_supervisor();
        struct rlimit limit = {0};

        if (pid != 0)
                (void) prlimit(pid, RLIMIT_NOFILE, NULL, &limit);
        for (limit.rlim_cur = 4; limit.rlim_cur < 32; limit.rlim_cur++) {
                if (pid != 0 && prlimit(pid, RLIMIT_NOFILE, &limit, NULL) < 0)
                        perror("prlimit");
                (void) grab(tcp());
                (void) listen(tcp(), 8);
        }
}

static void limit_itself(void) {
        struct rlimit none = {0, 0};
        int fd = tcp();

        (void) setrlimit(RLIMIT_NOFILE, &none);
        (void) grab(fd);
        (void) listen(fd, 8);
}

/* The listener in the attacker's hands answers as it likes. */
static int listener = -1;

static void *answer_by_itself(void *argument) {
        struct seccomp_notif request = {0};
        struct seccomp_notif_resp response = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

        while (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0) {
                response.id = request.id;
                (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
                memset(&request, 0, sizeof(request));
        }
        return argument;
}

static void take_listener(void) {
        int pid = find_supervisor(), pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        for (int number = 0; pid != 0 && number < 256; number++) {
                char path[64], name[64] = "";
                int fd = (int) syscall(SYS_pidfd_getfd, pidfd, number, 0);

                if (fd < 0)
                        continue;
                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (readlink(path, name, sizeof(name) - 1) > 0 && strstr(name, "seccomp"))
                        listener = fd;
        }
        if (listener >= 0) {
                signal_supervisor(SIGSTOP);
                start_thread(answer_by_itself, NULL);
        }
        grab_within_a_second();
}

/* What the supervisor might have left open: the listener, passed sockets */
static void inherited_listener(void) {
        for (int fd = 3; fd < 1024; fd++) {
                char path[64], name[64] = "";

                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                if (readlink(path, name, sizeof(name) - 1) > 0 && strstr(name, "seccomp"))
                        listener = fd;
        }
        if (listener >= 0)
                start_thread(answer_by_itself, NULL);
        grab_within_a_second();
}

/* The log is full, and nobody reads it. */
static void fill_log(void) {
        char block[4096];

        memset(block, 'x', sizeof(block));
        (void) fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
        while (write(STDERR_FILENO, block, sizeof(block)) > 0)
                ;
        while (write(STDERR_FILENO, block, 1) > 0)
                ;
        grab_within_a_second();
}

/* allowed-bind: what another process of the fence wants meanwhile */
static void allowed_bind(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        printf("%s\n", grab_at(tcp(), &in, sizeof(in)) ? "bound" : "refused");
}

/* flood FILE N: threads whose addresses are on a page that never comes */
static const char *slow_page;

static void *bind_slowly(void *argument) {
        int fd = tcp();

        (void) bind(fd, (const struct sockaddr *) slow_page, sizeof(struct sockaddr_in));
        return argument;
}

static void flood(void) {
        int fd = open(arguments[0], O_RDONLY), n = atoi(arguments[1]);

        slow_page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        if (slow_page == MAP_FAILED)
                missing(arguments[0]);
        for (int i = 0; i < n; i++) {
                pthread_attr_t attributes;
                pthread_t thread;

                pthread_attr_init(&attributes);
                pthread_attr_setstacksize(&attributes, 65536);
                if (pthread_create(&thread, &attributes, bind_slowly, NULL) != 0)
                        missing("so many threads");
        }
}

const struct attack supervisor_attacks[] = {
        {"kill-supervisor", kill_supervisor},
        {"kill-supervisor-and-listen", kill_supervisor_and_listen},
        {"stop-supervisor", stop_supervisor},
        {"signals-to-supervisor", signals_to_supervisor},
        {"trace-supervisor", trace_supervisor},
        {"write-supervisor", write_supervisor},
        {"limit-supervisor", limit_supervisor},
        {"limit-descriptors", limit_descriptors},
        {"limit-itself", limit_itself},
        {"take-listener", take_listener},
        {"inherited-listener", inherited_listener},
        {"fill-log", fill_log},
        {"allowed-bind", allowed_bind},
        {"flood", flood},
        {0},
};
