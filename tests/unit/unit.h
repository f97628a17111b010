/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the unit tests share. cmocka.h wants these headers before it. */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rule-parse.h"
#include "util.h"

/* A rule that has to be right */
static inline struct rule good_rule(const char *text) {
        struct rule_error error;
        struct rule rule;

        if (rule_parse(text, &rule, &error) < 0)
                fail_msg("%s, column %zu: %s", text, error.column, error.message);
        return rule;
}

/* "127.0.0.1", "::1", "unix:/path", "unix:@name" or "vsock:CID" */
static inline struct address make_address(const char *text, unsigned port) {
        struct address address = {.port = port};

        if (strncmp(text, "unix:", 5) == 0) {
                address = (struct address){.family = AF_UNIX, .unix_length = (uint16_t) strlen(text + 5)};
                memcpy(address.unix_name, text + 5, address.unix_length);
                if (address.unix_name[0] == '@')
                        address.unix_name[0] = '\0';
        } else if (strncmp(text, "vsock:", 6) == 0) {
                address.family = AF_VSOCK;
                address.cid = (uint32_t) strtoul(text + 6, NULL, 10);
        } else {
                address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
                if (inet_pton(address.family, text, &address.ipv6) != 1)
                        fail_msg("%s is no address", text);
        }
        return address;
}

/* A request as a plain program makes it: a dual-stack socket for an IPv6 address */
static inline struct bind_request make_request(const char *text, unsigned port, int type) {
        struct bind_request request = {.address = make_address(text, port)};

        request.kind.domain = request.address.family;
        request.kind.type = type;
        if (address_is_ip(&request.address))
                request.kind.protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
        return request;
}
