/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files say what a unit is: its unit file and drop-ins, over aliases, templates and prefixes. */

#include <stdbool.h>
#include <stddef.h>

#include "unit-index.h"

/* The name of the unit that this name means, following aliases; an instance that leads to a template is the
 * instance of that. Returns false for a loop. ret has UNIT_NAME_MAX + 1 bytes. */
bool unit_resolve(const struct unit_index *index, const char *name, char *ret);

/* The unit file of this name, or of its template; NULL: there is none. */
struct unit_entry *unit_find_fragment(const struct unit_index *index, const char *name);

/* A drop-in, and how many were found before it: of equal names, the first holds. */
struct found_dropin {
        struct dropin_entry *entry;
        size_t order;
};

struct dropin_list {
        struct found_dropin *found; /* sorted by name, one of each name, in the end */
        size_t n;
        bool for_instance;
};

/* All drop-ins of a unit, in the order in which they hold. The rank of the directory counts for more than
 * how well its name fits; an alias's, and the type's, come behind the name's own (systemd.unit(5)). Returns
 * 0 or -ENOMEM; ret->found is the caller's to free(). */
int unit_find_dropins(const struct unit_index *index, const char *name, struct dropin_list *ret);
