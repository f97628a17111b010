/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How rules are written (force-bind(1), "RULES"). Pure: host names are kept as names, see resolve.h. */

#include "rule.h"

struct rule_error {
        size_t column;     /* of the text that was given, from 1 */
        char message[256]; /* what was expected there, and what was found */
};

/* Reads MATCH=ACTION. Returns 0; -EINVAL and fills ret_error; or -ENOMEM. *ret is the caller's to
 * rule_free(). */
int rule_parse(const char *text, struct rule *ret, struct rule_error *ret_error);

/* Reads ACTION alone, as a rule for every bind of the action's own family (--bind=). As rule_parse(). */
int rule_parse_action(const char *text, struct rule *ret, struct rule_error *ret_error);
