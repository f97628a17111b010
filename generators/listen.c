/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listen.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_EXPECTED                                                                                    \
        "expected [tcp:|udp:]PORT, [tcp:|udp:]IP:PORT (IPv6 in brackets), unix:PATH, unix:@NAME or "        \
        "vsock:CID:PORT"

#define UNIX_EXPECTED "expected unix:PATH (absolute) or unix:@NAME, of at most 107 bytes"

static const char *skip(const char *text, const char *prefix) {
        size_t length = strlen(prefix);

        return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool is_number(const char *text, unsigned long lowest, unsigned long highest) {
        char *end;
        unsigned long number;

        if (!isdigit((unsigned char) *text) || strlen(text) > 10 || (text[0] == '0' && text[1] != '\0'))
                return false;
        number = strtoul(text, &end, 10);
        return *end == '\0' && number >= lowest && number <= highest;
}

static bool is_port(const char *text) {
        return is_number(text, 1, 65535);
}

/* IP:PORT; *ret_family is the IP's, *ret_any: it is the wildcard */
static bool is_ip_and_port(const char *text, int *ret_family, bool *ret_any) {
        char ip[INET6_ADDRSTRLEN + 1];
        const char *end;
        struct in6_addr address = {};
        bool ipv6 = *text == '[';

        end = strchr(text, ipv6 ? ']' : ':');
        if (!end || (ipv6 && end[1] != ':') || !is_port(end + 1 + ipv6))
                return false;
        text += ipv6;
        if ((size_t) (end - text) >= sizeof(ip))
                return false;
        memcpy(ip, text, (size_t) (end - text));
        ip[end - text] = '\0';
        *ret_family = ipv6 ? AF_INET6 : AF_INET;
        if (inet_pton(*ret_family, ip, &address) != 1)
                return false;
        *ret_any = IN6_IS_ADDR_UNSPECIFIED(&address);
        return true;
}

static bool is_unix(const char *text) {
        size_t length = strlen(text);

        return (text[0] == '/' || text[0] == '@') && length > 1 && length < 108; /* unix(7) */
}

static bool is_vsock(const char *text) {
        const char *colon = strchr(text, ':');
        char cid[16] = "";

        if (!colon || (size_t) (colon - text) >= sizeof(cid) || !is_number(colon + 1, 0, 4294967295))
                return false;
        memcpy(cid, text, (size_t) (colon - text));
        return cid[0] == '\0' ||
               is_number(cid, 0, 4294967295); /* systemd.socket(5): the CID may be left out */
}

const char *listen_parse(const char *text, const char *checked, struct listen_address *ret) {
        const char *rest;
        bool any = false;
        int family = AF_UNSPEC;

        *ret = (struct listen_address){.address = text};
        if (skip(text, "unix:")) {
                ret->address = skip(text, "unix:");
                rest = skip(checked, "unix:");
                return rest && is_unix(rest) ? NULL : UNIX_EXPECTED;
        }
        if (skip(text, "vsock:")) {
                rest = skip(checked, "vsock:");
                return rest && is_vsock(rest) ? NULL : "expected vsock:CID:PORT";
        }
        if (is_unix(checked))
                return NULL;

        ret->datagram = skip(text, "udp:");
        rest = skip(checked, ret->datagram ? "udp:" : "tcp:");
        if (rest)
                ret->address = text + strlen("tcp:");
        else
                rest = checked;
        ret->dual_stack = is_port(rest);
        if (!ret->dual_stack && !is_ip_and_port(rest, &family, &any))
                return ADDRESS_EXPECTED;
        ret->ip = true;
        ret->only_ipv6 = family == AF_INET6 && any;
        ret->any = ret->dual_stack || any;
        return NULL;
}

bool listen_needs_second_unit(const struct listen_address *addresses, size_t n) {
        bool dual_stack = false, only_ipv6 = false;

        for (size_t i = 0; i < n; i++) {
                dual_stack = dual_stack || addresses[i].dual_stack;
                only_ipv6 = only_ipv6 || addresses[i].only_ipv6;
        }
        return dual_stack && only_ipv6;
}

void listen_write(FILE *out, const struct listen_address *addresses, size_t n, bool second) {
        bool split = listen_needs_second_unit(addresses, n), only_ipv6 = false, dual_stack = false;
        bool any_datagram = false;

        for (size_t i = 0; i < n; i++) {
                if (split && addresses[i].only_ipv6 != second)
                        continue;
                fprintf(out, "Listen%s=%s\n", addresses[i].datagram ? "Datagram" : "Stream",
                        addresses[i].address);
                only_ipv6 = only_ipv6 || addresses[i].only_ipv6;
                dual_stack = dual_stack || addresses[i].dual_stack;
                any_datagram = any_datagram || (addresses[i].datagram && addresses[i].any);
        }
        /* A server on every address asks where each datagram went (IP_PKTINFO), to answer from there; of
         * those that come before it has started, too. */
        if (any_datagram)
                fputs("PassPacketInfo=yes\n", out);
        if (only_ipv6)
                fputs("BindIPv6Only=ipv6-only\n", out);
        else if (dual_stack)
                fputs("BindIPv6Only=both\n", out); /* whatever net.ipv6.bindv6only says */
}
