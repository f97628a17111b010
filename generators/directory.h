/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Directories, read so that what could not be read for want of memory or descriptors is not taken for what
 * is not there. */

#include <dirent.h>

/* Returns 0 and the directory, NULL if there is none that can be read; or -ENOMEM. */
int directory_open(int directory_fd, const char *name, DIR **ret);

/* Returns 1 and the next entry; 0 behind the last; or -ENOMEM. */
int directory_next(DIR *directory, const struct dirent **ret);

static inline void close_directory(DIR **directory) {
        if (*directory)
                (void) closedir(*directory);
}
