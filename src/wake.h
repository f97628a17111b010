/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waking threads of a target that wait in a system call on a descriptor which was replaced meanwhile. */

#include "target.h"

/* Makes the other threads of the caller's process start over what they wait in, if that is a call on this
 * descriptor (accept) or on several (poll, select): they look the descriptor up again. Nothing else is
 * changed in them, no signal is delivered. Done with ptrace(2): where it is refused, they keep waiting. */
void restart_waiting_threads(const struct target *target, int target_fd);
