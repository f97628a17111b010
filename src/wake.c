/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wake.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "in-child.h"
#include "util.h"

static const long waits_on_several[] = {
#ifdef SYS_poll
        SYS_poll,
#endif
#ifdef SYS_select
        SYS_select,
#endif
        SYS_ppoll,
        SYS_pselect6,
};

struct wake {
        const struct target *target;
        int fd;
};

static bool waits_on(const struct wake *wake, pid_t tid) {
        char path[64];
        unsigned long first;
        long number;
        FILE *file;
        int n;

        (void) snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
        file = fopen(path, "re");
        if (!file)
                return false;
        n = fscanf(file, "%ld %lx", &number, &first); /* "running" gives 0 */
        (void) fclose(file);
        if (n != 2)
                return false;
        if ((int) first == wake->fd)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(waits_on_several); i++)
                if (number == waits_on_several[i])
                        return true;
        return false;
}

/* A stop interrupts the call, and the kernel starts it over when the thread goes on (signal(7)). */
static void restart_call(pid_t tid) {
        int status;

        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
                return;
        if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0)
                (void) waitpid(tid, &status, __WALL);
        (void) ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

static int restart_all(void *argument) {
        const struct wake *wake = argument;
        int directory_fd = target_open_proc(wake->target, "task", O_RDONLY | O_DIRECTORY);
        DIR *directory = directory_fd < 0 ? NULL : fdopendir(directory_fd);
        const struct dirent *entry;

        if (!directory)
                return -ENOENT;
        while ((entry = readdir(directory))) {
                pid_t tid = (pid_t) strtol(entry->d_name, NULL, 10);

                if (tid > 0 && tid != wake->target->tid && waits_on(wake, tid))
                        restart_call(tid);
        }
        (void) closedir(directory);
        return 0;
}

void restart_waiting_threads(const struct target *target, int target_fd) {
        (void) run_in_child(restart_all, &(struct wake){target, target_fd});
}
