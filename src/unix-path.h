/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths as the target means them: from its root and working directory. */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "target.h"

/* Room for a working directory and a path behind it */
#define UNIX_PATH_MAX (PATH_MAX + 256)

/* Makes path absolute with the target's directory_fd (AT_FDCWD: its working directory) and leaves out "//"
 * and "/./". Follows no links.
 */
int unix_path_absolute(const struct target *target, int directory_fd, const char *path,
                       char buffer[static UNIX_PATH_MAX]);

/* Which file a path leads to, without following it at its end */
struct file_id {
        dev_t device;
        ino_t inode;
};

/* Looks the path up as the target would. directory_fd is the target's, AT_FDCWD its working directory. Does
 * not wait for a file system: -EAGAIN if it had to. */
int unix_path_identify(const struct target *target, int directory_fd, const char *path, struct file_id *ret);

/* Whether the path leads to this file; asks a slow file system as well, but not for long. */
bool unix_path_is(const struct target *target, int directory_fd, const char *path,
                  const struct file_id *file);
