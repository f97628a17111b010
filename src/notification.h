/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The listener: receiving notifications, answering them, putting descriptors into the target.
 * See seccomp_unotify(2). -ENOENT from any of these says that the call is gone (its thread was interrupted
 * or killed), which is nothing out of order. */

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* Asks for synchronous wake-ups (Linux 6.6: the supervisor runs where the target ran). Ignores older
 * kernels. */
void listener_prefer_synchronous(int listener);

/* Receives one notification. Returns 0; -ENOENT, -EINTR: try again later; or another errno. */
int listener_receive(int listener, struct seccomp_notif *ret);

/* The call returns 0 (error == 0) or fails with -error (error is 0 or negative). */
int listener_answer(int listener, uint64_t id, int error);

/* The kernel carries the call out as it is. */
int listener_continue(int listener, uint64_t id);

/* The call returns a copy of fd at the lowest number that is free in the process that made it. Returns 0 or
 * a negative errno, and then nothing was answered. */
int listener_answer_fd(int listener, uint64_t id, int fd, bool close_on_exec);

/* Whether the call still waits: to be asked after each look into the target and before relying on it,
 * because process and thread IDs are used again. */
bool listener_call_waits(int listener, uint64_t id);

/* Whether the kernel has SECCOMP_IOCTL_NOTIF_ADDFD (5.9). */
bool listener_can_set_fd(int listener);

/* Puts a copy of fd at target_fd in the process that made the call, in the place of what is there. */
int listener_set_fd(int listener, uint64_t id, int fd, int target_fd, bool close_on_exec);
