/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Starts the supervisor, installs the filter on this process, and executes the program in it. */

#include <stdbool.h>

#include "closing.h"
#include "decide.h"
#include "passed-sockets.h"
#include "readiness.h"

/* Exit statuses that are ours; every other one is the target's own */
enum exit_status {
        EXIT_NOT_ALLOWED = 124, /* the kernel or a sandbox does not allow what is needed */
        EXIT_USAGE = 125,
        EXIT_CANNOT_EXECUTE = 126,
        EXIT_NOT_FOUND = 127,
};

struct launch {
        struct policy policy;
        const struct passed_sockets *passed;
        struct closing closing;
        enum ready_mode ready_mode;
        bool no_main_pid;
        bool keep_fds;
        int report; /* where to report what is seen to (observe.h), to carry out no rules; -1: nowhere */
        const char *argv0; /* NULL: argv[0] */
        char **argv;
};

/* Returns only if the program could not be started, with the exit status; the reason has been logged. */
int launch(const struct launch *launch);
