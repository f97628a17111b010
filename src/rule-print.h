/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The canonical form of a rule: rule_parse() of it gives the same rule, and printing that the same text. */

#include "rule.h"

/* Returns 0 and a string that the caller frees, or -ENOMEM. */
int rule_print(const struct rule *rule, char **ret);
