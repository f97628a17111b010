/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is decided of any bind by any rules: never a socket of another kind, never past a deny, always the
 * same. */

#include "policy.h"

static bool receives_ipv4_of(const struct bind_request *request) {
        return receives_ipv4(&request->kind, request->v6only, &request->address);
}

/* The passed socket can take the place of the target's. */
static void check_passed(const struct policy *policy, const struct bind_request *request,
                         const struct decision *decision) {
        const struct passed_socket *passed = decision->passed;
        bool unix_for_ip =
                !decision->automatic && passed->kind.domain == AF_UNIX && address_is_ip(&request->address);

        HOLDS(passed >= policy->passed && passed < policy->passed + policy->n_passed);
        HOLDS(passed->kind.type == request->kind.type);
        HOLDS(unix_for_ip || passed->kind.protocol == request->kind.protocol);
        if (decision->verdict == VERDICT_PARK)
                HOLDS(request->kind.domain == AF_INET && passed->kind.domain == AF_INET6 && !passed->v6only);
        else if (passed->kind.domain != request->kind.domain && !unix_for_ip)
                HOLDS(passed->kind.domain == AF_INET && receives_ipv4_of(request));
        if (decision->automatic) { /* never widens */
                HOLDS(!passed->inherited);
                HOLDS(!address_is_wildcard(&passed->address) || address_is_wildcard(&request->address));
                HOLDS(!address_is_ip(&passed->address) || passed->address.port == request->address.port);
        } else
                HOLDS(step_names_passed(&decision->rule->steps[decision->step], passed));
}

static void check_rule(const struct policy *policy, const struct bind_request *request, size_t first_step,
                       const struct decision *decision) {
        const struct rule *rule = decision->rule;
        const struct step *step = decision->step < rule->n_steps ? &rule->steps[decision->step] : NULL;

        HOLDS(match_covers(&rule->match, request));
        for (const struct rule *later = rule + 1; later < policy->rules + policy->n_rules; later++)
                HOLDS(!match_covers(&later->match, request)); /* the last that matches */
        HOLDS(decision->verdict != VERDICT_CONTINUE && decision->step >= first_step);
        for (size_t i = first_step; i < decision->step; i++)
                HOLDS(rule->steps[i].kind != STEP_DENY && rule->steps[i].kind != STEP_ALLOW);
        if (!step)
                HOLDS(decision->verdict == VERDICT_BIND_AS_ASKED);
        else if (step->kind == STEP_DENY)
                HOLDS(decision->verdict == VERDICT_FAIL && decision->error == step->error &&
                      step->error > 0);
        else if (step->kind == STEP_ALLOW)
                HOLDS(decision->verdict == VERDICT_BIND_AS_ASKED);
        else if (step_adopts(step))
                HOLDS(decision->verdict == VERDICT_ADOPT || decision->verdict == VERDICT_PARK ||
                      (decision->verdict == VERDICT_FAIL && decision->error == EAFNOSUPPORT));
        else
                HOLDS(decision->verdict == VERDICT_BIND);
}

static void check_addresses(const struct bind_request *request, const struct decision *decision) {
        struct address address;

        for (size_t i = 0; i < decision->n_addresses; i++)
                if (decision_address(decision, request, i, &address) == 0)
                        HOLDS(address.family == AF_UNIX || address.family == request->kind.domain);
}

static void check_decision(const struct policy *policy, const struct bind_request *request,
                           size_t first_step, struct decision *ret) {
        struct decision again;

        decide(policy, request, first_step, ret);
        decide(policy, request, first_step, &again);
        HOLDS(again.verdict == ret->verdict && again.rule == ret->rule && again.step == ret->step &&
              again.passed == ret->passed && again.error == ret->error && again.automatic == ret->automatic);
        HOLDS(ret->rule == policy_match(policy, request));
        HOLDS((ret->verdict == VERDICT_FAIL) == (ret->error > 0));
        if (ret->rule)
                check_rule(policy, request, first_step, ret);
        else
                HOLDS(ret->automatic || ret->verdict == VERDICT_CONTINUE);
        if (ret->verdict == VERDICT_ADOPT || ret->verdict == VERDICT_PARK)
                check_passed(policy, request, ret);
        check_addresses(request, ret);
        /* The first look may only let go what nothing speaks of. */
        if (address_is_ip(&request->address) || request->address.family == AF_UNIX)
                HOLDS(ret->verdict == VERDICT_CONTINUE ||
                      policy_concerns(policy, request->address.family, request->address.port));
        (void) policy_find_wider(policy, request);
        if (ret->verdict == VERDICT_ADOPT)
                (void) policy_find_unserved(policy, request, ret->passed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        struct fuzz_policy policy;

        take_policy(&input, &policy);
        do {
                struct bind_request request = take_request(&input);
                struct decision decision;
                size_t step = 0;

                do
                        check_decision(&policy.policy, &request, step, &decision);
                while (decision.rule && decision.step < decision.rule->n_steps &&
                       (step = decision.step + 1) > 0);
                if (input.left > 0 && decision.passed) {
                        decision.passed->used = true;
                        decision.passed->used_for = request.address;
                }
        } while (input.left > 0);
        free_policy(&policy);
        return 0;
}
