/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* force-bind --learn: watches what a program binds until it is up, and prints the drop-in that would make it
 * socket-activated. The supervisor, wherever it runs, reports what it sees (observe.h); this is who listens
 * to it. */

#include <stdint.h>
#include <time.h>

#include "launch.h"
#include "observe.h"

/* The socket, and the name it is passed by, that the supervisor of a service to be learnt reports to */
#define LEARN_SOCKET_UNIT "force-bind-learn.socket"

/* Exit status where nothing was learnt; the others are those of launch.h */
#define EXIT_NOTHING_LEARNT 1

/* Runs the program below this process, prints, ends the program and all that it started. Returns the exit
 * status. launch->report is not looked at. */
int learn_program(const struct launch *launch);

/* The same for an installed service, which is started and stopped by systemd. */
int learn_unit(const char *name);

/* --- what both do --- */

struct learning {
        int report;  /* where the observations come from; -1 when the last has come */
        int signals; /* signalfd(2) of what asks us to end */
        bool ended;  /* no process of the program is left */
        bool interrupted;
        int64_t changed_at; /* in ms, when something new was seen last */
        struct observation observation;
};

int64_t learning_now_ms(void);

/* Blocks the signals and opens signals. Returns 0 or a negative errno. */
int learning_init(struct learning *learning, sigset_t *ret_old_mask);

/* Waits for at most timeout_ms for an observation, the program's end, or a signal. */
void learning_wait(struct learning *learning, int timeout_ms);

/* Whether it can be expected that nothing new comes: all that was bound listens, and has for a moment. Where
 * nothing was bound, or some does not listen, never before patience_ms after since_ms; 0: never. */
bool learning_is_up(const struct learning *learning, int64_t since_ms, int patience_ms);

/* Looks who owns the paths of the Unix sockets. To be called while they are there. */
void learning_read_owners(struct learning *learning);

/* Looks whether the directories of those paths are there still. To be called when the program has been
 * ended. */
void learning_read_directories(struct learning *learning);

/* Prints the text; sockets and their number are filled in. Where nothing was learnt, says so on stderr, in
 * the name of subject. Returns the exit status. */
int learning_print(struct learning *learning, struct learned *learned, const char *subject);
