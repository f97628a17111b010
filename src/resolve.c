/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resolve.h"

#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

static int resolve_host(struct step *step, const char **ret_message) {
        /* Stream, so that each address comes once; what the target's socket is does not matter here. */
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        struct address *addresses;
        struct addrinfo *list;
        size_t n = 0;
        int r = getaddrinfo(step->name, NULL, &hints, &list);

        if (r != 0) {
                *ret_message = gai_strerror(r);
                return -EINVAL;
        }
        for (const struct addrinfo *at = list; at; at = at->ai_next)
                n++;
        addresses = reallocarray(step->addresses, n + 1, sizeof(*addresses));
        if (!addresses) {
                freeaddrinfo(list);
                return -ENOMEM;
        }
        step->addresses = addresses; /* rule_free() frees it, though gcc 12's -fanalyzer sees a leak here */
        step->n_addresses = 0;
        for (const struct addrinfo *at = list; at; at = at->ai_next) {
                struct address *address = &addresses[step->n_addresses];

                if (address_from_sockaddr(at->ai_addr, at->ai_addrlen, at->ai_family, address) < 0 ||
                    !address_is_ip(address))
                        continue;
                address->port = step->address.port;
                step->n_addresses++;
        }
        freeaddrinfo(list);
        return 0;
}

static int make_absolute(struct address *address, const char **ret_message) {
        char directory[PATH_MAX], path[PATH_MAX + ADDRESS_UNIX_MAX + 1];
        int length;

        if (!address_is_unix_path(address) || address->unix_name[0] == '/')
                return 0;
        if (!getcwd(directory, sizeof(directory))) {
                *ret_message = strerror(errno);
                return -EINVAL;
        }
        length = snprintf(path, sizeof(path), "%s/%.*s", directory, (int) address->unix_length,
                          address->unix_name);
        if (length >= ADDRESS_UNIX_MAX) {
                *ret_message = "with the working directory before it, the path is too long for a socket";
                return -EINVAL;
        }
        memcpy(address->unix_name, path, (size_t) length);
        address->unix_length = (uint16_t) length;
        return 0;
}

int rule_resolve(struct rule *rule, const struct step **ret_step, const char **ret_message) {
        for (size_t i = 0; i < rule->n_steps; i++) {
                struct step *step = &rule->steps[i];
                int r = 0;

                if (step->kind == STEP_HOST)
                        r = resolve_host(step, ret_message);
                else if (step->kind == STEP_UNIX)
                        r = make_absolute(&step->address, ret_message);
                if (r < 0) {
                        *ret_step = step;
                        return r;
                }
        }
        return 0;
}
