/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "in-child.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "util.h"

/* So long everybody else waits for one slow file system. */
#define PATIENCE_MS 50

/* Who finishes the work: whoever sets this first. Shared with the child. */
enum { RUNNING, DONE, LEFT_ALONE };

static bool set_first(atomic_int *state, int value) {
        return atomic_compare_exchange_strong(state, &(int){RUNNING}, value);
}

static pid_t start(int (*function)(void *argument), void (*finish)(void *argument, int result),
                   void *argument, atomic_int *state) {
        pid_t child = fork();
        int r;

        if (child != 0)
                return child;
        /* No core file if a sandbox kills us */
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        r = function(argument);
        if (state && !set_first(state, DONE) && finish)
                finish(argument, r);
        _exit(-r);
}

static int collect(pid_t child) {
        int status;

        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

int run_in_child(int (*function)(void *argument), void *argument) {
        pid_t child = start(function, NULL, argument, NULL);

        return child < 0 ? -errno : collect(child);
}

static void collect_left_alone(void) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
}

int run_in_child_for(int patience_ms, int (*function)(void *argument), void *argument, int *ret_pidfd) {
        _cleanup_close_ int pidfd = -1;
        pid_t child;

        collect_left_alone();
        child = start(function, NULL, argument, NULL);
        if (child < 0)
                return -errno;
        pidfd = pidfd_open(child, 0);
        if (pidfd < 0 || poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, patience_ms) > 0)
                return collect(child);
        *ret_pidfd = take_fd(&pidfd);
        return -EINPROGRESS;
}

int run_in_child_for_now(int (*function)(void *argument), void (*finish)(void *argument, int result),
                         void *argument) {
        _cleanup_close_ int pidfd = -1;
        atomic_int *state;
        pid_t child;
        bool left;

        collect_left_alone();
        state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (state == MAP_FAILED)
                return -errno;
        child = start(function, finish, argument, state);
        if (child < 0) {
                int error = errno;

                (void) munmap(state, sizeof(*state));
                return -error;
        }
        pidfd = pidfd_open(child, 0);
        left = pidfd >= 0 && poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, PATIENCE_MS) == 0 &&
               set_first(state, LEFT_ALONE);
        (void) munmap(state, sizeof(*state));
        return left ? -EINPROGRESS : collect(child);
}
