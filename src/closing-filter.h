/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filter that closes system calls and families (closing.h) for every ABI of the machine, as libseccomp
 * builds it: it knows the number of every call in each. */

#include "closing.h"
#include "filter-program.h"

/* Returns 0 or a negative errno; -ELIBACC if libseccomp cannot be loaded. */
int closing_write_filter(const struct closing *closing, struct filter_program *ret);
