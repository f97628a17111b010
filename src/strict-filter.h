/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --strict: what is refused at the source, because it leads to a socket past bind() and listen(), or past
 * the supervisor. A seccomp filter beside that of filter.h, which stands before it: a refusal outranks a
 * notification. */

#include "decide.h"
#include "filter-program.h"

/* Writes it. Pure. */
void strict_write_filter(const struct policy *policy, struct filter_program *ret);

/* Installs it on this thread, for all that it starts from now on. Needs no_new_privs. No further listener
 * can be had then: filter_install() with traps comes first. Returns 0 or a negative errno. */
int strict_filter_install(const struct policy *policy);
