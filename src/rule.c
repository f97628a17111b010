/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule.h"

#include <string.h>

#include "util.h"

static const struct {
        const char *name;
        int protocol;
} protocols[] = {
        {"tcp", IPPROTO_TCP},   {"udp", IPPROTO_UDP},         {"sctp", IPPROTO_SCTP},
        {"dccp", IPPROTO_DCCP}, {"udplite", IPPROTO_UDPLITE},
};

const char *protocol_name(int protocol) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (protocols[i].protocol == protocol)
                        return protocols[i].name;
        return NULL;
}

const char *socket_kind_name(const struct socket_kind *kind) {
        const char *protocol = protocol_name(kind->protocol);

        if (protocol)
                return protocol;
        switch (kind->type) {
        case SOCK_STREAM:
                return "stream";
        case SOCK_DGRAM:
                return "datagram";
        case SOCK_SEQPACKET:
                return "seqpacket";
        default:
                return "other";
        }
}

int protocol_from_name(const char *name, size_t length) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (strlen(protocols[i].name) == length && memcmp(protocols[i].name, name, length) == 0)
                        return protocols[i].protocol;
        return 0;
}

void rule_free(struct rule *rule) {
        for (size_t i = 0; i < rule->n_steps; i++) {
                free(rule->steps[i].name);
                free(rule->steps[i].addresses);
        }
        free(rule->steps);
        free(rule->match.name);
        free(rule->text);
        *rule = (struct rule){};
}

bool step_adopts(const struct step *step) {
        return step->kind == STEP_PASSED_INDEX || step->kind == STEP_PASSED_NAME ||
               step->kind == STEP_INHERITED;
}

bool rule_adopts(const struct rule *rule) {
        for (size_t i = 0; i < rule->n_steps; i++)
                if (step_adopts(&rule->steps[i]))
                        return true;
        return false;
}

/* Whether the first prefix_length bits of two addresses in network byte order are the same */
static bool same_prefix(const void *a, const void *b, unsigned prefix_length) {
        unsigned whole = prefix_length / 8, rest = prefix_length % 8;
        uint8_t mask = (uint8_t) (0xff << (8 - rest));

        if (memcmp(a, b, whole) != 0)
                return false;
        return rest == 0 || ((((const uint8_t *) a)[whole] ^ ((const uint8_t *) b)[whole]) & mask) == 0;
}

/* The IPv4 address that this request binds, or can be reached by, if there is one */
static bool requested_ipv4(const struct bind_request *request, struct in_addr *ret) {
        struct address ipv4;

        if (request->kind.domain == AF_INET)
                *ret = request->address.ipv4;
        else if (!receives_ipv4(&request->kind, request->v6only, &request->address))
                return false;
        else if (address_unmap(&request->address, &ipv4))
                *ret = ipv4.ipv4;
        else
                ret->s_addr = htonl(INADDR_ANY);
        return true;
}

static bool unix_name_covered(const struct match *match, const char *name, size_t length) {
        size_t wanted = strlen(match->name);

        if (match->name_is_prefix ? length < wanted : length != wanted)
                return false;
        return memcmp(match->name, name, wanted) == 0;
}

static bool unix_path_covered(const struct match *match, const struct bind_request *request) {
        const struct address *address = &request->address;

        if (request->path ? unix_name_covered(match, request->path, strlen(request->path))
                          : unix_name_covered(match, address->unix_name, address->unix_length))
                return true;
        /* Another way to the same path, over a symbolic link such as /var/run */
        return request->same_file && unix_name_covered(match, request->same_file->address.unix_name,
                                                       request->same_file->address.unix_length);
}

static bool unix_covered(const struct match *match, const struct bind_request *request) {
        const struct address *address = &request->address;

        if (request->kind.domain != AF_UNIX)
                return false;
        if (match->kind == MATCH_UNIX_ABSTRACT)
                return address->unix_length > 0 && address->unix_name[0] == '\0' &&
                       unix_name_covered(match, address->unix_name + 1, (size_t) address->unix_length - 1);
        if (match->name_is_prefix && match->name[0] == '\0')
                return true;
        return address_is_unix_path(address) && unix_path_covered(match, request);
}

bool match_covers(const struct match *match, const struct bind_request *request) {
        const struct address *address = &request->address;
        struct in_addr ipv4;

        if (request->kind.domain == AF_NETLINK)
                return false;
        if (match->kind == MATCH_EVERYTHING)
                return true;
        if (match->kind == MATCH_UNIX_PATH || match->kind == MATCH_UNIX_ABSTRACT)
                return unix_covered(match, request);

        if (match->protocol != 0 && match->protocol != request->kind.protocol)
                return false;
        if (address->port < match->first_port || address->port > match->last_port)
                return false;

        switch (match->kind) {
        case MATCH_PORTS:
                return address_is_ip(address);
        case MATCH_IPV4:
                return address_is_ip(address) && requested_ipv4(request, &ipv4) &&
                       same_prefix(&match->ipv4, &ipv4, match->prefix_length);
        case MATCH_IPV6:
                return address->family == AF_INET6 &&
                       same_prefix(&match->ipv6, &address->ipv6, match->prefix_length);
        case MATCH_VSOCK:
                return address->family == AF_VSOCK && (match->any_cid || match->cid == address->cid);
        case MATCH_EVERYTHING:
        case MATCH_UNIX_PATH:
        case MATCH_UNIX_ABSTRACT:
                break; /* above */
        }
        return false;
}
