/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One entry for the journal, by its native protocol (systemd.io, "Native Journal Protocol"). */

#include <stdbool.h>
#include <stddef.h>

struct journal_field {
        const char *name;  /* upper case */
        const char *value; /* any text */
};

/* Sends an entry of these fields; without may_wait, loses it where the journal does not take it at once.
 * Returns 0 or a negative errno: -ENOENT if there is no journal, -EMSGSIZE if it is too long for one
 * datagram. */
int journal_send(const struct journal_field *fields, size_t n, bool may_wait);
