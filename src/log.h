/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is told: to stderr, or to the journal with fields of its own when stderr is the journal. */

#include <stdbool.h>
#include <sys/types.h>
#include <syslog.h>

#include "util.h"

/* MESSAGE_ID= of each kind of entry, see force-bind(1) */
#define MESSAGE_ADOPTED                                                                                     \
        "0f7df1c705b24a42b9dd47d163e7780f"               /* a passed socket took the place of the target's */
#define MESSAGE_BOUND "839c101fd784454fa8e09522babb81b4" /* really bound, as asked */
#define MESSAGE_REDIRECTED "a18d708fd4e74ef0bc2fa7ac864494e2" /* really bound elsewhere */
#define MESSAGE_DENIED "84d246423cd44a4f9565838f83a88971"     /* refused by a rule */
#define MESSAGE_PARKED                                                                                      \
        "4f1d6c0285f94c05adc63b6a6b0fd386" /* the bind succeeded, the socket receives nothing */
#define MESSAGE_LEFT_ALONE "e80db170146e46cba4558f82e393eff9" /* no rule matches: the kernel decided */
#define MESSAGE_GUARDED "399e82c9dbcb4ceab1ff272625ec0f41"    /* kept from harming a passed socket */
#define MESSAGE_READY "ee36bd65643f4294b84868e0d07764aa"      /* READY=1 was sent */
#define MESSAGE_FAILED "5aa5a26751454cce9f64a4b7c22e5de4"     /* could not be carried out */

/* Messages above this priority (syslog(3), LOG_ERR to LOG_DEBUG) are left out. */
void log_set_level(int level);
bool log_wants(int priority);

/* Finds out where stderr leads. To be called once, first. */
void log_open(void);

/* Goes on without stderr, if somebody may wait for its end (a pipe, a socket): what is still to be told goes
 * to the journal, where there is one. */
void log_release_stderr(void);

/* From now on, what stderr does not take at once (a pipe that nobody reads, a stopped terminal) is lost: the
 * target must not wait for it. */
void log_never_wait(void);

PRINTF(2, 3) void log_message(int priority, const char *format, ...);

/* One decision about one call */
struct log_entry {
        const char *message_id;
        pid_t tid;             /* who called */
        const char *requested; /* what it asked for: "tcp 0.0.0.0:80" */
        const char *rule;      /* canonical text; NULL: none */
        const char *result;    /* what it got: "adopted http [::]:80" */
};

void log_decision(int priority, const struct log_entry *entry);
