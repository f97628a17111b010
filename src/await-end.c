/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "await-end.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "log.h"
#include "manager.h"
#include "target.h"
#include "util.h"

/* More than a supervisor ever takes, and less than a stop job has */
#define PATIENCE_MS 5000

static bool has_our_name(pid_t pid) {
        char name[17], own_name[17];

        return strcmp(thread_name(pid, name), thread_name(getpid(), own_name)) == 0;
}

/* The number of the process's listener; -ENOENT: it has none (any more); or another negative errno. */
static int find_listener(pid_t pid) {
        static const char wanted[] = "anon_inode:seccomp notify";
        const struct dirent *entry;
        int found = -ENOENT;
        char path[64];
        DIR *directory;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        directory = opendir(path);
        if (!directory)
                return errno == ENOENT ? -ESRCH : -errno;
        while (found < 0 && (entry = readdir(directory))) {
                char link[sizeof(wanted)];

                if (readlinkat(dirfd(directory), entry->d_name, link, sizeof(link)) == sizeof(wanted) - 1 &&
                    memcmp(link, wanted, sizeof(wanted) - 1) == 0)
                        found = (int) strtol(entry->d_name, NULL, 10);
        }
        (void) closedir(directory);
        return found;
}

/* A supervisor whose listener has no process any more, or that has closed it on its way out */
static bool is_ending(pid_t pid, int pidfd) {
        int number = find_listener(pid);
        _cleanup_close_ int listener = number >= 0 ? pidfd_getfd(pidfd, number, 0) : -1;
        struct pollfd hangup = {.fd = listener};

        if (number < 0)
                return number == -ENOENT;
        if (listener < 0)
                return errno == EBADF;
        return poll(&hangup, 1, 0) > 0 && (hangup.revents & POLLHUP) != 0;
}

/* Returns whether there was one to wait for that has ended. */
static bool await_one(void) {
        pid_t members[MANAGER_MEMBERS_MAX];
        size_t n = manager_find_members(members);

        for (size_t i = 0; i < n; i++) {
                _cleanup_close_ int pidfd = has_our_name(members[i]) ? pidfd_open(members[i], 0) : -1;
                struct pollfd end = {.fd = pidfd, .events = POLLIN};

                if (pidfd < 0 || !is_ending(members[i], pidfd))
                        continue;
                if (poll(&end, 1, PATIENCE_MS) > 0)
                        return true;
                log_message(LOG_WARNING, "supervisor %d does not end, leaving it", members[i]);
        }
        return false;
}

void await_end(void) {
        /* Again, since a start that was cut short may have made one meanwhile */
        while (await_one())
                ;
}
