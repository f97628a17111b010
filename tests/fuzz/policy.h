/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A policy out of an input: lines of rules ("auto" is --auto) up to an empty one, then bytes for the passed
 * sockets and for what a target asks. */

#include "decide.h"
#include "fuzz.h"
#include "rule-parse.h"

#define RULES_MAX 6
#define PASSED_MAX 5

struct fuzz_policy {
        struct policy policy;
        struct rule rules[RULES_MAX];
        struct passed_socket passed[PASSED_MAX];
};

/* Few different values, so that they meet: ports 0, 80, 81 and 443, and a handful of addresses. */
static inline struct address take_address(struct input *input, int domain) {
        static const uint32_t ports[] = {0, 80, 81, 443};
        static const uint32_t ipv4s[] = {INADDR_ANY, INADDR_LOOPBACK, 0xc0000201};
        static const char *const names[] = {"/run/a", "/run/b", "", "\0name"};
        struct address address = {.family = (sa_family_t) domain,
                                  .port = ports[take_byte(input) % ELEMENTSOF(ports)]};
        uint8_t choice = take_byte(input);
        const char *name;

        switch (domain) {
        case AF_INET:
                address.ipv4.s_addr = htonl(ipv4s[choice % ELEMENTSOF(ipv4s)]);
                break;
        case AF_INET6:
                if (choice % 4 == 3) {
                        struct address ipv4 = {.family = AF_INET, .port = address.port};

                        ipv4.ipv4.s_addr = htonl(ipv4s[choice / 4 % ELEMENTSOF(ipv4s)]);
                        return address_map(&ipv4);
                }
                address.ipv6.s6_addr[15] = choice % 4; /* ::, ::1, ::2 */
                break;
        case AF_UNIX:
                address.port = 0;
                name = names[choice % ELEMENTSOF(names)];
                address.unix_length = (uint16_t) (choice % ELEMENTSOF(names) == 3 ? 5 : strlen(name));
                memcpy(address.unix_name, name, address.unix_length);
                break;
        case AF_VSOCK:
                address.cid = choice % 4;
                break;
        default:
                address = (struct address){};
        }
        return address;
}

static inline struct socket_kind take_kind(struct input *input) {
        static const int domains[] = {AF_INET, AF_INET6, AF_INET6, AF_UNIX, AF_VSOCK, AF_NETLINK, AF_PACKET};
        struct socket_kind kind = {};
        uint8_t choice = take_byte(input);

        kind.domain = domains[choice % ELEMENTSOF(domains)];
        kind.type = choice & 0x40                             ? SOCK_DGRAM
                    : choice & 0x80 && kind.domain == AF_UNIX ? SOCK_SEQPACKET
                                                              : SOCK_STREAM;
        if (kind.domain == AF_INET || kind.domain == AF_INET6)
                kind.protocol = kind.type == SOCK_DGRAM ? IPPROTO_UDP
                                : choice & 0x80         ? IPPROTO_SCTP
                                                        : IPPROTO_TCP;
        return kind;
}

static inline struct bind_request take_request(struct input *input) {
        struct bind_request request = {.kind = take_kind(input)};

        request.v6only = take_byte(input) & 1;
        request.address = take_address(input, request.kind.domain);
        return request;
}

static inline void take_policy(struct input *input, struct fuzz_policy *ret) {
        static const char *const names[] = {"http", "a", "unknown"};
        struct policy *policy = &ret->policy;

        *ret = (struct fuzz_policy){};
        policy->rules = ret->rules;
        policy->passed = ret->passed;
        while (input->left > 0) {
                _cleanup_free_ char *line = take_text(input, '\n');
                struct rule_error error;

                if (line[0] == '\0')
                        break;
                if (strcmp(line, "auto") == 0)
                        policy->automatic = true;
                else if (policy->n_rules < RULES_MAX &&
                         rule_parse(line, &ret->rules[policy->n_rules], &error) == 0)
                        policy->n_rules++;
        }
        policy->n_passed = take_byte(input) % (PASSED_MAX + 1);
        for (unsigned i = 0; i < policy->n_passed; i++) {
                struct bind_request like = take_request(input);
                uint8_t choice = take_byte(input);

                ret->passed[i] = (struct passed_socket){
                        .index = i,
                        .inherited = (choice & 0x10) != 0,
                        .name = names[choice % ELEMENTSOF(names)],
                        .kind = like.kind,
                        .v6only = like.v6only,
                        .address = like.address,
                        .cookie = i + 1,
                        .used = (choice & 0x20) != 0,
                        .used_for = choice & 0x20 ? take_request(input).address : (struct address){},
                };
        }
}

static inline void free_policy(struct fuzz_policy *policy) {
        for (size_t i = 0; i < policy->policy.n_rules; i++)
                rule_free(&policy->rules[i]);
}
