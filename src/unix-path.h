/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths as the target means them: from its root and working directory. */

#include <limits.h>
#include <sys/stat.h>

#include "target.h"

/* Room for a working directory and a path behind it */
#define UNIX_PATH_MAX (PATH_MAX + 256)

/* Makes path absolute with the target's working directory and leaves out "//" and "/./". Follows no links.
 */
int unix_path_absolute(const struct target *target, const char *path, char buffer[static UNIX_PATH_MAX]);

/* lstat() as the target would do it. directory_fd is the target's, AT_FDCWD its working directory. */
int unix_path_stat(const struct target *target, int directory_fd, const char *path, struct stat *ret);
