/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to be written for one service: the text of its drop-in, and of the .socket units that Listen= asks
 * for. Every setting is checked here; one that is wrong leaves the service as it is. */

#include <stdbool.h>

#include "service.h"
#include "unit-name.h"

struct plan {
        char *dropin;     /* text; NULL: the service stays as it is */
        char *sockets[2]; /* texts of the .socket units; NULL: none */
        char socket_names[2][UNIT_NAME_MAX + 1];
};

/* Returns 1 and the plan; 0 if there is nothing to do, or something is wrong, which has been reported then;
 * or -ENOMEM. helper: the path of force-bind. */
int plan_make(const struct unit_index *index, const struct service *service, const char *helper,
              struct plan *ret);
void plan_free(struct plan *plan);

/* A name for the drop-in behind which none of these sorts, without a directory. Returns NULL without memory.
 */
char *plan_dropin_name(char *const *names, size_t n);
