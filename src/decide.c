/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "policy-index.h"
#include "strict.h"

/* How well a passed socket's family suits a request; the higher the better. */
enum fit {
        FIT_NONE,
        FIT_PARKED,        /* an AF_INET request, a dual-stack socket */
        FIT_IPV4_FOR_IPV6, /* a request that could have received IPv4, an AF_INET socket */
        FIT_SAME,
};

/* How well a passed socket's address suits a request; the higher the better. */
enum closeness {
        CLOSENESS_TAKEN,    /* another address, and last used for another one */
        CLOSENESS_UNUSED,   /* another address, not used yet */
        CLOSENESS_REPEATED, /* another address, given for this same request before */
        CLOSENESS_NARROWER, /* same port, on one of the addresses that a wildcard request means */
        CLOSENESS_EQUAL,
};

static enum fit family_fit(const struct bind_request *request, const struct passed_socket *passed) {
        const struct socket_kind *wanted = &request->kind, *offered = &passed->kind;

        if (wanted->type != offered->type || wanted->protocol != offered->protocol)
                return FIT_NONE;
        if (wanted->domain == offered->domain)
                return FIT_SAME;
        if (wanted->domain == AF_INET && offered->domain == AF_INET6 &&
            receives_ipv4(offered, passed->v6only, &passed->address))
                return FIT_PARKED;
        if (wanted->domain == AF_INET6 && offered->domain == AF_INET &&
            receives_ipv4(wanted, request->v6only, &request->address))
                return FIT_IPV4_FOR_IPV6;
        return FIT_NONE;
}

/* The passed socket's own address is the requested one. A dual-stack socket has 0.0.0.0 as well as ::, and
 * ::ffff:a.b.c.d is a.b.c.d. */
static bool same_place(const struct bind_request *request, const struct passed_socket *passed) {
        struct address wanted = request->address, offered = passed->address, ipv4;

        if (address_equal(&wanted, &offered))
                return true;
        if (!address_is_ip(&wanted) || !address_is_ip(&offered) || wanted.port != offered.port)
                return false;
        if (address_unmap(&wanted, &ipv4))
                wanted = ipv4;
        if (address_unmap(&offered, &ipv4))
                offered = ipv4;
        if (wanted.family != offered.family)
                return address_is_wildcard(&wanted) && address_is_wildcard(&offered);
        return address_equal(&wanted, &offered);
}

static enum closeness address_closeness(const struct bind_request *request,
                                        const struct passed_socket *passed) {
        const struct address *wanted = &request->address, *offered = &passed->address;

        if (request->same_file == passed || same_place(request, passed))
                return CLOSENESS_EQUAL;
        if (address_is_wildcard(wanted) && wanted->port == offered->port && wanted->family != AF_UNIX)
                return CLOSENESS_NARROWER;
        if (!passed->used)
                return CLOSENESS_UNUSED;
        return address_equal(wanted, &passed->used_for) ? CLOSENESS_REPEATED : CLOSENESS_TAKEN;
}

/* One number to compare passed sockets by, 0 for one that cannot be given. A socket that could only be
 * parked comes behind every other; among equals, one given for the same request before, then one not in use.
 */
static unsigned suitability(const struct bind_request *request, const struct passed_socket *passed,
                            enum closeness least) {
        enum fit fit = family_fit(request, passed);
        enum closeness closeness = address_closeness(request, passed);
        unsigned reuse = 1;

        if (fit == FIT_NONE || closeness < least)
                return 0;
        if (passed->used)
                reuse = address_equal(&request->address, &passed->used_for) ? 2 : 0;
        return (fit > FIT_PARKED ? 1000 : 1) + closeness * 100 + fit * 10 + reuse;
}

bool step_names_passed(const struct step *step, const struct passed_socket *passed) {
        switch (step->kind) {
        case STEP_PASSED_INDEX:
                return !passed->inherited && passed->index == step->number;
        case STEP_INHERITED:
                return passed->inherited && passed->index == step->number;
        case STEP_PASSED_NAME:
                return !passed->inherited && strcmp(passed->name, step->name) == 0;
        case STEP_ADDRESS:
        case STEP_HOST:
        case STEP_UNIX:
        case STEP_ALLOW:
        case STEP_DENY:
                break;
        }
        return false;
}

static void choose_better(const struct bind_request *request, struct passed_socket *passed,
                          enum closeness least, struct passed_socket **best, unsigned *best_suitability) {
        unsigned s = suitability(request, passed, least);

        if (s > *best_suitability) {
                *best = passed;
                *best_suitability = s;
        }
}

/* The best passed socket, of those that step names */
static struct passed_socket *choose_named(const struct policy *policy, const struct bind_request *request,
                                          const struct step *step) {
        struct passed_socket *best = NULL;
        unsigned best_suitability = 0;

        for (size_t i = 0; i < policy->n_passed; i++)
                if (step_names_passed(step, &policy->passed[i]))
                        choose_better(request, &policy->passed[i], CLOSENESS_TAKEN, &best,
                                      &best_suitability);
        return best;
}

/* The best passed socket for --auto, which never widens: of IP sockets, one of the same port */
static struct passed_socket *choose_automatically(const struct policy *policy,
                                                  const struct bind_request *request) {
        size_t n = policy->n_passed;
        const uint32_t *numbers = NULL;
        struct passed_socket *best = NULL;
        unsigned best_suitability = 0;

        if (policy->index && address_is_ip(&request->address))
                numbers = port_index_find(&policy->index->passed, request->address.port, &n);
        for (size_t i = 0; i < n; i++) {
                struct passed_socket *passed = &policy->passed[numbers ? numbers[i] : i];

                if (!passed->inherited)
                        choose_better(request, passed, CLOSENESS_NARROWER, &best, &best_suitability);
        }
        return best;
}

/* An IP socket may become a passed Unix socket, where the step can mean nothing else: all that it names are
 * Unix sockets. */
static struct passed_socket *choose_unix_for_ip(const struct policy *policy,
                                                const struct bind_request *request,
                                                const struct step *step) {
        struct passed_socket *best = NULL;

        assert(policy->passed || policy->n_passed == 0);
        if (request->kind.protocol != IPPROTO_TCP && request->kind.protocol != IPPROTO_UDP)
                return NULL;
        for (size_t i = 0; i < policy->n_passed; i++) {
                struct passed_socket *passed = &policy->passed[i];

                if (!step_names_passed(step, passed))
                        continue;
                if (passed->kind.domain != AF_UNIX)
                        return NULL;
                if (passed->kind.type == request->kind.type &&
                    (!best || address_closeness(request, passed) > address_closeness(request, best)))
                        best = passed;
        }
        return best;
}

static bool match_concerns(const struct match *match, sa_family_t family, uint32_t port) {
        switch (match->kind) {
        case MATCH_EVERYTHING:
                return true;
        case MATCH_UNIX_PATH:
        case MATCH_UNIX_ABSTRACT:
                return family == AF_UNIX;
        case MATCH_PORTS:
        case MATCH_IPV4:
        case MATCH_IPV6:
        case MATCH_VSOCK:
                return family != AF_UNIX && port >= match->first_port && port <= match->last_port;
        }
        return true;
}

static bool index_concerns(const struct policy *policy, uint32_t port) {
        size_t n_rules, n_passed;

        (void) port_index_find(&policy->index->rules, port, &n_rules);
        (void) port_index_find(&policy->index->passed, port, &n_passed);
        return n_rules > 0 || (policy->automatic && n_passed > 0);
}

bool policy_concerns(const struct policy *policy, sa_family_t family, uint32_t port) {
        if (policy->index && family != AF_UNIX)
                return index_concerns(policy, port) || (policy->automatic && policy->n_passed == 0);
        for (size_t i = 0; i < policy->n_rules; i++)
                if (match_concerns(&policy->rules[i].match, family, port))
                        return true;
        if (!policy->automatic)
                return false;
        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct address *address = &policy->passed[i].address;

                if ((family == AF_UNIX) == (address->family == AF_UNIX) &&
                    (family == AF_UNIX || address->port == port))
                        return true;
        }
        return policy->n_passed == 0; /* readiness wants to know of every bind then */
}

const struct rule *policy_match(const struct policy *policy, const struct bind_request *request) {
        const struct policy_index *index = policy->index;
        const uint32_t *numbers = NULL;
        size_t n = policy->n_rules;

        if (index && request->kind.domain == AF_UNIX) {
                numbers = index->unix_rules;
                n = index->n_unix_rules;
        } else if (index && request->address.family != AF_UNIX)
                numbers = port_index_find(&index->rules, request->address.port, &n);
        for (size_t i = n; i > 0; i--) {
                const struct rule *rule = &policy->rules[numbers ? numbers[i - 1] : i - 1];

                if (match_covers(&rule->match, request))
                        return rule;
        }
        return NULL;
}

/* The IPv6 bind that a program of the "separate" kind makes beside this IPv4 one */
static struct bind_request ipv6_sibling(const struct bind_request *request) {
        struct bind_request sibling = *request;

        sibling.kind.domain = AF_INET6;
        sibling.v6only = true;
        sibling.address = (struct address){.family = AF_INET6, .port = request->address.port};
        return sibling;
}

/* The passed socket that this request would adopt, NULL if none */
static const struct passed_socket *would_adopt(const struct policy *policy,
                                               const struct bind_request *request) {
        struct decision decision;

        for (size_t step = 0;; step = decision.step + 1) {
                decide(policy, request, step, &decision);
                if (decision.verdict == VERDICT_ADOPT)
                        return decision.passed;
                if (decision.verdict != VERDICT_BIND)
                        return NULL;
        }
}

static void give(const struct policy *policy, const struct bind_request *request,
                 struct passed_socket *passed, struct decision *ret) {
        struct bind_request sibling;

        ret->passed = passed;
        if (family_fit(request, passed) != FIT_PARKED) {
                ret->verdict = VERDICT_ADOPT;
                return;
        }
        sibling = ipv6_sibling(request);
        if ((passed->used && passed->used_for.family == AF_INET6) || would_adopt(policy, &sibling) == passed)
                ret->verdict = VERDICT_PARK;
        else {
                ret->verdict = VERDICT_FAIL;
                ret->error = EAFNOSUPPORT;
        }
}

/* Returns false if the step cannot be carried out. */
static bool try_step(const struct policy *policy, const struct bind_request *request,
                     const struct step *step, struct decision *ret) {
        struct passed_socket *passed;
        bool ip_request = address_is_ip(&request->address);

        switch (step->kind) {
        case STEP_PASSED_INDEX:
        case STEP_PASSED_NAME:
        case STEP_INHERITED:
                passed = choose_named(policy, request, step);
                if (!passed && ip_request)
                        passed = choose_unix_for_ip(policy, request, step);
                if (!passed)
                        return false;
                give(policy, request, passed, ret);
                return true;

        case STEP_ADDRESS:
                if (!ip_request)
                        return false;
                ret->address = step->has_ip ? step->address : request->address;
                ret->address.port = step->has_port ? step->address.port : request->address.port;
                ret->verdict = VERDICT_BIND;
                ret->n_addresses = 1;
                return true;

        case STEP_HOST:
                if (!ip_request)
                        return false;
                ret->verdict = VERDICT_BIND;
                ret->addresses = step->addresses;
                ret->n_addresses = step->n_addresses;
                return true;

        case STEP_UNIX:
                if (!ip_request && request->kind.domain != AF_UNIX)
                        return false;
                ret->address = step->address;
                ret->verdict = VERDICT_BIND;
                ret->n_addresses = 1;
                return true;

        case STEP_ALLOW:
                ret->verdict = VERDICT_BIND_AS_ASKED;
                return true;

        case STEP_DENY:
                ret->verdict = VERDICT_FAIL;
                ret->error = step->error;
                return true;
        }
        return false;
}

static void decide_by_rules(const struct policy *policy, const struct bind_request *request,
                            size_t first_step, struct decision *ret) {
        const struct rule *rule = policy_match(policy, request);
        struct passed_socket *passed;

        *ret = (struct decision){.verdict = VERDICT_CONTINUE, .rule = rule};

        if (rule) {
                for (ret->step = first_step; ret->step < rule->n_steps; ret->step++)
                        if (try_step(policy, request, &rule->steps[ret->step], ret))
                                return;
                ret->verdict = VERDICT_BIND_AS_ASKED;
                return;
        }
        if (policy->automatic && request->kind.domain != AF_NETLINK) {
                passed = choose_automatically(policy, request);
                if (passed) {
                        ret->automatic = true;
                        give(policy, request, passed, ret);
                }
        }
}

void decide(const struct policy *policy, const struct bind_request *request, size_t first_step,
            struct decision *ret) {
        decide_by_rules(policy, request, first_step, ret);
        if (policy->strict != STRICT_OFF)
                strict_confine(policy, request, ret);
}

int decision_address(const struct decision *decision, const struct bind_request *request, size_t n,
                     struct address *ret) {
        struct address address = decision->addresses ? decision->addresses[n] : decision->address;

        if (address.family == AF_INET && request->kind.domain == AF_INET6 &&
            receives_ipv4(&request->kind, request->v6only, &request->address))
                address = address_map(&address);
        if (address.family != AF_UNIX && address.family != request->kind.domain)
                return -EAFNOSUPPORT;
        *ret = address;
        return 0;
}

const struct passed_socket *policy_find_wider(const struct policy *policy,
                                              const struct bind_request *request) {
        size_t n = policy->n_passed;
        const uint32_t *numbers = NULL;

        if (!policy->automatic || policy_match(policy, request) || !address_is_ip(&request->address))
                return NULL;
        if (policy->index)
                numbers = port_index_find(&policy->index->passed, request->address.port, &n);
        for (size_t i = 0; i < n; i++) {
                const struct passed_socket *passed = &policy->passed[numbers ? numbers[i] : i];

                if (passed->address.port == request->address.port && address_is_wildcard(&passed->address) &&
                    !address_is_wildcard(&request->address) && family_fit(request, passed) != FIT_NONE)
                        return passed;
        }
        return NULL;
}

const struct passed_socket *policy_find_unserved(const struct policy *policy,
                                                 const struct bind_request *request,
                                                 const struct passed_socket *adopted) {
        if (request->kind.domain != AF_INET6 || !adopted->v6only ||
            !receives_ipv4(&request->kind, request->v6only, &request->address))
                return NULL;
        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct passed_socket *passed = &policy->passed[i];

                if (!passed->used && passed->kind.domain == AF_INET &&
                    passed->address.port == adopted->address.port && family_fit(request, passed) != FIT_NONE)
                        return passed;
        }
        return NULL;
}

bool policy_adopts(const struct policy *policy) {
        for (size_t i = 0; i < policy->n_rules; i++)
                if (rule_adopts(&policy->rules[i]))
                        return true;
        return policy->automatic;
}

bool policy_denies(const struct policy *policy) {
        for (size_t i = 0; i < policy->n_rules; i++)
                for (size_t j = 0; j < policy->rules[i].n_steps; j++)
                        if (policy->rules[i].steps[j].kind == STEP_DENY)
                                return true;
        return false;
}
