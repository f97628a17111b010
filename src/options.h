/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of force-bind(1). */

#include <stdbool.h>

#include "closing.h"
#include "decide.h"
#include "readiness.h"
#include "rule.h"

struct options {
        struct rule *rules;
        size_t n_rules;
        bool automatic;
        bool no_main_pid;
        bool keep_fds;
        enum strict_mode strict;
        bool explain;
        bool learn;
        const char *unit; /* to learn from; NULL: from the program */
        bool await_end;
        struct closing closing;
        enum ready_mode ready_mode;
        const char *argv0;
        char **argv; /* the program and its arguments; argv[0] is NULL if none was given */
};

/* Returns 1 and the options, the caller's to options_free(); 0 if there is nothing left to do (--help); or a
 * negative errno after logging what is wrong. */
int options_parse(int argc, char **argv, struct options *ret);
void options_free(struct options *options);
