/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A raw address of any bytes and length, as a target hands it to bind(). The first byte chooses the socket's
 * domain. */

#include <linux/vm_sockets.h>

#include "address.h"
#include "fuzz.h"

static void check_text(const struct address *address) {
        char text[ADDRESS_STRING_MAX];

        HOLDS(address_format(address, text) == text && memchr(text, '\0', sizeof(text)));
        for (const char *at = text; *at != '\0'; at++)
                HOLDS((unsigned char) *at >= ' ' && *at != '\x7f');
}

static void check_way_back(const struct address *address, int domain) {
        struct sockaddr_storage sockaddr;
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        struct address again, ipv4, mapped;

        HOLDS(length <= sizeof(sockaddr) && (length == 0) == (address->family == AF_UNSPEC));
        if (length == 0)
                return;
        HOLDS(address_from_sockaddr(&sockaddr, length, domain, &again) == 0);
        HOLDS(address_equal(&again, address) && address_equal(address, &again));
        if (address_unmap(address, &ipv4)) {
                mapped = address_map(&ipv4);
                HOLDS(address_is_wildcard(&ipv4) == address_is_wildcard(address));
                HOLDS(memcmp(&mapped.ipv6, &address->ipv6, sizeof(mapped.ipv6)) == 0 &&
                      mapped.port == address->port);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const int domains[] = {AF_INET, AF_INET6, AF_UNIX, AF_VSOCK, AF_NETLINK};
        struct input input = {data, size};
        int domain = domains[take_byte(&input) % ELEMENTSOF(domains)];
        _cleanup_free_ uint8_t *sockaddr = malloc(input.left + 1); /* an end that a sanitizer sees */
        struct address address;

        HOLDS(sockaddr);
        memcpy(sockaddr + 1, input.at, input.left); /* and no alignment: it is the target's pointer */
        if (address_from_sockaddr(sockaddr + 1, input.left, domain, &address) < 0)
                return 0;
        HOLDS(address.family == (domain == AF_NETLINK ? AF_UNSPEC : domain));
        HOLDS(!address_is_ip(&address) || address.port <= UINT16_MAX);
        HOLDS(address.family != AF_UNIX || address.unix_length <= ADDRESS_UNIX_MAX);
        check_text(&address);
        check_way_back(&address, domain);
        return 0;
}
