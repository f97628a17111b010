/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "explain.h"

#include <stdio.h>

#include "util.h"

static const char *describe_families(const struct passed_socket *passed) {
        if (passed->kind.domain == AF_INET)
                return ", IPv4 only";
        if (passed->kind.domain != AF_INET6)
                return "";
        return receives_ipv4(&passed->kind, passed->v6only, &passed->address) ? ", dual-stack"
                                                                              : ", IPv6 only";
}

static void print_rules(const struct policy *policy) {
        printf("Rules, the last that matches wins:\n");
        for (size_t i = 0; i < policy->n_rules; i++) {
                printf("  %zu  %s\n", i + 1, policy->rules[i].text);
                for (size_t j = 0; j < policy->rules[i].n_steps; j++) {
                        const struct step *step = &policy->rules[i].steps[j];
                        char text[ADDRESS_STRING_MAX];

                        for (size_t k = 0; k < step->n_addresses; k++)
                                printf("       %s is %s\n", step->name,
                                       address_format(&step->addresses[k], text));
                }
        }
        if (policy->automatic)
                printf("  -  auto: each passed socket for the bind that asks for its address\n");
        else if (policy->n_rules == 0)
                printf("  none\n");
}

static void print_strict(const struct policy *policy) {
        if (policy->strict == STRICT_OFF)
                return;
        printf("Strict: what no rule gives is refused%s\n",
               policy->strict == STRICT_DATAGRAM ? ", datagram ports that the kernel chooses for clients too"
                                                 : "");
}

static void print_passed(const struct policy *policy) {
        printf("Passed sockets:\n");
        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct passed_socket *passed = &policy->passed[i];
                char text[ADDRESS_STRING_MAX];

                printf("  %s=%u  %s  %s %s%s\n", passed->inherited ? "fd" : "sd", passed->index,
                       passed->name, socket_kind_name(&passed->kind), address_format(&passed->address, text),
                       describe_families(passed));
        }
        if (policy->n_passed == 0)
                printf("  none\n");
}

/* A bind that asks for exactly what the passed socket has */
static struct bind_request request_like(const struct passed_socket *passed) {
        return (struct bind_request){.kind = passed->kind,
                                     .v6only = passed->v6only,
                                     .address = passed->address,
                                     .same_file = passed};
}

static void print_own_address(const struct policy *policy, const struct passed_socket *passed) {
        struct bind_request request = request_like(passed);
        char path[ADDRESS_UNIX_MAX + 1] = "", text[ADDRESS_STRING_MAX];
        struct decision decision;

        if (address_is_unix_path(&passed->address)) {
                for (size_t i = 0; i < passed->address.unix_length; i++)
                        path[i] = passed->address.unix_name[i];
                request.path = path;
        }
        decide(policy, &request, 0, &decision);
        printf("  a %s bind of %s: ", socket_kind_name(&passed->kind),
               address_format(&passed->address, text));
        if (decision.verdict == VERDICT_ADOPT)
                printf("adopts %s=%u %s (%s)\n", decision.passed->inherited ? "fd" : "sd",
                       decision.passed->index, decision.passed->name,
                       decision.rule ? decision.rule->text : "auto");
        else if (decision.rule)
                printf("does not adopt it (%s)\n", decision.rule->text);
        else
                printf("does not adopt it (no rule matches%s)\n",
                       decision.verdict == VERDICT_FAIL ? ", refused" : "");
}

static void print_rule_meets(const struct policy *policy, const struct rule *rule) {
        bool meets = false;

        for (size_t j = 0; j < rule->n_steps; j++)
                for (size_t i = 0; i < policy->n_passed; i++)
                        if (step_names_passed(&rule->steps[j], &policy->passed[i])) {
                                printf("  %s may adopt %s=%u %s\n", rule->text,
                                       policy->passed[i].inherited ? "fd" : "sd", policy->passed[i].index,
                                       policy->passed[i].name);
                                meets = true;
                        }
        if (!meets && rule_adopts(rule))
                printf("  %s has no passed socket: what it names was not passed\n", rule->text);
}

void explain(const struct policy *policy) {
        print_rules(policy);
        print_strict(policy);
        print_passed(policy);
        printf("Which meets which:\n");
        for (size_t i = 0; i < policy->n_rules; i++)
                print_rule_meets(policy, &policy->rules[i]);
        for (size_t i = 0; i < policy->n_passed; i++)
                print_own_address(policy, &policy->passed[i]);
        if (policy->n_passed == 0 && !policy_adopts(policy))
                printf("  nothing: no rule adopts, and nothing was passed\n");
}
