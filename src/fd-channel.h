/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One byte, and a descriptor with it if there is one, over a pair of connected Unix sockets (unix(7),
 * SCM_RIGHTS). */

/* Makes the pair, both ends FD_CLOEXEC. Returns 0 or a negative errno. */
int channel_open(int *ret_a, int *ret_b);

/* fd may be -1. Returns 0 or a negative errno. */
int channel_send(int channel, char byte, int fd);

/* Waits for a byte. Returns it; 0 if the other end is closed; or a negative errno. *ret_fd is the caller's,
 * -1 if none came; ret_fd may be NULL. */
int channel_receive(int channel, int *ret_fd);
