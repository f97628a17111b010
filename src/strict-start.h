/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --strict, in the process that becomes the target: gives up for good what would lead past the supervisor.
 * Each function returns 0, or a negative errno after logging why. */

#include "decide.h"
#include "passed-sockets.h"

/* Capabilities, no_new_privs, a Landlock domain, and the filter of strict-filter.h. For after the filter
 * that has the listener. */
int strict_lower_target(const struct policy *policy);

/* Closes what the program would inherit of sockets that no rule gives, and of other ways to such. What is
 * standard input or output, or among the passed descriptors that it keeps, becomes /dev/null. */
int strict_close_descriptors(const struct policy *policy, const struct passed_sockets *passed,
                             bool keep_fds);
