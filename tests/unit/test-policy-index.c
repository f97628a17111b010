/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A policy with an index decides as the same policy without, whatever the rules, sockets and requests. */

#include "unit.h"

#include "decide.h"
#include "policy-index.h"

#define RULES_MAX 200
#define PASSED_MAX 100

/* Few ports, so that rules, sockets and requests meet */
static const uint32_t ports[] = {0, 1, 79, 80, 81, 443, 8080, 65535};
static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "0.0.0.0",
                                        "::",        "::1",       "::ffff:127.0.0.1"};

/* rand(3) would be the same everywhere; this is, too. */
static unsigned next(unsigned n) {
        static uint64_t state = 88172645463325252;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (unsigned) (state % n);
}

static uint32_t random_port(void) {
        return ports[next(ELEMENTSOF(ports))];
}

static struct rule random_rule(void) {
        static const char *const actions[] = {"deny", "allow", "sd=0", "sd=name|deny:EPERM", "sd=1|allow"};
        uint32_t first = random_port(), last = random_port();
        char text[128], range[32];

        if (first > last || next(2) == 0)
                last = first;
        (void) snprintf(range, sizeof(range), first == last ? "%u" : "%u-%u", first, last);
        switch (next(10)) {
        case 0:
                (void) snprintf(text, sizeof(text), "%s", next(8) == 0 ? "*" : ":*");
                break;
        case 1:
                (void) snprintf(text, sizeof(text), "unix:/run/%u", next(4));
                break;
        case 2:
                (void) snprintf(text, sizeof(text), next(2) == 0 ? "unix:@a*" : "unix:*");
                break;
        case 3:
                (void) snprintf(text, sizeof(text), "vsock:2:%s", next(2) == 0 ? range : "4000000000");
                break;
        case 4:
                (void) snprintf(text, sizeof(text), "%s:%s", next(2) == 0 ? "tcp" : "udp", range);
                break;
        case 5:
                (void) snprintf(text, sizeof(text), "127.0.0.0/8:%s", range);
                break;
        case 6:
                (void) snprintf(text, sizeof(text), "[::]/0:%s", range);
                break;
        default:
                (void) snprintf(text, sizeof(text), ":%s", range);
        }
        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "=%s",
                        actions[next(ELEMENTSOF(actions))]);
        return good_rule(text);
}

static struct bind_request random_request(void) {
        static const char *const others[] = {"unix:/run/1", "unix:@a", "unix:@ab", "unix:", "vsock:2"};
        struct bind_request request;

        if (next(5) == 0) {
                request = make_request(others[next(ELEMENTSOF(others))], 0, SOCK_STREAM);
                if (request.address.family == AF_VSOCK)
                        request.address.port = next(2) == 0 ? 4000000000 : random_port();
                return request;
        }
        request = make_request(addresses[next(ELEMENTSOF(addresses))], random_port(),
                               next(2) == 0 ? SOCK_STREAM : SOCK_DGRAM);
        request.v6only = next(2) == 0;
        return request;
}

static struct passed_socket random_passed(unsigned index) {
        struct bind_request request = random_request();

        return (struct passed_socket){
                .kind = request.kind,
                .v6only = request.v6only,
                .address = request.address,
                .index = index,
                .fd = 3 + (int) index,
                .name = next(3) == 0 ? "name" : "other",
                .inherited = next(10) == 0,
                .used = next(3) == 0,
                .used_for = random_request().address,
        };
}

static void compare(const struct policy *plain, const struct policy *indexed) {
        struct bind_request request = random_request();
        struct decision expected, decision;

        assert_ptr_equal(policy_match(indexed, &request), policy_match(plain, &request));
        assert_ptr_equal(policy_find_wider(indexed, &request), policy_find_wider(plain, &request));
        assert_int_equal(policy_concerns(indexed, request.address.family, request.address.port),
                         policy_concerns(plain, request.address.family, request.address.port));
        for (size_t step = 0; step < 2; step++) {
                decide(plain, &request, step, &expected);
                decide(indexed, &request, step, &decision);
                assert_int_equal(decision.verdict, expected.verdict);
                assert_ptr_equal(decision.rule, expected.rule);
                assert_ptr_equal(decision.passed, expected.passed);
                assert_int_equal(decision.step, expected.step);
                assert_int_equal(decision.error, expected.error);
        }
}

static void policy_decides_the_same_with_an_index(void **state) {
        static struct rule rules[RULES_MAX];
        static struct passed_socket passed[PASSED_MAX];

        (void) state;
        for (unsigned round = 0; round < 300; round++) {
                struct policy plain = {.rules = rules, .passed = passed, .automatic = next(2) == 0}, indexed;
                struct policy_index index;

                plain.n_rules = next(3) == 0 ? next(4) : next(RULES_MAX);
                plain.n_passed = next(3) == 0 ? next(4) : next(PASSED_MAX);
                for (size_t i = 0; i < plain.n_rules; i++)
                        rules[i] = random_rule();
                for (unsigned i = 0; i < plain.n_passed; i++)
                        passed[i] = random_passed(i);
                assert_int_equal(policy_index_build(&plain, &index), 0);
                indexed = plain;
                indexed.index = &index;
                for (unsigned i = 0; i < 300; i++)
                        compare(&plain, &indexed);
                policy_index_free(&index);
                for (size_t i = 0; i < plain.n_rules; i++)
                        rule_free(&rules[i]);
        }
}

static void index_that_would_not_pay_is_not_built(void **state) {
        static struct rule rules[1000];
        struct policy policy = {.rules = rules, .n_rules = ELEMENTSOF(rules)};
        struct policy_index index;
        char text[64];

        (void) state;
        for (unsigned i = 0; i < ELEMENTSOF(rules); i++) {
                (void) snprintf(text, sizeof(text), ":%u-%u=deny", 1 + i, 60000 - i);
                rules[i] = good_rule(text);
        }
        assert_int_equal(policy_index_build(&policy, &index), -E2BIG);
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                rule_free(&rules[i]);
}

static void thousand_ports_are_told_apart(void **state) {
        static struct rule rules[1000];
        struct policy policy = {.rules = rules, .n_rules = ELEMENTSOF(rules)};
        struct policy_index index;
        char text[64];
        size_t n;

        (void) state;
        for (unsigned i = 0; i < ELEMENTSOF(rules); i++) {
                (void) snprintf(text, sizeof(text), ":%u=deny", 20000 + i);
                rules[i] = good_rule(text);
        }
        assert_int_equal(policy_index_build(&policy, &index), 0);
        for (uint32_t i = 0; i < ELEMENTSOF(rules); i++) {
                const uint32_t *found = port_index_find(&index.rules, 20000 + i, &n);

                assert_int_equal(n, 1);
                assert_int_equal(found[0], i);
        }
        (void) port_index_find(&index.rules, 19999, &n);
        assert_int_equal(n, 0);
        (void) port_index_find(&index.rules, UINT32_MAX, &n);
        assert_int_equal(n, 0);
        policy_index_free(&index);
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                rule_free(&rules[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(policy_decides_the_same_with_an_index),
                cmocka_unit_test(index_that_would_not_pay_is_not_built),
                cmocka_unit_test(thousand_ports_are_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
