/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager says of the descriptors that it passes: LISTEN_FDS, LISTEN_PID, LISTEN_PIDFDID
 * and LISTEN_FDNAMES (sd_listen_fds_with_names(3)). */

#define LISTEN_FDS_START 3

/* Reads the environment; sets FD_CLOEXEC on every passed descriptor. Writes their names to *ret, an array
 * that ends with NULL, to be freed together with what it points to by listen_fds_free(); NULL if none was
 * passed. Names are taken as they stand between the colons: the manager allows backslashes in them, and
 * escapes none.
 *
 * Returns the number of descriptors, from LISTEN_FDS_START on: 0 if nothing was passed, or to another
 * process; -ENOMEM; -EBADF if not all of them are open; or -EINVAL if the variables are malformed or
 * contradict each other. */
int listen_fds_read(char ***ret);

void listen_fds_free(char **names);

/* Clears all of these variables, and LISTEN_PIDFDID. */
void listen_fds_unset(void);
