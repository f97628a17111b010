/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the helper needs of the sandbox that a service has, and no more: settings are amended only if the
 * unit has them, and what that opens is closed again for the target by options of the helper. */

#include <stdbool.h>
#include <stdio.h>

#include "service.h"

struct amendments {
        char *settings;                 /* lines for [Service] */
        char *close_calls;              /* for --close-calls=; NULL: nothing to close */
        const char *close_families;     /* for --close-families= */
        const char *close_capabilities; /* for --close-capabilities= */
};

/* Returns 0; -EINVAL and in *ret_message why the helper cannot run in there; or -ENOMEM. notifies: the
 * helper has to reach the service manager. keeps_root: it is started as root, whatever User= says. strict:
 * it wants a Landlock domain for the program. */
int sandbox_amend(const struct service *service, const char *helper, bool notifies, bool keeps_root,
                  bool strict, struct amendments *ret, const char **ret_message);
/* Whether the service may make sockets of this family, "AF_INET"; or -ENOMEM */
int sandbox_allows_family(const struct service *service, const char *family);
void amendments_free(struct amendments *amendments);
