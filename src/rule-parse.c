/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error-name.h"
#include "rule-print.h"
#include "util.h"

/* A part of the rule's text that is still to be read: [at, end) */
struct cursor {
        const char *text, *at, *end;
        struct rule_error *error;
};

#define PORTS_EXPECTED "a port (0 to %u), a range N-M or \"*\""
#define ACTION_EXPECTED "sd=N, sd=NAME, fd=N, IP, IP:PORT, :PORT, HOST:PORT, unix:PATH, allow or deny"

/* Notes what is wrong at the cursor's place. Always -EINVAL. */
PRINTF(2, 3) static int fail(const struct cursor *cursor, const char *format, ...) {
        size_t used;
        va_list arguments;

        cursor->error->column = (size_t) (cursor->at - cursor->text) + 1;
        va_start(arguments, format);
        (void) vsnprintf(cursor->error->message, sizeof(cursor->error->message), format, arguments);
        va_end(arguments);

        used = strlen(cursor->error->message);
        if (cursor->at == cursor->end)
                (void) snprintf(cursor->error->message + used, sizeof(cursor->error->message) - used,
                                ", found the end");
        else
                (void) snprintf(cursor->error->message + used, sizeof(cursor->error->message) - used,
                                ", not \"%.*s\"", (int) (cursor->end - cursor->at), cursor->at);
        return -EINVAL;
}

static bool skip(struct cursor *cursor, const char *word) {
        size_t length = strlen(word);

        if ((size_t) (cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
                return false;
        cursor->at += length;
        return true;
}

static bool rest_is(const struct cursor *cursor, const char *word) {
        return (size_t) (cursor->end - cursor->at) == strlen(word) &&
               memcmp(cursor->at, word, strlen(word)) == 0;
}

/* The same place, ending before the first of these characters */
static struct cursor until(const struct cursor *cursor, const char *stop) {
        struct cursor part = *cursor;

        for (part.end = cursor->at; part.end < cursor->end; part.end++)
                if (strchr(stop, *part.end))
                        break;
        return part;
}

/* A decimal number as we print it: no sign, no blank, no leading zero */
static bool read_number(struct cursor *cursor, uint32_t highest, uint32_t *ret) {
        const char *at = cursor->at;
        uint64_t number = 0;

        if (at == cursor->end || !isdigit((unsigned char) *at))
                return false;
        if (*at == '0' && at + 1 < cursor->end && isdigit((unsigned char) at[1]))
                return false;
        for (; at < cursor->end && isdigit((unsigned char) *at); at++) {
                number = number * 10 + (uint64_t) (*at - '0');
                if (number > highest)
                        return false;
        }
        cursor->at = at;
        *ret = (uint32_t) number;
        return true;
}

static int copy_text(const char *at, size_t length, char **ret) {
        *ret = strndup(at, length);
        return *ret ? 0 : -ENOMEM;
}

/* PORTS = "*" | N | N "-" M */
static int read_ports(struct cursor *cursor, uint32_t highest, struct match *match) {
        struct cursor begin = *cursor;

        if (skip(cursor, "*")) {
                match->first_port = 0;
                match->last_port = highest;
                return 0;
        }
        if (!read_number(cursor, highest, &match->first_port))
                return fail(&begin, "expected " PORTS_EXPECTED, highest);
        match->last_port = match->first_port;
        if (skip(cursor, "-")) {
                if (!read_number(cursor, highest, &match->last_port))
                        return fail(&begin, "expected " PORTS_EXPECTED, highest);
                if (match->last_port < match->first_port)
                        return fail(&begin, "expected a range whose first port is not above its last");
        }
        return 0;
}

static int read_prefix_length(struct cursor *cursor, unsigned highest, struct match *match) {
        uint32_t length;

        if (!read_number(cursor, highest, &length))
                return fail(cursor, "expected a prefix length (0 to %u)", highest);
        match->prefix_length = length;
        return 0;
}

/* Reads 1.2.3.4 or [::1]. */
static int read_ip(struct cursor *cursor, struct address *ret) {
        char text[INET6_ADDRSTRLEN + 1];
        bool ipv6 = *cursor->at == '[';
        struct cursor inner = *cursor;
        struct cursor part;
        size_t length;

        inner.at += ipv6;
        part = until(&inner, ipv6 ? "]" : "/:");
        length = (size_t) (part.end - part.at);
        if (length < sizeof(text)) {
                memcpy(text, part.at, length);
                text[length] = '\0';
                ret->family = ipv6 ? AF_INET6 : AF_INET;
                if (inet_pton(ret->family, text, &ret->ipv6) == 1 && (!ipv6 || part.end < cursor->end)) {
                        cursor->at = part.end + ipv6;
                        return 0;
                }
        }
        return fail(cursor, ipv6 ? "expected an IPv6 address in brackets" : "expected an IPv4 address");
}

/* Bits behind the prefix do not count; printing shows them as 0. */
static void clear_host_bits(struct match *match) {
        uint8_t *bytes = (uint8_t *) &match->ipv6;
        unsigned n_bytes = match->kind == MATCH_IPV4 ? 4 : 16;

        for (unsigned i = 0; i < n_bytes; i++) {
                unsigned kept = match->prefix_length > i * 8 ? match->prefix_length - i * 8 : 0;

                if (kept < 8)
                        bytes[i] &= (uint8_t) (0xff << (8 - kept));
        }
}

/* IP ["/" LEN] [":" PORTS]  |  IP [":" PORT] ["/" LEN] */
static int read_ip_match(struct cursor *cursor, struct match *match) {
        struct address address = {};
        bool has_length = false, has_ports = false;
        unsigned full_length;
        int r;

        r = read_ip(cursor, &address);
        if (r < 0)
                return r;
        match->kind = address.family == AF_INET ? MATCH_IPV4 : MATCH_IPV6;
        match->ipv6 = address.ipv6;
        full_length = address.family == AF_INET ? 32 : 128;
        match->prefix_length = full_length;
        match->first_port = 0;
        match->last_port = UINT16_MAX;

        while (r >= 0 && cursor->at < cursor->end) {
                if (!has_length && skip(cursor, "/")) {
                        has_length = true;
                        r = read_prefix_length(cursor, full_length, match);
                } else if (!has_ports && skip(cursor, ":")) {
                        has_ports = true;
                        r = read_ports(cursor, UINT16_MAX, match);
                } else
                        return fail(cursor, "expected \"/LEN\", \":PORTS\" or \"=\"");
        }
        clear_host_bits(match);
        return r;
}

static int read_unix_match(struct cursor *cursor, struct match *match) {
        const char *end = cursor->end;
        int r;

        match->kind = skip(cursor, "@") ? MATCH_UNIX_ABSTRACT : MATCH_UNIX_PATH;
        if (end > cursor->at && end[-1] == '*') {
                match->name_is_prefix = true;
                end--;
        }
        if (match->kind == MATCH_UNIX_PATH && cursor->at < end && *cursor->at != '/')
                return fail(cursor, "expected an absolute path, @NAME or \"*\"");
        if (cursor->at == end && !match->name_is_prefix)
                return fail(cursor, "expected an absolute path, @NAME or \"*\"");
        r = copy_text(cursor->at, (size_t) (end - cursor->at), &match->name);
        if (r >= 0 && match->kind == MATCH_UNIX_PATH)
                path_squeeze(match->name, match->name_is_prefix);
        return r;
}

static int read_vsock_match(struct cursor *cursor, struct match *match) {
        match->kind = MATCH_VSOCK;
        match->any_cid = skip(cursor, "*");
        if (!match->any_cid && !read_number(cursor, UINT32_MAX, &match->cid))
                return fail(cursor, "expected a CID (0 to %u) or \"*\"", UINT32_MAX);
        if (!skip(cursor, ":"))
                return fail(cursor, "expected \":PORTS\" behind the CID");
        return read_ports(cursor, UINT32_MAX, match);
}

/* An IPv6 address without the brackets that tell it from its port: "::1:80" */
static bool is_bare_ipv6(const struct cursor *cursor) {
        size_t length = (size_t) (cursor->end - cursor->at), n_colons = 0;

        for (size_t i = 0; i < length; i++) {
                if (!isxdigit((unsigned char) cursor->at[i]) && !strchr(":./", cursor->at[i]))
                        return false;
                n_colons += cursor->at[i] == ':';
                if (cursor->at[i] == '.' && n_colons == 0) /* IPv4 */
                        return false;
        }
        return n_colons >= 2;
}

static int fail_bare_ipv6(const struct cursor *cursor) {
        return fail(cursor, "expected an IPv6 address in brackets, such as [::1]:80");
}

/* Reads "PROTO:" if there is one. */
static int read_protocol(struct cursor *cursor, struct match *match) {
        struct cursor word = until(cursor, ":");

        if (cursor->at == cursor->end || !isalpha((unsigned char) *cursor->at))
                return 0;
        if (word.end < cursor->end)
                match->protocol = protocol_from_name(word.at, (size_t) (word.end - word.at));
        if (match->protocol == 0)
                return fail(&word, "expected tcp:, udp:, sctp:, dccp:, udplite:, unix: or vsock:");
        cursor->at = word.end + 1;
        return 0;
}

static int read_match(struct cursor *cursor, struct match *match) {
        struct cursor digits;
        int r;

        if (rest_is(cursor, "*")) {
                match->kind = MATCH_EVERYTHING;
                return 0;
        }
        if (skip(cursor, "unix:"))
                return read_unix_match(cursor, match);
        if (skip(cursor, "vsock:"))
                r = read_vsock_match(cursor, match);
        else {
                r = is_bare_ipv6(cursor) ? fail_bare_ipv6(cursor) : read_protocol(cursor, match);
                if (r >= 0 && is_bare_ipv6(cursor))
                        r = fail_bare_ipv6(cursor);
                if (r < 0)
                        return r;

                digits = until(cursor, ".[");
                if (skip(cursor, ":") || (match->protocol != 0 && digits.end == cursor->end)) {
                        match->kind = MATCH_PORTS;
                        r = read_ports(cursor, UINT16_MAX, match);
                } else if (cursor->at < cursor->end &&
                           (*cursor->at == '[' ||
                            (isdigit((unsigned char) *cursor->at) && digits.end < cursor->end)))
                        return read_ip_match(cursor, match);
                else
                        return fail(cursor, "expected \"*\", :PORTS, PROTO:PORTS, IP[/LEN][:PORTS], "
                                            "[IPV6][/LEN][:PORTS], unix:PATH or vsock:CID:PORTS");
        }
        if (r >= 0 && cursor->at < cursor->end)
                return fail(cursor, "expected \"=\"");
        return r;
}

/* FileDescriptorName= as systemd allows it (systemd.socket(5)); ":" separates names in LISTEN_FDNAMES */
static bool is_socket_name(const char *at, const char *end) {
        if (at == end || end - at > 255)
                return false;
        for (; at < end; at++)
                if ((unsigned char) *at < 0x20 || (unsigned char) *at >= 0x7f || *at == ':')
                        return false;
        return true;
}

/* What follows sd= or fd= */
static int read_descriptor_step(struct cursor *cursor, bool inherited, struct step *step) {
        struct cursor begin = *cursor;
        uint32_t number;

        if (read_number(cursor, INT32_MAX, &number) && cursor->at == cursor->end) {
                step->kind = inherited ? STEP_INHERITED : STEP_PASSED_INDEX;
                step->number = number;
                return 0;
        }
        if (inherited)
                return fail(&begin, "expected a descriptor number");
        if (!is_socket_name(begin.at, begin.end))
                return fail(&begin, "expected the number or the name of a passed socket");
        cursor->at = cursor->end;
        step->kind = STEP_PASSED_NAME;
        return copy_text(begin.at, (size_t) (begin.end - begin.at), &step->name);
}

/* What follows "deny:" */
static int read_error(struct cursor *cursor, struct step *step) {
        step->error = error_from_name(cursor->at, (size_t) (cursor->end - cursor->at));
        return step->error > 0 ? 0
                               : fail(cursor, "expected the name or the number of an error, such as EACCES");
}

static int read_unix_step(struct cursor *cursor, struct step *step) {
        size_t length = (size_t) (cursor->end - cursor->at);
        bool abstract = length > 0 && *cursor->at == '@';

        /* The kernel wants room for a NUL behind a path (unix(7)), and "@" stands for one. */
        if (length == (size_t) abstract || length + !abstract > ADDRESS_UNIX_MAX)
                return fail(cursor, "expected a path or @NAME of at most %d bytes", ADDRESS_UNIX_MAX - 1);

        step->kind = STEP_UNIX;
        step->address.family = AF_UNIX;
        step->address.unix_length = (uint16_t) length;
        memcpy(step->address.unix_name, cursor->at, length);
        if (abstract)
                step->address.unix_name[0] = '\0';
        return 0;
}

/* IP | IP ":" PORT | ":" PORT | HOST ":" PORT */
static int read_place_step(struct cursor *cursor, struct step *step) {
        struct cursor host = until(cursor, ":[]/ "), begin;
        uint32_t port = 0;
        bool numeric = true;
        int r;

        for (const char *at = host.at; at < host.end; at++)
                numeric = numeric && (isdigit((unsigned char) *at) || *at == '.');

        if (is_bare_ipv6(cursor))
                return fail_bare_ipv6(cursor);
        step->kind = STEP_ADDRESS;
        if (*cursor->at == '[' || (numeric && host.at < host.end)) {
                r = read_ip(cursor, &step->address);
                if (r < 0)
                        return r;
                step->has_ip = true;
        } else if (host.at < host.end) {
                step->kind = STEP_HOST;
                if (host.end == cursor->end || *host.end != ':')
                        return fail(cursor, "expected " ACTION_EXPECTED);
                r = copy_text(host.at, (size_t) (host.end - host.at), &step->name);
                if (r < 0)
                        return r;
                cursor->at = host.end;
        }
        if (cursor->at == cursor->end)
                return 0;
        if (!skip(cursor, ":"))
                return fail(cursor, "expected \":PORT\"");
        begin = *cursor;
        if (!read_number(cursor, UINT16_MAX, &port) || cursor->at < cursor->end)
                return fail(&begin, "expected a port (0 to %u)", UINT16_MAX);
        step->has_port = true;
        step->address.port = port;
        return 0;
}

static int read_step(struct cursor *cursor, struct step *step) {
        if (cursor->at == cursor->end)
                return fail(cursor, "expected " ACTION_EXPECTED);
        if (rest_is(cursor, "allow")) {
                step->kind = STEP_ALLOW;
                return 0;
        }
        if (rest_is(cursor, "deny")) {
                step->kind = STEP_DENY;
                step->error = EACCES;
                return 0;
        }
        if (skip(cursor, "deny:")) {
                step->kind = STEP_DENY;
                return read_error(cursor, step);
        }
        /* sd-NAME:PORT can only be a host, because no passed socket's name has a colon. */
        if (skip(cursor, "sd=") || (until(cursor, ":").end == cursor->end && skip(cursor, "sd-")))
                return read_descriptor_step(cursor, /* inherited= */ false, step);
        if (skip(cursor, "fd=") || (until(cursor, ":").end == cursor->end && skip(cursor, "fd-")))
                return read_descriptor_step(cursor, /* inherited= */ true, step);
        if (skip(cursor, "unix:"))
                return read_unix_step(cursor, step);
        return read_place_step(cursor, step);
}

/* A Unix or vsock bind cannot become an IP bind, nor a vsock bind a Unix one. */
static int check_families(const struct cursor *cursor, const struct match *match, const struct step *step) {
        bool is_unix = match->kind == MATCH_UNIX_PATH || match->kind == MATCH_UNIX_ABSTRACT;

        if ((step->kind == STEP_ADDRESS || step->kind == STEP_HOST) &&
            (is_unix || match->kind == MATCH_VSOCK))
                return fail(cursor, "expected an action that a %s bind can have",
                            is_unix ? "Unix" : "vsock");
        if (step->kind == STEP_UNIX && match->kind == MATCH_VSOCK)
                return fail(cursor, "expected an action that a vsock bind can have");
        return 0;
}

/* The match for --bind=: every bind of the family that the first step with a family binds to */
static int match_family_of(const struct step *step, struct match *match) {
        if (match->kind != MATCH_EVERYTHING)
                return 0;
        if (step->kind == STEP_UNIX) {
                match->kind = MATCH_UNIX_PATH;
                match->name_is_prefix = true;
                return copy_text("", 0, &match->name);
        }
        if (step->kind == STEP_ADDRESS && step->has_ip)
                match->kind = step->address.family == AF_INET ? MATCH_IPV4 : MATCH_IPV6;
        else if (step->kind == STEP_ADDRESS || step->kind == STEP_HOST)
                match->kind = MATCH_PORTS;
        match->last_port = UINT16_MAX;
        return 0;
}

/* Reads the steps. own_family: there is no match, and it follows from them. */
static int read_action(struct cursor *cursor, struct rule *rule, bool own_family) {
        for (;;) {
                struct cursor part = until(cursor, "|"), begin = part;
                struct step *steps = reallocarray(rule->steps, rule->n_steps + 1, sizeof(*steps));
                int r;

                if (!steps)
                        return -ENOMEM;
                rule->steps = steps;
                rule->steps[rule->n_steps] = (struct step){};
                r = read_step(&part, &rule->steps[rule->n_steps++]);
                if (r < 0)
                        return r;
                if (own_family)
                        r = match_family_of(&rule->steps[rule->n_steps - 1], &rule->match);
                if (r >= 0)
                        r = check_families(&begin, &rule->match, &rule->steps[rule->n_steps - 1]);
                if (r < 0)
                        return r;

                if (begin.end == cursor->end)
                        return 0;
                cursor->at = begin.end + 1;
        }
}

/* Ends rule_parse() and rule_parse_action(): the canonical text on success, nothing left on failure */
static int finish(int r, struct rule *rule, struct rule *ret) {
        if (r >= 0)
                r = rule_print(rule, &rule->text);
        if (r < 0)
                rule_free(rule);
        else
                *ret = *rule;
        return r;
}

int rule_parse(const char *text, struct rule *ret, struct rule_error *ret_error) {
        struct cursor cursor = {text, text, text + strlen(text), ret_error};
        struct cursor match = until(&cursor, "=");
        struct rule rule = {};
        int r;

        cursor.at = match.end;
        r = read_match(&match, &rule.match);
        if (r >= 0 && !skip(&cursor, "="))
                r = fail(&cursor, "expected \"=\" and an action");
        if (r >= 0)
                r = read_action(&cursor, &rule, /* own_family= */ false);
        return finish(r, &rule, ret);
}

int rule_parse_action(const char *text, struct rule *ret, struct rule_error *ret_error) {
        struct cursor cursor = {text, text, text + strlen(text), ret_error};
        struct rule rule = {};
        int r;

        r = read_action(&cursor, &rule, /* own_family= */ true);
        return finish(r, &rule, ret);
}
