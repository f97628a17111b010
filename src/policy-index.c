/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy-index.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "decide.h"
#include "util.h"

/* Numbers in all lists together */
#define ITEMS_MAX (1 << 17)

struct range {
        uint32_t first, last;
        bool any; /* false: covers no port */
};

static int compare_ports(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

/* Where intervals begin: at 0, at each range, and behind each. Returns how many there are. */
static size_t find_starts(const struct range *ranges, size_t n, uint32_t *starts) {
        size_t n_all = 1, n_starts = 1;

        starts[0] = 0;
        for (size_t i = 0; i < n; i++) {
                if (!ranges[i].any)
                        continue;
                starts[n_all++] = ranges[i].first;
                if (ranges[i].last < UINT32_MAX)
                        starts[n_all++] = ranges[i].last + 1;
        }
        qsort(starts, n_all, sizeof(*starts), compare_ports);
        for (size_t i = 1; i < n_all; i++)
                if (starts[i] != starts[n_starts - 1])
                        starts[n_starts++] = starts[i];
        return n_starts;
}

/* The interval that has the port */
static size_t find_interval(const struct port_index *index, uint32_t port) {
        size_t low = 0, high = index->n_intervals;

        while (high - low > 1) {
                size_t middle = low + (high - low) / 2;

                if (index->intervals[middle].first_port <= port)
                        low = middle;
                else
                        high = middle;
        }
        return low;
}

/* Counts how many ranges cover each interval. Returns the sum, or -E2BIG. */
static int count_items(struct port_index *index, const struct range *ranges, size_t n) {
        size_t sum = 0;

        for (size_t i = 0; i < n; i++) {
                if (!ranges[i].any)
                        continue;
                for (size_t at = find_interval(index, ranges[i].first);
                     at < index->n_intervals && index->intervals[at].first_port <= ranges[i].last; at++) {
                        index->intervals[at].n_items++;
                        if (++sum > ITEMS_MAX)
                                return -E2BIG;
                }
        }
        return (int) sum;
}

static void fill_items(struct port_index *index, const struct range *ranges, size_t n) {
        uint32_t first = 0;

        for (size_t i = 0; i < index->n_intervals; i++) {
                index->intervals[i].first_item = first;
                first += index->intervals[i].n_items;
                index->intervals[i].n_items = 0;
        }
        for (size_t i = 0; i < n; i++) {
                if (!ranges[i].any)
                        continue;
                for (size_t at = find_interval(index, ranges[i].first);
                     at < index->n_intervals && index->intervals[at].first_port <= ranges[i].last; at++) {
                        struct port_interval *interval = &index->intervals[at];

                        index->items[interval->first_item + interval->n_items++] = (uint32_t) i;
                }
        }
}

static int build(const struct range *ranges, size_t n, struct port_index *ret) {
        _cleanup_free_ uint32_t *starts = calloc(2 * n + 1, sizeof(*starts));
        int sum;

        if (!starts)
                return -ENOMEM;
        ret->n_intervals = find_starts(ranges, n, starts);
        ret->intervals = calloc(ret->n_intervals, sizeof(*ret->intervals));
        if (!ret->intervals)
                return -ENOMEM;
        for (size_t i = 0; i < ret->n_intervals; i++)
                ret->intervals[i].first_port = starts[i];
        sum = count_items(ret, ranges, n);
        if (sum < 0)
                return sum;
        ret->items = calloc((size_t) sum + 1, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        fill_items(ret, ranges, n);
        return 0;
}

static struct range range_of_rule(const struct match *match) {
        switch (match->kind) {
        case MATCH_UNIX_PATH:
        case MATCH_UNIX_ABSTRACT:
                return (struct range){.any = false};
        case MATCH_EVERYTHING:
                return (struct range){0, UINT32_MAX, true};
        case MATCH_PORTS:
        case MATCH_IPV4:
        case MATCH_IPV6:
        case MATCH_VSOCK:
                break;
        }
        return (struct range){match->first_port, match->last_port, match->first_port <= match->last_port};
}

static int index_rules(const struct policy *policy, struct range *ranges, struct policy_index *ret) {
        ret->unix_rules = calloc(policy->n_rules + 1, sizeof(*ret->unix_rules));
        if (!ret->unix_rules)
                return -ENOMEM;
        for (size_t i = 0; i < policy->n_rules; i++) {
                const struct match *match = &policy->rules[i].match;

                ranges[i] = range_of_rule(match);
                if (!ranges[i].any || match->kind == MATCH_EVERYTHING)
                        ret->unix_rules[ret->n_unix_rules++] = (uint32_t) i;
        }
        return build(ranges, policy->n_rules, &ret->rules);
}

static int index_passed(const struct policy *policy, struct range *ranges, struct policy_index *ret) {
        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct address *address = &policy->passed[i].address;

                ranges[i] = (struct range){address->port, address->port, address->family != AF_UNIX};
        }
        return build(ranges, policy->n_passed, &ret->passed);
}

int policy_index_build(const struct policy *policy, struct policy_index *ret) {
        size_t n = policy->n_rules > policy->n_passed ? policy->n_rules : policy->n_passed;
        struct range *ranges = calloc(n + 1, sizeof(*ranges));
        struct policy_index index = {};
        int r = ranges ? 0 : -ENOMEM;

        if (r >= 0)
                r = index_rules(policy, ranges, &index);
        if (r >= 0)
                r = index_passed(policy, ranges, &index);
        free(ranges);
        if (r < 0)
                policy_index_free(&index);
        else
                *ret = index;
        return r;
}

static void free_ports(struct port_index *index) {
        free(index->intervals);
        free(index->items);
}

void policy_index_free(struct policy_index *index) {
        free_ports(&index->rules);
        free_ports(&index->passed);
        free(index->unix_rules);
        *index = (struct policy_index){};
}

const uint32_t *port_index_find(const struct port_index *index, uint32_t port, size_t *ret_n) {
        const struct port_interval *interval = &index->intervals[find_interval(index, port)];

        *ret_n = interval->n_items;
        return index->items + interval->first_item;
}
