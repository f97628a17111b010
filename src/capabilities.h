/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* capabilities(7) of this process, and of all that it will start. Sets are 1 << CAP_*. */

#include <stdint.h>

/* Takes these from the bounding set, which needs CAP_SETPCAP. Returns 0 or a negative errno. */
int capabilities_bound(uint64_t dropped);

/* Takes these from the effective, permitted and inheritable sets, and with these from the ambient one.
 * Returns 0 or a negative errno. */
int capabilities_drop(uint64_t dropped);
