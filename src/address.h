/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A socket address that rules can speak of: IPv4, IPv6, Unix, vsock. Pure: no system calls here. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_UNIX_MAX 108 /* sizeof(sun_path), unix(7) */

/* Room for any address in text form. Each byte of an abstract name may become four ("\x00"). */
#define ADDRESS_STRING_MAX (ADDRESS_UNIX_MAX * 4 + 16)

struct address {
        sa_family_t family;   /* AF_INET, AF_INET6, AF_UNIX, AF_VSOCK; AF_UNSPEC: of another family */
        uint32_t port;        /* IP and vsock, host byte order */
        uint32_t scope_id;    /* IPv6 */
        uint32_t cid;         /* vsock */
        uint16_t unix_length; /* bytes of unix_name in use, without a closing NUL; 0: unnamed */
        union {
                struct in_addr ipv4;
                struct in6_addr ipv6;
                char unix_name[ADDRESS_UNIX_MAX]; /* abstract if its first byte is NUL */
        };
};

/* Reads what the kernel would read if it bound a socket of this domain to these bytes.
 * Returns 0, or the error bind(2) gives for a malformed address: -EINVAL (length), -EAFNOSUPPORT (family).
 * AF_UNSPEC with INADDR_ANY is AF_INET to the kernel, and here. A domain that rules cannot speak of gives
 * an address of family AF_UNSPEC. */
int address_from_sockaddr(const void *sockaddr, size_t length, int domain, struct address *ret);

/* Writes the address for bind(2). Returns the length; 0 for AF_UNSPEC. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret);

/* "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name", "vsock:2:80"; never longer than the buffer. */
const char *address_format(const struct address *address, char buffer[static ADDRESS_STRING_MAX]);

bool address_equal(const struct address *a, const struct address *b);

/* 0.0.0.0, ::, VMADDR_CID_ANY; of the mapped form, ::ffff:0.0.0.0 */
bool address_is_wildcard(const struct address *address);

static inline bool address_is_ip(const struct address *address) {
        return address->family == AF_INET || address->family == AF_INET6;
}

static inline bool address_is_unix_path(const struct address *address) {
        return address->family == AF_UNIX && address->unix_length > 0 && address->unix_name[0] != '\0';
}

/* Leaves out "//" and "/./" in place, and "/." at the end unless it is the beginning of a longer path. */
void path_squeeze(char *path, bool is_prefix);

/* ::ffff:a.b.c.d as a.b.c.d with the same port. Returns false for every other address. */
bool address_unmap(const struct address *address, struct address *ret);

/* a.b.c.d as ::ffff:a.b.c.d; an IPv6 address stays as it is. */
struct address address_map(const struct address *address);
