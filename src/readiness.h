/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When are clients served? Counts what was met, bound and listened on, per socket and not per bind: targets
 * bind one address many times, throw sockets away and repeat. Pure: no system calls here. */

#include <stdbool.h>
#include <stdint.h>

#include "decide.h"

enum ready_mode {
        READY_NO,     /* --ready=no: the target's own business */
        READY_STATUS, /* the same, but STATUS= tells of the sockets */
        READY_EXEC,   /* when the program has been executed */
        READY_BIND,   /* when every adopting rule was met */
        READY_LISTEN, /* ... and every stream socket listens */
};

/* A target's own socket that was really bound by an adopting rule */
struct bound_socket {
        struct socket_kind kind;
        struct address address;
        uint64_t cookie; /* of the latest socket bound to this address */
        bool listened;
};

/* More really bound addresses than this are not waited for. */
#define READINESS_BOUND_MAX 64

#define READINESS_STATUS_MAX 1024

struct readiness {
        enum ready_mode mode;
        const struct policy *policy;
        bool *rule_met; /* for each rule of the policy */
        struct bound_socket bound[READINESS_BOUND_MAX];
        unsigned n_bound;
        bool served_without_passed;           /* --auto, nothing passed: the target serves something */
        struct address parked;                /* the latest address that was parked; AF_UNSPEC: none */
        struct passed_socket *parked_for;     /* the dual-stack socket it waits for */
        const struct passed_socket *unserved; /* see policy_find_unserved(); NULL: none */
        bool changed; /* any of this, or what it says of passed sockets; for the caller to set back */
};

/* STATUS= follows what happens to the sockets. */
static inline bool ready_mode_tells_status(enum ready_mode mode) {
        return mode == READY_STATUS || mode == READY_BIND || mode == READY_LISTEN;
}

/* rule_met is taken from the caller: policy->n_rules entries, all false. */
void readiness_init(struct readiness *readiness, enum ready_mode mode, const struct policy *policy,
                    bool *rule_met);

/* A passed socket was adopted for a bind of this address. Marks the socket as used. */
void readiness_adopted(struct readiness *readiness, const struct rule *rule, struct passed_socket *passed,
                       const struct address *requested);

/* A bind was parked in favour of one that is still to come, and that gets this passed socket ... */
void readiness_parked(struct readiness *readiness, const struct address *requested,
                      struct passed_socket *passed);

/* ... or because of one that has got its passed socket already. */
void readiness_parked_beside(struct readiness *readiness, const struct rule *rule);

/* A target's own socket was really bound because of this rule. */
void readiness_bound(struct readiness *readiness, const struct rule *rule, const struct socket_kind *kind,
                     const struct address *address, uint64_t cookie);

/* With --auto and nothing passed: the target binds by itself, without us. */
void readiness_bound_by_itself(struct readiness *readiness, const struct socket_kind *kind,
                               const struct address *address);

/* listen() was called on the socket. Marks a passed socket as listened. */
void readiness_listened(struct readiness *readiness, uint64_t cookie);

/* The entry of a really bound socket, NULL if it is none. */
struct bound_socket *readiness_find_bound(struct readiness *readiness, uint64_t cookie);

/* Whether READY=1 is due as far as sockets are concerned. False for the modes that do not wait for
 * sockets. */
bool readiness_complete(const struct readiness *readiness);

/* The dual-stack socket that an address was parked for and that was not taken since: nobody serves its
 * clients. NULL: there is none. */
const struct passed_socket *readiness_parked_in_vain(const struct readiness *readiness);

/* "2 sockets adopted, 1 bound; waiting for listen() on http [::]:80" */
void readiness_status(const struct readiness *readiness, char buffer[static READINESS_STATUS_MAX]);
