/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Listen= says, and the .socket units that say the same. Pure: no system calls here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct listen_address {
        bool datagram;
        bool ip;
        bool only_ipv6;      /* [::]:PORT, which must not take IPv4 as well */
        bool dual_stack;     /* a port alone, which must */
        bool any;            /* the wildcard of one family or of both */
        const char *address; /* as ListenStream= and ListenDatagram= want it; part of the text */
};

/* Reads [tcp:|udp:|unix:|vsock:]ADDRESS. checked is the same with its specifiers expanded, and is what is
 * checked. Returns NULL, or what was expected; *ret is filled in any case, for a text that cannot be
 * checked. */
const char *listen_parse(const char *text, const char *checked, struct listen_address *ret);

/* Whether one .socket unit cannot say all of it, because BindIPv6Only= holds for a whole unit. */
bool listen_needs_second_unit(const struct listen_address *addresses, size_t n);

/* Writes the lines ListenStream=, ListenDatagram= and BindIPv6Only= of the first (or second) unit. */
void listen_write(FILE *out, const struct listen_address *addresses, size_t n, bool second);
