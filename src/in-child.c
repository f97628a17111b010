/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "in-child.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "util.h"

int run_in_child(int (*function)(void *argument), void *argument) {
        int status;
        pid_t child = fork();

        if (child < 0)
                return -errno;
        if (child == 0) {
                /* No core file if a sandbox kills us */
                (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
                _exit(-function(argument));
        }
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}
