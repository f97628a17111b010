/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Learning: every trapped call is left to the kernel, and what comes of it noted and reported. Which sockets
 * are open still is asked of an epoll instance, which the kernel takes them from when their last descriptor
 * is closed, whoever has it; so none is kept open by us. */

#include "call.h"
#include "learn-text.h"

/* Addresses that are noted. Those that nobody has open any more make room. */
#define OBSERVED_MAX 128

struct observation {
        unsigned n;
        bool more; /* there was no room for all */
        struct observed_socket sockets[OBSERVED_MAX];
};

/* Of what is used of it */
static inline size_t observation_size(const struct observation *observation) {
        return offsetof(struct observation, sockets) + observation->n * sizeof(observation->sockets[0]);
}

struct observer {
        int report; /* a SOCK_SEQPACKET socket that gets the observation after each change; -1: none */
        int epoll;
        bool changed; /* since it was reported */
        struct observation observation;
};

/* report is taken. Returns 0 or a negative errno. */
int observer_init(struct observer *observer, int report);

/* Answers bind() or listen(). target was opened. Returns whether it was a listen() that succeeded. */
bool observe_call(struct observer *observer, const struct target *target, const struct call *call);

/* Looks which sockets are open, and reports if anything has changed. */
void observer_update(struct observer *observer);
