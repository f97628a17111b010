/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* rule = match + action: what to do with which bind. Pure: no system calls here.
 *
 * A match says which binds; an action is a list of steps, of which the first that can be carried out is.
 * How rules are written: rule-parse.h. How they are printed: rule-print.h. What follows from them: decide.h.
 */

#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "bind-request.h"

enum match_kind {
        MATCH_EVERYTHING,    /* * */
        MATCH_PORTS,         /* :PORTS, both IP families */
        MATCH_IPV4,          /* IP/LEN:PORTS */
        MATCH_IPV6,          /* [IP]/LEN:PORTS */
        MATCH_UNIX_PATH,     /* unix:PATH; "unix:*" is every Unix bind, abstract and unnamed ones too */
        MATCH_UNIX_ABSTRACT, /* unix:@NAME */
        MATCH_VSOCK,         /* vsock:CID:PORTS */
};

struct match {
        enum match_kind kind;
        int protocol; /* IPPROTO_*, 0: any */
        uint32_t first_port, last_port;
        union {
                struct in_addr ipv4;
                struct in6_addr ipv6;
        };
        unsigned prefix_length; /* of ipv4 or ipv6 */
        char *name;             /* Unix path or abstract name, without "*" and "@" */
        bool name_is_prefix;    /* a "*" ended it */
        uint32_t cid;
        bool any_cid;
};

enum step_kind {
        STEP_PASSED_INDEX, /* sd=N */
        STEP_PASSED_NAME,  /* sd=NAME */
        STEP_INHERITED,    /* fd=N */
        STEP_ADDRESS,      /* IP, IP:PORT, :PORT */
        STEP_HOST,         /* HOST:PORT */
        STEP_UNIX,         /* unix:PATH */
        STEP_ALLOW,
        STEP_DENY,
};

struct step {
        enum step_kind kind;
        unsigned number;       /* of sd=N and fd=N */
        char *name;            /* of sd=NAME, HOST:PORT */
        bool has_ip, has_port; /* which parts of address a STEP_ADDRESS gives */
        struct address address;
        struct address *addresses; /* of HOST:PORT, once resolved; see resolve.h */
        size_t n_addresses;
        int error; /* of deny, a positive errno */
};

struct rule {
        struct match match;
        struct step *steps;
        size_t n_steps;
        char *text; /* canonical form, for messages */
};

void rule_free(struct rule *rule);

/* Takes passed sockets: has a step sd= or fd=. */
bool rule_adopts(const struct rule *rule);

bool step_adopts(const struct step *step);

/* Whether this is a bind that the match speaks of. IPv4 that an IPv6 socket would receive is matched by IPv4
 * rules as well. Netlink sockets are matched by nothing, not even "*": their address is no name that others
 * can reach, and libc binds them to look up interfaces. */
bool match_covers(const struct match *match, const struct bind_request *request);

/* Names of protocols that may stand before an address, "tcp" ... NULL for other numbers; 0 for other names.
 */
const char *protocol_name(int protocol);

/* "tcp"; "stream", "datagram" and such for sockets without a protocol that has a name. */
const char *socket_kind_name(const struct socket_kind *kind);
int protocol_from_name(const char *name, size_t length);
