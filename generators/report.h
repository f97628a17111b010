/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the generator has to say: to the kernel log, since there may be no journal yet; to stderr in a user
 * manager, or when somebody runs it by hand. */

#include <stdbool.h>

#include "util.h"

/* To be called once, first. */
void report_open(bool user);

/* "PATH:LINE: TEXT"; without path, TEXT alone. The same message is told once: a drop-in may hold for many
 * services. */
PRINTF(4, 5) void report(int priority, const char *path, unsigned line, const char *format, ...);
