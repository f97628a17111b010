/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Deciding: this bind, these rules, these passed sockets: what now? Pure: no system calls here. */

#include <stdbool.h>
#include <stddef.h>

#include "bind-request.h"
#include "rule.h"

/* --strict: what no rule gives is refused, see strict.h. */
enum strict_mode {
        STRICT_OFF,
        STRICT_ON,
        STRICT_DATAGRAM, /* ports that the kernel chooses for datagram sockets, too */
};

/* All that decisions are made from. The arrays belong to the caller. */
struct policy {
        const struct rule *rules; /* in the order in which they were given */
        size_t n_rules;
        bool automatic; /* --auto: a rule of a lower rank than every other */
        enum strict_mode strict;
        struct passed_socket *passed;
        size_t n_passed;
        const struct policy_index *index; /* of rules and passed; NULL: none, and all are looked at */
};

enum verdict {
        VERDICT_CONTINUE, /* no rule speaks of this bind: the kernel carries it out */
        VERDICT_ADOPT,    /* put decision.passed in the place of the target's socket */
        VERDICT_PARK, /* let the bind succeed, the socket receives nothing: decision.passed is dual-stack,
                         and the target's IPv6 bind is to get it */
        VERDICT_BIND, /* really bind one of decision.addresses, in order */
        VERDICT_BIND_AS_ASKED, /* really bind the requested address */
        VERDICT_FAIL,          /* answer with decision.error */
};

struct decision {
        enum verdict verdict;
        const struct rule *rule; /* NULL: none matched, or --auto */
        bool automatic;          /* --auto decided */
        size_t step;             /* which step of the rule; n_steps: none could be carried out */
        struct passed_socket *passed;
        struct address address; /* one address made for this request ... */
        const struct address
                *addresses; /* ... or those of a host name; not yet fitted, see decision_address() */
        size_t n_addresses;
        int error; /* positive errno */
};

/* Whether a bind of an address of this family and port may meet anything in the policy, whatever the socket:
 * a cheap first look, which says yes when in doubt. */
bool policy_concerns(const struct policy *policy, sa_family_t family, uint32_t port);

/* The rule that decides about this bind, the last that matches. NULL: none. */
const struct rule *policy_match(const struct policy *policy, const struct bind_request *request);

/* What to do with this bind, looking at the matching rule's steps from first_step on. A caller that could
 * not carry out step N asks again with N + 1. */
void decide(const struct policy *policy, const struct bind_request *request, size_t first_step,
            struct decision *ret);

/* The n-th address of a VERDICT_BIND in the form that the request's socket can be bound to: IPv4 mapped for
 * an IPv6 socket that may receive it. Returns 0 or -EAFNOSUPPORT. */
int decision_address(const struct decision *decision, const struct bind_request *request, size_t n,
                     struct address *ret);

/* For --auto: the passed socket that is of the right kind and port, but wider than what was asked, and for
 * that reason was not given. NULL: none. */
const struct passed_socket *policy_find_wider(const struct policy *policy,
                                              const struct bind_request *request);

/* After this request got the passed socket: the AF_INET passed socket of the same port that the program will
 * not ask for any more, because its one socket for both families got an IPv6-only one. NULL: none. */
const struct passed_socket *policy_find_unserved(const struct policy *policy,
                                                 const struct bind_request *request,
                                                 const struct passed_socket *adopted);

/* Whether this step may ever give this passed socket: by number, name, or descriptor. */
bool step_names_passed(const struct step *step, const struct passed_socket *passed);

/* Anything in the policy takes passed sockets. */
bool policy_adopts(const struct policy *policy);

/* Anything in the policy refuses binds. */
bool policy_denies(const struct policy *policy);
