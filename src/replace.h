/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Puts one socket in the place of another in the process that made a call: at every descriptor that referred
 * to the old one, with each descriptor's own FD_CLOEXEC, and in the epoll instances where it was registered.
 */

#include "target.h"

/* old_fd is a copy of the socket that target_fd refers to in the target; by_fd takes its place. Both stay
 * the caller's; old_fd is to be closed soon, because epoll forgets the old registrations with its last copy.
 * Other descriptors of the old socket, and registrations, are looked for as far as /proc allows.
 * Returns 0; -ENOENT if the call is gone; or the errno with which the target's own descriptor could not be
 * replaced, and then nothing was. */
int replace_socket(const struct target *target, int old_fd, int target_fd, int by_fd);

/* The same for this one descriptor; others of the socket stay as they are. */
int replace_descriptor(const struct target *target, int old_fd, int target_fd, int by_fd);

/* Copies O_NONBLOCK, O_ASYNC, the owner and the signal from old_fd to by_fd, which the target knows as
 * target_fd (a signal names the descriptor). The owner only if it is the target itself. */
void replay_file_flags(const struct target *target, int old_fd, int by_fd, int target_fd);
