/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replace.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "in-child.h"
#include "notification.h"
#include "util.h"

/* Epoll instances of one process that are looked at */
#define EPOLLS_MAX 128

struct search {
        const struct target *target;
        ino_t old_inode; /* sockfs gives each socket its own */
        int old_fd, by_fd;
        int only; /* this descriptor of the target's; -1: every one of the old socket */
        int epolls[EPOLLS_MAX];
        size_t n_epolls;
};

static int set_fd(const struct target *target, int by_fd, int target_fd) {
        return listener_set_fd(target->listener, target->id, by_fd, target_fd,
                               target_fd_closes_on_exec(target, target_fd));
}

/* Looks at one descriptor of the target by what /proc says of it: "socket:[123]", "anon_inode:[eventpoll]"
 */
static void look_at(struct search *search, int directory_fd, const char *name, int skip_fd) {
        char link[64], wanted[64];
        ssize_t n = readlinkat(directory_fd, name, link, sizeof(link) - 1);
        int fd = (int) strtol(name, NULL, 10);

        if (n < 0)
                return;
        link[n] = '\0';

        if (strcmp(link, "anon_inode:[eventpoll]") == 0) {
                if (search->n_epolls < EPOLLS_MAX)
                        search->epolls[search->n_epolls++] = fd;
                return;
        }
        (void) snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", (uint64_t) search->old_inode);
        if (search->only < 0 && fd != skip_fd && strcmp(link, wanted) == 0)
                (void) set_fd(search->target, search->by_fd, fd);
}

static void search_descriptors(struct search *search, int skip_fd) {
        int directory_fd = target_open_proc(search->target, "fd", O_RDONLY | O_DIRECTORY);
        DIR *directory = directory_fd < 0 ? NULL : fdopendir(directory_fd);
        const struct dirent *entry;

        if (!directory) {
                close_fd(&directory_fd);
                return;
        }
        while ((entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        look_at(search, directory_fd, entry->d_name, skip_fd);
        (void) closedir(directory);
}

struct registration_move {
        const struct search *search;
        int epoll_fd; /* the target's number */
        int copy;     /* ours */
};

/* Lets us have descriptors up to this number. */
static void allow_number(int number) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= (rlim_t) number) {
                limit.rlim_cur = (rlim_t) number + 1;
                if (limit.rlim_max < limit.rlim_cur)
                        limit.rlim_max = limit.rlim_cur;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* Gives fd the number that it has in the target. Returns 0 or -errno. */
static int renumber(int fd, int number) {
        allow_number(number);
        return fd == number || dup2(fd, number) >= 0 ? 0 : -errno;
}

struct registration {
        int number; /* the descriptor under which it was added */
        unsigned events;
        uint64_t data;
};

/* Registrations of one socket in one epoll instance that are looked at: one for each descriptor of it */
#define REGISTRATIONS_MAX 64

/* Reads those of the old socket from /proc/TID/fdinfo/EPOLL (proc(5)). */
static size_t read_registrations(const struct registration_move *move, struct registration *ret) {
        char name[32], line[256];
        FILE *info;
        int info_fd;
        size_t n = 0;

        (void) snprintf(name, sizeof(name), "fdinfo/%d", move->epoll_fd);
        info_fd = target_open_proc(move->search->target, name, O_RDONLY);
        if (info_fd < 0)
                return 0;
        info = fdopen(info_fd, "r");
        if (!info) {
                close_fd(&info_fd);
                return 0;
        }
        while (n < REGISTRATIONS_MAX && fgets(line, sizeof(line), info)) {
                uint64_t inode;

                if (sscanf(line, "tfd: %d events: %x data: %" SCNx64 " pos:%*d ino:%" SCNx64, &ret[n].number,
                           &ret[n].events, &ret[n].data, &inode) == 4 &&
                    inode == move->search->old_inode &&
                    (move->search->only < 0 || move->search->only == ret[n].number))
                        n++;
        }
        (void) fclose(info);
        return n;
}

/* epoll knows a registration by the file and the number under which it was added, so it has to be added by a
 * process in which the new socket has the target's number. */
static int move_registrations(void *argument) {
        const struct registration_move *move = argument;
        struct registration registrations[REGISTRATIONS_MAX];
        size_t n = read_registrations(move, registrations);
        int copy, old_fd, by_fd, highest = 0;

        /* Out of the way of the numbers that are needed */
        for (size_t i = 0; i < n; i++)
                if (registrations[i].number > highest)
                        highest = registrations[i].number;
        allow_number(highest + 3);
        copy = fcntl(move->copy, F_DUPFD_CLOEXEC, highest + 1);
        old_fd = fcntl(move->search->old_fd, F_DUPFD_CLOEXEC, highest + 1);
        by_fd = fcntl(move->search->by_fd, F_DUPFD_CLOEXEC, highest + 1);

        for (size_t i = 0; i < n; i++) {
                int number = registrations[i].number;
                struct epoll_event event = {.events = registrations[i].events,
                                            .data.u64 = registrations[i].data};

                /* Of an old socket that stays open elsewhere, the registration would stay, too. */
                if (renumber(old_fd, number) >= 0)
                        (void) epoll_ctl(copy, EPOLL_CTL_DEL, number, NULL);
                if (renumber(by_fd, number) >= 0)
                        (void) epoll_ctl(copy, EPOLL_CTL_ADD, number, &event);
        }
        return 0;
}

/* Registrations of the old socket in this epoll instance become those of the new one. */
static void move_epoll(const struct search *search, int epoll_fd) {
        _cleanup_close_ int copy = target_get_fd(search->target, epoll_fd);
        struct registration_move move = {search, epoll_fd, copy};

        if (copy >= 0)
                (void) run_in_child(move_registrations, &move);
}

static int replace(struct search *search, int target_fd) {
        struct stat st;
        int r;

        if (fstat(search->old_fd, &st) < 0)
                return -errno;
        search->old_inode = st.st_ino;

        r = set_fd(search->target, search->by_fd, target_fd);
        if (r < 0)
                return r;
        search_descriptors(search, target_fd);
        for (size_t i = 0; i < search->n_epolls; i++)
                move_epoll(search, search->epolls[i]);
        return 0;
}

int replace_socket(const struct target *target, int old_fd, int target_fd, int by_fd) {
        return replace(&(struct search){.target = target, .old_fd = old_fd, .by_fd = by_fd, .only = -1},
                       target_fd);
}

int replace_descriptor(const struct target *target, int old_fd, int target_fd, int by_fd) {
        return replace(
                &(struct search){.target = target, .old_fd = old_fd, .by_fd = by_fd, .only = target_fd},
                target_fd);
}

struct signal_setup {
        int fd, number;
        int flags;
};

/* A signal names the descriptor number under which O_ASYNC was set (F_SETSIG in fcntl(2)). */
static int set_async(void *argument) {
        const struct signal_setup *setup = argument;
        int r = renumber(setup->fd, setup->number);

        if (r < 0)
                return r;
        return fcntl(setup->number, F_SETFL, setup->flags) < 0 ? -errno : 0;
}

/* The kernel sends the signal with the rights of whoever set the owner, which is us: to anybody, if that
 * were for the target to say. */
static void replay_owner(const struct target *target, int old_fd, int by_fd) {
        static const struct f_owner_ex nobody = {.type = F_OWNER_PID};
        struct f_owner_ex owner, current;

        if (fcntl(old_fd, F_GETOWN_EX, &owner) < 0 || fcntl(by_fd, F_GETOWN_EX, &current) < 0)
                return;
        if (owner.pid != 0 && (owner.type == F_OWNER_PGRP ||
                               (owner.pid != target->tid && owner.pid != process_of_thread(target->tid))))
                owner = nobody;
        if (owner.type != current.type || owner.pid != current.pid)
                (void) fcntl(by_fd, F_SETOWN_EX, &owner);
}

void replay_file_flags(const struct target *target, int old_fd, int by_fd, int target_fd) {
        static const int replayed = O_NONBLOCK | O_ASYNC;
        int wanted = fcntl(old_fd, F_GETFL), flags = fcntl(by_fd, F_GETFL), signal_number;

        if (wanted < 0 || flags < 0)
                return;

        replay_owner(target, old_fd, by_fd);
        signal_number = fcntl(old_fd, F_GETSIG);
        if (signal_number >= 0 && signal_number != fcntl(by_fd, F_GETSIG))
                (void) fcntl(by_fd, F_SETSIG, signal_number);

        if ((wanted & O_ASYNC) != 0) {
                struct signal_setup setup = {by_fd, target_fd, (flags & ~replayed) | (wanted & replayed)};

                (void) fcntl(by_fd, F_SETFL, flags & ~O_ASYNC);
                (void) run_in_child(set_async, &setup);
        } else if ((flags & replayed) != (wanted & replayed))
                (void) fcntl(by_fd, F_SETFL, (flags & ~replayed) | (wanted & replayed));
}
