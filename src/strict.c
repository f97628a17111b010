/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict.h"

#include <errno.h>

/* The addresses by which a socket can be reached, as requests of one family each. What an IPv6 socket
 * receives of IPv4 is IPv4: a rule for [::]/0 does not give it. Returns how many. */
static size_t split(const struct bind_request *request, struct bind_request parts[static 2]) {
        const struct address *address = &request->address;
        struct address ipv4 = {.family = AF_INET, .port = address->port};

        parts[0] = *request;
        if (address->family != AF_INET6)
                return 1;
        if (address_unmap(address, &ipv4)) {
                parts[0].kind.domain = AF_INET;
                parts[0].address = ipv4;
                return 1;
        }
        parts[0].v6only = true;
        parts[1] = *request;
        parts[1].kind.domain = AF_INET;
        parts[1].address = ipv4;
        return address_is_wildcard(address) && !request->v6only ? 2 : 1;
}

/* Whether the rules let this part be bound as it is asked for, by whichever step. That all steps came to
 * nothing says so too, if none was tried: what failed is not followed by what it was to take the place of.
 */
static bool is_given_as_asked(const struct policy *policy, const struct bind_request *part) {
        struct policy plain = *policy;
        struct decision decision;

        plain.strict = STRICT_OFF;
        for (size_t step = 0;; step = decision.step + 1) {
                decide(&plain, part, step, &decision);
                if (decision.verdict == VERDICT_BIND_AS_ASKED)
                        return step == 0 || decision.step < decision.rule->n_steps;
                if (!decision.rule || decision.verdict == VERDICT_FAIL)
                        return false;
        }
}

static bool same_ip(const struct address *a, const struct address *b) {
        struct address left = *a, right = *b;

        (void) address_unmap(a, &left);
        (void) address_unmap(b, &right);
        right.port = left.port;
        right.scope_id = left.scope_id;
        /* The administrator's [::] is what the program makes of it: dual-stack, perhaps. */
        return address_equal(&left, &right) || (left.family == AF_INET && right.family == AF_INET6 &&
                                                address_is_wildcard(&left) && address_is_wildcard(&right));
}

/* Whether the step makes this address of one that the match covers */
static bool leads_to(const struct match *match, const struct step *step, const struct address *to,
                     const struct bind_request *part) {
        const struct address *address = &part->address;
        bool has_ip = step->kind == STEP_HOST || step->has_ip,
             has_port = step->kind == STEP_HOST || step->has_port;
        struct bind_request asked = *part;

        if ((has_port && to->port != address->port) || (has_ip && !same_ip(address, to)))
                return false;
        if (has_port)
                asked.address.port = match->first_port;
        if (!has_ip)
                return match_covers(match, &asked);
        if (match->kind == MATCH_EVERYTHING)
                return true;
        return (match->protocol == 0 || match->protocol == part->kind.protocol) &&
               asked.address.port >= match->first_port && asked.address.port <= match->last_port;
}

static bool step_leads_to(const struct match *match, const struct step *step,
                          const struct bind_request *part) {
        if (step->kind == STEP_ADDRESS)
                return leads_to(match, step, &step->address, part);
        if (step->kind == STEP_HOST)
                for (size_t i = 0; i < step->n_addresses; i++)
                        if (leads_to(match, step, &step->addresses[i], part))
                                return true;
        return false;
}

static bool is_given_elsewhere(const struct policy *policy, const struct bind_request *part) {
        if (!address_is_ip(&part->address))
                return false;
        for (size_t i = 0; i < policy->n_rules; i++)
                for (size_t j = 0; j < policy->rules[i].n_steps; j++)
                        if (step_leads_to(&policy->rules[i].match, &policy->rules[i].steps[j], part))
                                return true;
        return false;
}

static bool is_given(const struct policy *policy, const struct bind_request *part) {
        return is_given_as_asked(policy, part) || is_given_elsewhere(policy, part);
}

bool strict_gives(const struct policy *policy, const struct bind_request *socket, bool chosen) {
        struct bind_request parts[2];
        size_t n = split(socket, parts);

        for (size_t i = 0; i < n; i++) {
                struct bind_request unchosen = parts[i];

                unchosen.address.port = 0;
                if (!is_given(policy, &parts[i]) && !(chosen && is_given(policy, &unchosen)))
                        return false;
        }
        return true;
}

bool strict_needs_v6only(const struct policy *policy, const struct socket_kind *kind,
                         const struct address *address, bool chosen) {
        struct bind_request dual_stack = {.kind = *kind, .address = *address};

        return address->family == AF_INET6 && address_is_wildcard(address) &&
               !strict_gives(policy, &dual_stack, chosen);
}

static void refuse(struct decision *decision, const struct rule *rule) {
        *decision = (struct decision){
                .verdict = VERDICT_FAIL, .rule = rule, .step = decision->step, .error = EACCES};
}

bool strict_knows_family(int domain) {
        return domain == AF_INET || domain == AF_INET6 || domain == AF_VSOCK || strict_is_local(domain);
}

bool strict_is_local(int domain) {
        return domain == AF_UNIX || domain == AF_NETLINK || domain == AF_ALG;
}

void strict_confine(const struct policy *policy, const struct bind_request *request,
                    struct decision *decision) {
        struct bind_request parts[2];
        size_t n = split(request, parts);

        if (!strict_knows_family(request->kind.domain)) {
                refuse(decision, NULL);
                return;
        }
        if (!address_is_ip(&request->address) && request->kind.domain != AF_VSOCK)
                return;
        if (decision->verdict == VERDICT_CONTINUE)
                refuse(decision, NULL);
        for (size_t i = 0; decision->verdict == VERDICT_BIND_AS_ASKED && i < n; i++)
                if (!is_given_as_asked(policy, &parts[i]))
                        refuse(decision, policy_match(policy, &parts[i]));
}

bool strict_gives_passed(const struct policy *policy, const struct passed_socket *passed) {
        for (size_t i = 0; i < policy->n_rules; i++)
                for (size_t j = 0; j < policy->rules[i].n_steps; j++)
                        if (step_names_passed(&policy->rules[i].steps[j], passed))
                                return true;
        return policy->automatic && !passed->inherited;
}

bool strict_names_protocol(const struct policy *policy, int protocol) {
        for (size_t i = 0; i < policy->n_rules; i++)
                if (policy->rules[i].match.kind != MATCH_EVERYTHING &&
                    policy->rules[i].match.protocol == protocol)
                        return true;
        return false;
}

bool strict_names_vsock(const struct policy *policy) {
        for (size_t i = 0; i < policy->n_rules; i++)
                if (policy->rules[i].match.kind == MATCH_VSOCK)
                        return true;
        return false;
}
