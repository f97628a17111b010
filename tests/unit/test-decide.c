/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "decide.h"

#define TCP SOCK_STREAM
#define UDP SOCK_DGRAM
#define AUTO "auto" /* instead of rules */

#define RULES_MAX 4
#define PASSED_MAX 4

/* A passed socket: its name and address; "" ends the list */
struct given {
        const char *name, *address;
        unsigned port;
        int type;
        bool v6only;
};

static const struct {
        const char *what;
        const char *rules[RULES_MAX];
        struct given passed[PASSED_MAX];
        const char *address; /* requested */
        unsigned port;
        int type;
        bool v6only;
        enum verdict verdict;
        int result; /* ADOPT, PARK: index; FAIL: errno; BIND: port */
} cases[] = {
        {"nothing matches", {":81=deny"}, {}, "0.0.0.0", 80, TCP, false, VERDICT_CONTINUE, 0},
        {"no rules at all", {}, {}, "0.0.0.0", 80, TCP, false, VERDICT_CONTINUE, 0},
        {"the last match wins",
         {":80=:1", ":80=:2", ":81=:3"},
         {},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_BIND,
         2},
        {"an exception after the policy",
         {"*=deny", ":80=allow"},
         {},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"a policy after the exception",
         {":80=allow", "*=deny"},
         {},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_FAIL,
         EACCES},
        {"the chosen errno", {"*=deny:EPERM"}, {}, "0.0.0.0", 80, TCP, false, VERDICT_FAIL, EPERM},
        {"by number",
         {":80=sd=1"},
         {{"a", "127.0.0.1", 1, TCP, false}, {"b", "127.0.0.1", 2, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"by name",
         {":80=sd=b"},
         {{"a", "127.0.0.1", 80, TCP, false}, {"b", "127.0.0.1", 2, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"an IP bind gets the Unix socket that the rule names",
         {":80=sd=a"},
         {{"a", "unix:/x", 0, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"an IPv6 datagram bind gets the Unix datagram socket",
         {":80=sd=a"},
         {{"a", "unix:/x", 0, TCP, false}, {"a", "unix:/y", 0, UDP, false}},
         "::",
         80,
         UDP,
         true,
         VERDICT_ADOPT,
         1},
        {"a name that IP sockets have too means no Unix socket to an IP bind",
         {":80=sd=a|deny"},
         {{"a", "unix:/x", 0, TCP, false}, {"a", "0.0.0.0", 80, TCP, false}},
         "::",
         80,
         TCP,
         true,
         VERDICT_FAIL,
         EACCES},
        {"auto gives no Unix socket to an IP bind of port 0",
         {AUTO},
         {{"a", "unix:/x", 0, TCP, false}},
         "0.0.0.0",
         0,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"an unknown name takes no other socket",
         {":80=sd=c"},
         {{"a", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"a missing number",
         {":80=sd=1"},
         {{"a", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"the next step",
         {":80=sd=1|sd=a"},
         {{"a", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"a mandatory socket that is missing",
         {":80=sd=1|deny"},
         {{"a", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_FAIL,
         EACCES},
        {"another type",
         {":80=sd=0|deny"},
         {{"a", "0.0.0.0", 80, UDP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_FAIL,
         EACCES},
        {"the right type of one name",
         {":53=sd=dns"},
         {{"dns", "0.0.0.0", 53, UDP, false}, {"dns", "0.0.0.0", 53, TCP, false}},
         "0.0.0.0",
         53,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"the equal address of one name",
         {":*=sd=w"},
         {{"w", "127.0.0.1", 81, TCP, false},
          {"w", "127.0.0.1", 80, TCP, false},
          {"w", "0.0.0.0", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"a narrower one for a wildcard",
         {":*=sd=w"},
         {{"w", "127.0.0.1", 81, TCP, false}, {"w", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"the equal one before a narrower one",
         {":*=sd=w"},
         {{"w", "127.0.0.1", 80, TCP, false}, {"w", "0.0.0.0", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},

        {"each family its own: IPv4",
         {":80=sd=w"},
         {{"w", "::", 80, TCP, true}, {"w", "0.0.0.0", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"each family its own: IPv6",
         {":80=sd=w"},
         {{"w", "0.0.0.0", 80, TCP, false}, {"w", "::", 80, TCP, true}},
         "::",
         80,
         TCP,
         true,
         VERDICT_ADOPT,
         1},
        {"each family its own: dual-stack",
         {":80=sd=w"},
         {{"w", "0.0.0.0", 80, TCP, false}, {"w", "::", 80, TCP, true}},
         "::",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"IPv6 only, a dual-stack socket",
         {":80=sd=0"},
         {{"w", "::", 80, TCP, false}},
         "::",
         80,
         TCP,
         true,
         VERDICT_ADOPT,
         0},
        {"IPv6 only, an IPv4 socket",
         {":80=sd=0"},
         {{"w", "0.0.0.0", 80, TCP, false}},
         "::",
         80,
         TCP,
         true,
         VERDICT_BIND_AS_ASKED,
         0},
        {"dual-stack, an IPv4 socket",
         {":80=sd=0"},
         {{"w", "0.0.0.0", 80, TCP, false}},
         "::",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"mapped, an IPv4 socket",
         {":80=sd=0"},
         {{"w", "127.0.0.1", 80, TCP, false}},
         "::ffff:127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"::1, an IPv4 socket",
         {":80=sd=0"},
         {{"w", "127.0.0.1", 80, TCP, false}},
         "::1",
         80,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"IPv4, an IPv6-only socket",
         {":80=sd=0"},
         {{"w", "::", 80, TCP, true}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"IPv4, a dual-stack socket",
         {":80=sd=0"},
         {{"w", "::", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_PARK,
         0},
        {"127.0.0.1, a dual-stack socket",
         {":80=sd=0"},
         {{"w", "::", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_PARK,
         0},
        {"IPv4, a dual-stack socket that no IPv6 bind gets",
         {"0.0.0.0/0:80=sd=0"},
         {{"w", "::", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_FAIL,
         EAFNOSUPPORT},
        {"IPv4, a narrower IPv4 socket before parking",
         {":80=sd=w"},
         {{"w", "::", 80, TCP, false}, {"w", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         1},

        {"auto: equal",
         {AUTO},
         {{"w", "127.0.0.1", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto: narrower",
         {AUTO},
         {{"w", "127.0.0.1", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto: never wider",
         {AUTO},
         {{"w", "0.0.0.0", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: never another address",
         {AUTO},
         {{"w", "127.0.0.2", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: never another port",
         {AUTO},
         {{"w", "0.0.0.0", 81, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: another type",
         {AUTO},
         {{"w", "0.0.0.0", 80, UDP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: dual-stack of both",
         {AUTO},
         {{"w", "::", 80, TCP, false}},
         "::",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto: IPv4 under dual-stack",
         {AUTO},
         {{"w", "::", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_PARK,
         0},
        {"auto: 127.0.0.1 under dual-stack is wider",
         {AUTO},
         {{"w", "::", 80, TCP, false}},
         "127.0.0.1",
         80,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: dual-stack, IPv4 passed",
         {AUTO},
         {{"w", "0.0.0.0", 80, TCP, false}},
         "::",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto: a path",
         {AUTO},
         {{"a", "unix:/x", 0, TCP, false}, {"b", "unix:/y", 0, TCP, false}},
         "unix:/y",
         0,
         TCP,
         false,
         VERDICT_ADOPT,
         1},
        {"auto: another path",
         {AUTO},
         {{"a", "unix:/x", 0, TCP, false}},
         "unix:/y",
         0,
         TCP,
         false,
         VERDICT_CONTINUE,
         0},
        {"auto: an abstract name",
         {AUTO},
         {{"a", "unix:@x", 0, TCP, false}},
         "unix:@x",
         0,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto: vsock",
         {AUTO},
         {{"a", "vsock:4294967295", 80, TCP, false}},
         "vsock:4294967295",
         80,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"auto has a lower rank than every rule",
         {AUTO, "*=deny"},
         {{"w", "0.0.0.0", 80, TCP, false}},
         "0.0.0.0",
         80,
         TCP,
         false,
         VERDICT_FAIL,
         EACCES},

        {"elsewhere", {":80=127.0.0.1:8080"}, {}, "0.0.0.0", 80, TCP, false, VERDICT_BIND, 8080},
        {"the port stays", {":80=127.0.0.1"}, {}, "0.0.0.0", 80, TCP, false, VERDICT_BIND, 80},
        {"an IP address is nothing for a Unix bind",
         {"*=127.0.0.1:8080"},
         {},
         "unix:/x",
         0,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
        {"a Unix path by number",
         {"unix:/x=sd=0"},
         {{"a", "unix:/y", 0, TCP, false}},
         "unix:/x",
         0,
         TCP,
         false,
         VERDICT_ADOPT,
         0},
        {"a Unix path, another type",
         {"unix:/x=sd=0"},
         {{"a", "unix:/x", 0, UDP, false}},
         "unix:/x",
         0,
         TCP,
         false,
         VERDICT_BIND_AS_ASKED,
         0},
};

static size_t make_passed(const struct given *given, struct passed_socket *ret) {
        size_t n = 0;

        for (; n < PASSED_MAX && given[n].name; n++) {
                struct bind_request like = make_request(given[n].address, given[n].port, given[n].type);

                ret[n] = (struct passed_socket){.fd = -1,
                                                .index = (unsigned) n,
                                                .name = given[n].name,
                                                .kind = like.kind,
                                                .v6only = given[n].v6only,
                                                .address = like.address};
        }
        return n;
}

/* The policy and the request of one case */
struct set_up {
        struct passed_socket passed[PASSED_MAX];
        struct rule rules[RULES_MAX];
        struct policy policy;
        struct bind_request request;
        struct decision decision;
};

static void decide_case(size_t i, struct set_up *ret) {
        *ret = (struct set_up){.request = make_request(cases[i].address, cases[i].port, cases[i].type)};
        ret->policy = (struct policy){.rules = ret->rules, .passed = ret->passed};
        for (size_t j = 0; j < RULES_MAX && cases[i].rules[j]; j++)
                if (strcmp(cases[i].rules[j], AUTO) == 0)
                        ret->policy.automatic = true;
                else
                        ret->rules[ret->policy.n_rules++] = good_rule(cases[i].rules[j]);
        ret->policy.n_passed = make_passed(cases[i].passed, ret->passed);
        ret->request.v6only = cases[i].v6only;
        decide(&ret->policy, &ret->request, 0, &ret->decision);
}

static void tear_down(struct set_up *set_up) {
        for (size_t j = 0; j < set_up->policy.n_rules; j++)
                rule_free(&set_up->rules[j]);
}

static void every_case_has_its_verdict(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct set_up set_up;
                const struct decision *decision = &set_up.decision;
                int result = 0;

                decide_case(i, &set_up);
                if (decision->verdict == VERDICT_ADOPT || decision->verdict == VERDICT_PARK)
                        result = (int) decision->passed->index;
                else if (decision->verdict == VERDICT_FAIL)
                        result = decision->error;
                else if (decision->verdict == VERDICT_BIND)
                        result = (int) decision->address.port;
                if (decision->verdict != cases[i].verdict || result != cases[i].result)
                        fail_msg("%s: verdict %d, result %d", cases[i].what, decision->verdict, result);
                tear_down(&set_up);
        }
}

/* Three sockets of one name and three addresses of which none is theirs */
static void each_address_gets_a_socket_of_its_own_and_the_same_again(void **state) {
        static const struct given given[PASSED_MAX] = {{"w", "127.0.0.1", 1, TCP, false},
                                                       {"w", "127.0.0.1", 2, TCP, false},
                                                       {"w", "127.0.0.1", 3, TCP, false}};
        static const unsigned ports[] = {80, 81, 82, 81, 80, 82};
        static const unsigned expected[] = {0, 1, 2, 1, 0, 2};
        struct passed_socket passed[PASSED_MAX];
        struct rule rule = good_rule(":*=sd=w");
        struct policy policy = {.rules = &rule, .n_rules = 1, .passed = passed};

        (void) state;
        policy.n_passed = make_passed(given, passed);
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                struct bind_request request = make_request("0.0.0.0", ports[i], TCP);
                struct decision decision;

                decide(&policy, &request, 0, &decision);
                assert_int_equal(decision.verdict, VERDICT_ADOPT);
                assert_int_equal(decision.passed->index, expected[i]);
                decision.passed->used = true;
                decision.passed->used_for = request.address;
        }
        rule_free(&rule);
}

static void steps_are_gone_through_one_by_one(void **state) {
        struct rule rule = good_rule(":80=sd=0|:1|sd=1|:2");
        struct policy policy = {.rules = &rule, .n_rules = 1};
        struct bind_request request = make_request("0.0.0.0", 80, TCP);
        struct decision decision;

        (void) state;
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.step, 1);
        decide(&policy, &request, decision.step + 1, &decision);
        assert_int_equal(decision.step, 3);
        assert_int_equal(decision.address.port, 2);
        decide(&policy, &request, decision.step + 1, &decision);
        assert_int_equal(decision.step, rule.n_steps);
        assert_int_equal(decision.verdict, VERDICT_BIND_AS_ASKED);
        rule_free(&rule);
}

static void address_takes_the_form_that_the_socket_can_have(void **state) {
        static const struct {
                const char *action, *requested;
                bool v6only;
                const char *bound; /* NULL: EAFNOSUPPORT */
        } table[] = {
                {":80=1.2.3.4", "0.0.0.0", false, "1.2.3.4"},
                {":80=1.2.3.4", "::", false, "::ffff:1.2.3.4"},
                {":80=1.2.3.4", "::ffff:9.9.9.9", false, "::ffff:1.2.3.4"},
                {":80=1.2.3.4", "::", true, NULL},
                {":80=1.2.3.4", "::1", false, NULL},
                {":80=[::1]", "::", false, "::1"},
                {":80=[::1]", "0.0.0.0", false, NULL},
                {":80=:80", "1.1.1.1", false, "1.1.1.1"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                struct rule rule = good_rule(table[i].action);
                struct policy policy = {.rules = &rule, .n_rules = 1};
                struct bind_request request = make_request(table[i].requested, 80, TCP);
                struct decision decision;
                struct address address, expected;

                request.v6only = table[i].v6only;
                decide(&policy, &request, 0, &decision);
                if (table[i].bound) {
                        expected = make_address(table[i].bound, 80);
                        assert_int_equal(decision_address(&decision, &request, 0, &address), 0);
                        assert_true(address_equal(&address, &expected));
                } else
                        assert_int_equal(decision_address(&decision, &request, 0, &address), -EAFNOSUPPORT);
                rule_free(&rule);
        }
}

static void auto_knows_the_wider_socket_that_it_did_not_give(void **state) {
        static const struct given given[PASSED_MAX] = {{"w", "0.0.0.0", 80, TCP, false}};
        struct passed_socket passed[PASSED_MAX];
        struct policy policy = {.automatic = true, .passed = passed};
        struct bind_request request = make_request("127.0.0.1", 80, TCP),
                            other = make_request("127.0.0.1", 81, TCP);

        (void) state;
        policy.n_passed = make_passed(given, passed);
        assert_ptr_equal(policy_find_wider(&policy, &request), &passed[0]);
        assert_null(policy_find_wider(&policy, &other));
        policy.automatic = false;
        assert_null(policy_find_wider(&policy, &request));
}

static void first_look_never_overlooks_what_a_rule_covers(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct set_up set_up;

                decide_case(i, &set_up);
                if (set_up.decision.verdict != VERDICT_CONTINUE &&
                    !policy_concerns(&set_up.policy, set_up.request.address.family,
                                     set_up.request.address.port))
                        fail_msg("%s", cases[i].what);
                tear_down(&set_up);
        }
}

static void first_look_spares_what_no_rule_can_mean(void **state) {
        struct rule rule = good_rule("tcp:80-90=deny");
        struct policy policy = {.rules = &rule, .n_rules = 1};

        (void) state;
        assert_false(policy_concerns(&policy, AF_INET, 79));
        assert_true(policy_concerns(&policy, AF_INET6, 90));
        assert_false(policy_concerns(&policy, AF_UNIX, 0));
        rule_free(&rule);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_case_has_its_verdict),
                cmocka_unit_test(each_address_gets_a_socket_of_its_own_and_the_same_again),
                cmocka_unit_test(steps_are_gone_through_one_by_one),
                cmocka_unit_test(address_takes_the_form_that_the_socket_can_have),
                cmocka_unit_test(first_look_never_overlooks_what_a_rule_covers),
                cmocka_unit_test(first_look_spares_what_no_rule_can_mean),
                cmocka_unit_test(auto_knows_the_wider_socket_that_it_did_not_give),
        };

        return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
