/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What plan.c, which reads and checks the settings, and plan-text.c, which writes what follows from them,
 * share. */

#include <string.h>

#include "exec-command.h"
#include "listen.h"
#include "plan.h"
#include "sandbox.h"

/* One service, while its plan is made */
struct planning {
        const struct unit_index *index;
        const struct service *service;
        const char *helper;
        struct exec_command *commands;
        size_t n_commands;
        struct listen_address *listen;
        const char *type;  /* effective Type= */
        const char *ready; /* for --ready= */
        bool adopts;       /* a rule does, or --auto */
        bool automatic;
        bool some_rule_adopts;
        bool keep_fds, verbose;
        const char *strict; /* the option, "--strict=datagram"; NULL: none */
        bool learn;         /* force-bind --learn --unit= wants to know what the service binds */
        struct amendments amendments;
};

/* words ends with NULL. */
static inline bool is_one_of(const char *word, const char *const *words) {
        for (; *words; words++)
                if (strcmp(word, *words) == 0)
                        return true;
        return false;
}

/* The text of the drop-in, for plan->dropin; the names of the .socket units are in plan already. Returns 1
 * or -ENOMEM.
 */
int plan_write_dropin(const struct planning *planning, struct plan *plan);

/* The text of the first .socket unit, or of the second, which passes its sockets under the first one's name.
 * Returns 0 or -ENOMEM. */
int plan_write_socket(const struct planning *planning, bool second, const char *first_name, char **ret);
