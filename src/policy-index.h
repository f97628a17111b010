/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds the rules and passed sockets of a port without looking at all of them. Pure.
 *
 * The ports that rules and sockets name part all ports into intervals; each has the list of those that cover
 * it. A policy without an index is looked through from end to end, with the same result. */

#include <stddef.h>
#include <stdint.h>

struct policy;

struct port_interval {
        uint32_t first_port; /* ends where the next one begins */
        uint32_t first_item, n_items;
};

/* Which of some items cover a port */
struct port_index {
        struct port_interval *intervals; /* in the order of their ports; the first begins at 0 */
        size_t n_intervals;
        uint32_t *items; /* numbers, ascending in each interval */
};

struct policy_index {
        struct port_index rules;  /* without those that are for Unix sockets only */
        struct port_index passed; /* without Unix sockets */
        uint32_t *unix_rules;     /* those that Unix sockets can meet, ascending */
        size_t n_unix_rules;
};

/* Returns 0; -ENOMEM; or -E2BIG for a policy whose rules overlap so much that an index would not pay. *ret
 * is to be freed with policy_index_free(); it holds numbers only, so that the policy may move. */
int policy_index_build(const struct policy *policy, struct policy_index *ret);
void policy_index_free(struct policy_index *index);

/* The numbers of those that cover the port, ascending. */
const uint32_t *port_index_find(const struct port_index *index, uint32_t port, size_t *ret_n);
