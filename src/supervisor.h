/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The supervisor process: answers notifications until the last process of the target is gone. */

#include <sys/types.h>

#include "decide.h"
#include "readiness.h"

struct supervisor {
        struct policy *policy;
        enum ready_mode ready_mode;
        int report; /* where to report what is seen to (observe.h), to carry out no rules; -1: nowhere */
        bool no_main_pid;    /* the service manager knows the main process by other means */
        pid_t first_process; /* that force-bind was started as, and the program is executed in */
};

/* What goes over the channel between the process that becomes the target and its supervisor */
enum channel_byte {
        CHANNEL_LISTENER = 'l', /* target: here is the listener */
        CHANNEL_READY = 'r',    /* supervisor: every call will be answered */
        CHANNEL_BLIND = 'b',    /* supervisor: the kernel does not let me look into the target */
        CHANNEL_FAILED = 'f',   /* target: the program could not be executed */
};

/* Runs in the supervisor's process and does not return. channel is its end of the channel. */
_Noreturn void supervisor_run(const struct supervisor *supervisor, int channel);
