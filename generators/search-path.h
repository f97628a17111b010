/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The directories in which the service manager looks for units, highest rank first (systemd.unit(5), "UNIT
 * FILE LOAD PATH"), without those that generators write: nothing there can be relied on. */

#include <stdbool.h>
#include <stddef.h>

struct search_path {
        char **directories;
        size_t n;
        bool user; /* of a user's manager */
};

/* From SYSTEMD_UNIT_PATH, or the manager's own list; outputs are the directories that generators write to.
 * Returns 0 or -ENOMEM. */
int search_path_read(bool user, const char *const *outputs, size_t n_outputs, struct search_path *ret);
void search_path_free(struct search_path *path);
