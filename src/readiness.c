/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "readiness.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

void readiness_init(struct readiness *readiness, enum ready_mode mode, const struct policy *policy,
                    bool *rule_met) {
        *readiness =
                (struct readiness){.mode = mode, .policy = policy, .rule_met = rule_met, .changed = true};
}

static void set(struct readiness *readiness, bool *what) {
        if (*what)
                return;
        *what = true;
        readiness->changed = true;
}

static void mark_rule(struct readiness *readiness, const struct rule *rule) {
        if (rule)
                set(readiness, &readiness->rule_met[rule - readiness->policy->rules]);
}

void readiness_adopted(struct readiness *readiness, const struct rule *rule, struct passed_socket *passed,
                       const struct address *requested) {
        mark_rule(readiness, rule);
        passed->shared = passed->used;
        set(readiness, &passed->used);
        if (!address_equal(&passed->used_for, requested))
                readiness->changed = true; /* what was parked for it may be served now */
        passed->used_for = *requested;
}

void readiness_parked(struct readiness *readiness, const struct address *requested,
                      struct passed_socket *passed) {
        readiness->parked = *requested;
        readiness->parked_for = passed;
        readiness->changed = true;
}

void readiness_parked_beside(struct readiness *readiness, const struct rule *rule) {
        mark_rule(readiness, rule);
}

void readiness_bound(struct readiness *readiness, const struct rule *rule, const struct socket_kind *kind,
                     const struct address *address, uint64_t cookie) {
        struct bound_socket *entry = NULL;

        if (!rule_adopts(rule))
                return;
        mark_rule(readiness, rule);

        for (unsigned i = 0; i < readiness->n_bound && !entry; i++)
                if (readiness->bound[i].kind.type == kind->type &&
                    readiness->bound[i].kind.protocol == kind->protocol &&
                    address_equal(&readiness->bound[i].address, address))
                        entry = &readiness->bound[i];
        if (!entry) {
                if (readiness->n_bound >= READINESS_BOUND_MAX)
                        return;
                entry = &readiness->bound[readiness->n_bound++];
                *entry = (struct bound_socket){.kind = *kind, .address = *address};
                readiness->changed = true;
        }
        entry->cookie = cookie;
}

void readiness_bound_by_itself(struct readiness *readiness, const struct socket_kind *kind,
                               const struct address *address) {
        if (readiness->policy->automatic && readiness->policy->n_passed == 0 && address_is_ip(address) &&
            address->port != 0 && (!is_stream(kind) || readiness->mode == READY_BIND))
                set(readiness, &readiness->served_without_passed);
}

struct bound_socket *readiness_find_bound(struct readiness *readiness, uint64_t cookie) {
        for (unsigned i = 0; i < readiness->n_bound; i++)
                if (readiness->bound[i].cookie == cookie)
                        return &readiness->bound[i];
        return NULL;
}

void readiness_listened(struct readiness *readiness, uint64_t cookie) {
        const struct policy *policy = readiness->policy;
        struct bound_socket *bound = readiness_find_bound(readiness, cookie);

        if (bound)
                set(readiness, &bound->listened);
        for (size_t i = 0; i < policy->n_passed; i++)
                if (policy->passed[i].cookie == cookie)
                        set(readiness, &policy->passed[i].listened);
        if (policy->automatic && policy->n_passed == 0)
                set(readiness, &readiness->served_without_passed);
}

static bool awaits_listen(const struct readiness *readiness, const struct socket_kind *kind, bool listened) {
        return (readiness->mode == READY_LISTEN || readiness->mode == READY_STATUS) && is_stream(kind) &&
               !listened;
}

/* Where nothing was passed, one served socket is enough: nobody knows how many there will be. */
static bool complete_without_passed(const struct readiness *readiness) {
        if (readiness->served_without_passed)
                return true;
        for (unsigned i = 0; i < readiness->n_bound; i++)
                if (!awaits_listen(readiness, &readiness->bound[i].kind, readiness->bound[i].listened))
                        return true;
        return false;
}

/* --auto has promised to bring every one of LISTEN_FDS to the target. */
static bool must_be_used(const struct policy *policy, const struct passed_socket *passed) {
        return policy->automatic && !passed->inherited;
}

bool readiness_complete(const struct readiness *readiness) {
        const struct policy *policy = readiness->policy;

        if (readiness->mode != READY_BIND && readiness->mode != READY_LISTEN)
                return false;
        if (policy->n_passed == 0)
                return complete_without_passed(readiness);

        for (size_t i = 0; i < policy->n_rules; i++)
                if (rule_adopts(&policy->rules[i]) && !readiness->rule_met[i])
                        return false;
        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct passed_socket *passed = &policy->passed[i];

                if (passed->used ? awaits_listen(readiness, &passed->kind, passed->listened)
                                 : must_be_used(policy, passed))
                        return false;
        }
        for (unsigned i = 0; i < readiness->n_bound; i++)
                if (awaits_listen(readiness, &readiness->bound[i].kind, readiness->bound[i].listened))
                        return false;
        return true;
}

const struct passed_socket *readiness_parked_in_vain(const struct readiness *readiness) {
        if (!readiness->parked_for || readiness->parked_for->used_for.family == AF_INET6)
                return NULL;
        return readiness->parked_for;
}

PRINTF(2, 3) static void append(char *buffer, const char *format, ...) {
        size_t used = strlen(buffer);
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(buffer + used, READINESS_STATUS_MAX - used, format, arguments);
        va_end(arguments);
}

void readiness_status(const struct readiness *readiness, char buffer[static READINESS_STATUS_MAX]) {
        const struct policy *policy = readiness->policy;
        char text[ADDRESS_STRING_MAX];
        const char *separator = "; waiting for ";
        const struct passed_socket *in_vain;
        unsigned n_adopted = 0;

        for (size_t i = 0; i < policy->n_passed; i++)
                n_adopted += policy->passed[i].used;
        buffer[0] = '\0';
        append(buffer, "%u socket%s adopted, %u bound", n_adopted, n_adopted == 1 ? "" : "s",
               readiness->n_bound);

        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct passed_socket *passed = &policy->passed[i];
                const char *what = NULL;

                if (passed->used && awaits_listen(readiness, &passed->kind, passed->listened))
                        what = "listen() on";
                else if (!passed->used && must_be_used(policy, passed))
                        what = "a bind to";
                if (!what)
                        continue;
                append(buffer, "%s%s %s %s", separator, what, passed->name,
                       address_format(&passed->address, text));
                separator = ", ";
        }
        for (unsigned i = 0; i < readiness->n_bound; i++)
                if (awaits_listen(readiness, &readiness->bound[i].kind, readiness->bound[i].listened)) {
                        append(buffer, "%slisten() on %s", separator,
                               address_format(&readiness->bound[i].address, text));
                        separator = ", ";
                }
        for (size_t i = 0; i < policy->n_rules; i++)
                if (rule_adopts(&policy->rules[i]) && !readiness->rule_met[i]) {
                        append(buffer, "%sa bind for rule %s", separator, policy->rules[i].text);
                        separator = ", ";
                }

        if (readiness->unserved && !readiness->unserved->used)
                append(buffer,
                       "; %s %s is not served: the program has one socket for both families; the .socket "
                       "unit "
                       "needs one ListenStream=%u",
                       readiness->unserved->name, address_format(&readiness->unserved->address, text),
                       readiness->unserved->address.port);
        in_vain = readiness_parked_in_vain(readiness);
        if (in_vain) {
                struct address ipv4 = ipv4_of_passed(in_vain);

                append(buffer,
                       "; %s is not served: the passed socket is dual-stack, the program uses IPv4 only; "
                       "the .socket unit needs %s=",
                       address_format(&readiness->parked, text), unit_listen_key(&in_vain->kind));
                append(buffer, "%s", address_format(&ipv4, text));
        }
}
