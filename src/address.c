/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* What inet6_bind() accepts: sockaddr_in6 without its scope, as in RFC 2133 (net/ipv6/af_inet6.c) */
#define SOCKADDR_IN6_RFC2133_LENGTH 24

static int ipv4_from_sockaddr(const void *sockaddr, size_t length, struct address *ret) {
        struct sockaddr_in in;

        if (length < sizeof(in))
                return -EINVAL;
        memcpy(&in, sockaddr, sizeof(in));
        /* "AF_UNSPEC is mapped to AF_INET only if the address is INADDR_ANY" (net/ipv4/af_inet.c) */
        if (in.sin_family != AF_INET &&
            (in.sin_family != AF_UNSPEC || in.sin_addr.s_addr != htonl(INADDR_ANY)))
                return -EAFNOSUPPORT;

        *ret = (struct address){.family = AF_INET, .port = ntohs(in.sin_port), .ipv4 = in.sin_addr};
        return 0;
}

static int ipv6_from_sockaddr(const void *sockaddr, size_t length, struct address *ret) {
        struct sockaddr_in6 in6 = {};

        if (length < SOCKADDR_IN6_RFC2133_LENGTH)
                return -EINVAL;
        memcpy(&in6, sockaddr, length < sizeof(in6) ? length : sizeof(in6));
        if (in6.sin6_family != AF_INET6)
                return -EAFNOSUPPORT;

        *ret = (struct address){.family = AF_INET6, .port = ntohs(in6.sin6_port), .ipv6 = in6.sin6_addr};
        if (length >= sizeof(in6))
                ret->scope_id = in6.sin6_scope_id;
        return 0;
}

static int unix_from_sockaddr(const void *sockaddr, size_t length, struct address *ret) {
        struct sockaddr_un un = {};
        size_t path_length;

        if (length < offsetof(struct sockaddr_un, sun_path) || length > sizeof(un))
                return -EINVAL;
        memcpy(&un, sockaddr, length);
        if (un.sun_family != AF_UNIX)
                return -EINVAL; /* unix_validate_addr() */

        *ret = (struct address){.family = AF_UNIX};
        path_length = length - offsetof(struct sockaddr_un, sun_path);
        if (path_length > 0 && un.sun_path[0] != '\0')
                path_length = strnlen(un.sun_path, path_length);
        memcpy(ret->unix_name, un.sun_path, path_length);
        ret->unix_length = (uint16_t) path_length;
        return 0;
}

static int vsock_from_sockaddr(const void *sockaddr, size_t length, struct address *ret) {
        struct sockaddr_vm vm;

        if (length < sizeof(vm))
                return -EFAULT; /* vsock_addr_cast() */
        memcpy(&vm, sockaddr, sizeof(vm));
        if (vm.svm_family != AF_VSOCK)
                return -EAFNOSUPPORT;

        *ret = (struct address){.family = AF_VSOCK, .cid = vm.svm_cid, .port = vm.svm_port};
        return 0;
}

int address_from_sockaddr(const void *sockaddr, size_t length, int domain, struct address *ret) {
        switch (domain) {
        case AF_INET:
                return ipv4_from_sockaddr(sockaddr, length, ret);
        case AF_INET6:
                return ipv6_from_sockaddr(sockaddr, length, ret);
        case AF_UNIX:
                return unix_from_sockaddr(sockaddr, length, ret);
        case AF_VSOCK:
                return vsock_from_sockaddr(sockaddr, length, ret);
        default:
                *ret = (struct address){.family = AF_UNSPEC};
                return 0;
        }
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret) {
        memset(ret, 0, sizeof(*ret));

        switch (address->family) {
        case AF_INET: {
                struct sockaddr_in *in = (struct sockaddr_in *) ret;
                in->sin_family = AF_INET;
                in->sin_port = htons((uint16_t) address->port);
                in->sin_addr = address->ipv4;
                return sizeof(*in);
        }
        case AF_INET6: {
                struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) ret;
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons((uint16_t) address->port);
                in6->sin6_addr = address->ipv6;
                in6->sin6_scope_id = address->scope_id;
                return sizeof(*in6);
        }
        case AF_UNIX: {
                struct sockaddr_un *un = (struct sockaddr_un *) ret;
                un->sun_family = AF_UNIX;
                memcpy(un->sun_path, address->unix_name, address->unix_length);
                return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + address->unix_length);
        }
        case AF_VSOCK: {
                struct sockaddr_vm *vm = (struct sockaddr_vm *) ret;
                vm->svm_family = AF_VSOCK;
                vm->svm_cid = address->cid;
                vm->svm_port = address->port;
                return sizeof(*vm);
        }
        default:
                return 0;
        }
}

/* Control characters would let a target write what it likes into our log. */
static size_t append_escaped(char *buffer, size_t used, const char *bytes, size_t length) {
        for (size_t i = 0; i < length && used + 5 < ADDRESS_STRING_MAX; i++) {
                unsigned char byte = (unsigned char) bytes[i];

                if (byte < 0x20 || byte == 0x7f || byte == '\\')
                        used += (size_t) sprintf(buffer + used, "\\x%02x", byte);
                else
                        buffer[used++] = (char) byte;
        }
        buffer[used] = '\0';
        return used;
}

const char *address_format(const struct address *address, char buffer[static ADDRESS_STRING_MAX]) {
        char ip[INET6_ADDRSTRLEN];

        switch (address->family) {
        case AF_INET:
                (void) snprintf(buffer, ADDRESS_STRING_MAX, "%s:%u",
                                inet_ntop(AF_INET, &address->ipv4, ip, sizeof(ip)), address->port);
                break;
        case AF_INET6:
                (void) inet_ntop(AF_INET6, &address->ipv6, ip, sizeof(ip));
                if (address->scope_id != 0)
                        (void) snprintf(buffer, ADDRESS_STRING_MAX, "[%s%%%u]:%u", ip, address->scope_id,
                                        address->port);
                else
                        (void) snprintf(buffer, ADDRESS_STRING_MAX, "[%s]:%u", ip, address->port);
                break;
        case AF_UNIX: {
                bool abstract = address->unix_length > 0 && address->unix_name[0] == '\0';
                size_t used = (size_t) sprintf(buffer, "%s", abstract ? "unix:@" : "unix:");

                (void) append_escaped(buffer, used, address->unix_name + abstract,
                                      (size_t) (address->unix_length - abstract));
                break;
        }
        case AF_VSOCK:
                (void) snprintf(buffer, ADDRESS_STRING_MAX, "vsock:%u:%u", address->cid, address->port);
                break;
        default:
                (void) snprintf(buffer, ADDRESS_STRING_MAX, "an address of another family");
        }
        return buffer;
}

bool address_equal(const struct address *a, const struct address *b) {
        if (a->family != b->family)
                return false;

        switch (a->family) {
        case AF_INET:
                return a->port == b->port && a->ipv4.s_addr == b->ipv4.s_addr;
        case AF_INET6:
                return a->port == b->port && IN6_ARE_ADDR_EQUAL(&a->ipv6, &b->ipv6) &&
                       (a->scope_id == b->scope_id || a->scope_id == 0 || b->scope_id == 0);
        case AF_UNIX:
                return a->unix_length == b->unix_length &&
                       memcmp(a->unix_name, b->unix_name, a->unix_length) == 0;
        case AF_VSOCK:
                return a->cid == b->cid && a->port == b->port;
        default:
                return false;
        }
}

bool address_is_wildcard(const struct address *address) {
        struct address ipv4;

        switch (address->family) {
        case AF_INET:
                return address->ipv4.s_addr == htonl(INADDR_ANY);
        case AF_INET6:
                return IN6_IS_ADDR_UNSPECIFIED(&address->ipv6) ||
                       (address_unmap(address, &ipv4) && address_is_wildcard(&ipv4));
        case AF_VSOCK:
                return address->cid == VMADDR_CID_ANY;
        default:
                return false;
        }
}

void path_squeeze(char *path, bool is_prefix) {
        bool absolute = path[0] == '/';
        char *to = path;

        for (const char *from = path; *from != '\0';) {
                if (from[0] == '/' && from[1] == '/')
                        from++;
                else if (from[0] == '/' && from[1] == '.' &&
                         (from[2] == '/' || (from[2] == '\0' && !is_prefix)))
                        from += 2;
                else
                        *to++ = *from++;
        }
        if (absolute && to == path) /* "/." */
                *to++ = '/';
        *to = '\0';
}

bool address_unmap(const struct address *address, struct address *ret) {
        if (address->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->ipv6))
                return false;

        *ret = (struct address){.family = AF_INET, .port = address->port};
        memcpy(&ret->ipv4, address->ipv6.s6_addr + 12, sizeof(ret->ipv4));
        return true;
}

struct address address_map(const struct address *address) {
        struct address mapped = {.family = AF_INET6, .port = address->port};

        if (address->family != AF_INET)
                return *address;

        mapped.ipv6.s6_addr[10] = 0xff;
        mapped.ipv6.s6_addr[11] = 0xff;
        memcpy(mapped.ipv6.s6_addr + 12, &address->ipv4, sizeof(address->ipv4));
        return mapped;
}
