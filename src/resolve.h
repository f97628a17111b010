/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What rules leave open until the start: host names, and Unix paths from the working directory. */

#include "rule.h"

/* Looks every HOST:PORT of the rule up, once, and makes every unix:PATH absolute. Returns 0; -ENOMEM; or
 * -EINVAL and in *ret_message (a constant or thread-local text) what is wrong with *ret_step. */
int rule_resolve(struct rule *rule, const struct step **ret_step, const char **ret_message);
