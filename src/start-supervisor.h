/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The target's side of the start of its supervisor. Every function returns 0, or a negative errno after
 * logging why. */

#include "supervisor.h"

/* Starts the supervisor, and lets it look into this process. *ret_channel is the caller's; it closes on
 * execve(), by which the supervisor knows of it, and CHANNEL_FAILED says that there will be none. */
int supervisor_start(const struct supervisor *supervisor, int *ret_channel);

/* Gives it the listener, which stays the caller's, and waits until it answers. */
int supervisor_give(int channel, int listener);
