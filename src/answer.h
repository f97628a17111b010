/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One notification: receive it, find out what was asked, decide, carry it out, answer. Knows its context and
 * the listener, no processes of its own. Never fails for good because of one request. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "decide.h"
#include "observe.h"
#include "readiness.h"
#include "real-bind.h"
#include "socket-options.h"
#include "target.h"
#include "unix-path.h"

/* Calls that were carried out but whose answer did not arrive, because a signal interrupted them */
#define UNANSWERED_MAX 256

/* Sockets of the target's own where a passed one was (it has shut it down, or connected it), or is to be,
 * remembered in case it wants the passed one back */
#define STAND_INS_MAX 64

/* Paths that an action unix:PATH made */
#define MADE_PATHS_MAX 16

/* Multicast groups that sockets have joined. What is forgotten is not carried over, or not left in the end.
 */
#define MEMBERSHIPS_MAX 64

/* The longest: struct group_source_req */
#define MEMBERSHIP_VALUE_MAX 264

/* A setsockopt() that joined a group */
struct membership {
        uint64_t cookie; /* of the socket; 0: free */
        int level, name;
        unsigned length;
        uint8_t value[MEMBERSHIP_VALUE_MAX];
};

/* Calls that take their time under --strict, each in a process of its own */
#define SLOW_CALLS_MAX 16

/* Ends who answers a slow call, but not amid what is to be finished: there it is blocked. */
#define END_SLOW_SIGNAL SIGALRM

struct slow_call {
        uint64_t id;
        int pidfd;
        int64_t deadline; /* monotonic_ms() */
};

/* What we keep of a passed socket beside what decisions are made from */
struct passed_state {
        struct socket_options *known; /* its options before the first adoption, NULL: never adopted */
        struct file_id file;          /* its path; inode 0: has none */
};

struct answerer {
        int listener;
        struct policy *policy;
        struct observer *observer; /* who learns instead of deciding; NULL: nobody */
        struct readiness *readiness;
        struct passed_state *states; /* policy->n_passed */
        bool *told_not_adopted;      /* policy->n_rules: it was told that the rule could not adopt */
        struct address unmatched;    /* the last IP address that no rule matched; AF_UNSPEC: none */
        struct known_thread known_thread;
        bool tell_listening_process; /* somebody wants to know listening_process */
        pid_t listening_process;     /* that called listen() last on an adopted or bound socket */
        int listening_pidfd;         /* of it, since its number may become another's; -1: none */

        uint64_t unanswered[UNANSWERED_MAX]; /* cookies; 0: free */
        unsigned next_unanswered;
        struct {
                uint64_t cookie;
                size_t passed;
        } stand_ins[STAND_INS_MAX];
        unsigned next_stand_in;
        struct membership memberships[MEMBERSHIPS_MAX];
        unsigned next_membership;
        struct made_path made_paths[MADE_PATHS_MAX];
        unsigned n_made_paths;
        unsigned n_access_failures; /* that were logged */
        struct slow_call slow[SLOW_CALLS_MAX];
        unsigned n_slow;
};

/* Receives and answers one notification of answerer->listener, if there is one. */
void answer_one(struct answerer *answerer);

/* Remembers which options a passed socket has, before anybody changes them. Returns whether it had to be
 * asked. */
bool learn_options(struct answerer *answerer, const struct passed_socket *passed);

/* Refuses calls that have taken too long. To be called now and then while answerer->n_slow is not 0. */
void answerer_end_slow(struct answerer *answerer);

/* Gives the passed sockets their own options back, takes their peers from them, and removes the paths that
 * were made. For the end. */
void answerer_clean_up(struct answerer *answerer);
