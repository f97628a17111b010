/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "strict.h"

#define TCP SOCK_STREAM
#define UDP SOCK_DGRAM
#define RULES_MAX 4

static const struct {
        const char *rules[RULES_MAX];
        const char *address;
        unsigned port;
        int type;
        bool v6only;
        bool bound;           /* a bind is allowed as asked */
        bool given;           /* a socket may have this address, whatever it asked for ... */
        bool given_if_chosen; /* ... and if the kernel has chosen the port */
} cases[] = {
        {{}, "127.0.0.1", 80, TCP, false, false, false, false},
        {{":80=allow"}, "127.0.0.1", 80, TCP, false, true, true, true},
        {{":80=allow"}, "127.0.0.1", 81, TCP, false, false, false, false},
        {{"udp:80=allow"}, "127.0.0.1", 80, TCP, false, false, false, false},
        {{":80=allow", "*=deny"}, "127.0.0.1", 80, TCP, false, false, false, false},
        /* what steps do that come to nothing */
        {{":80=sd=a"}, "127.0.0.1", 80, TCP, false, true, true, true},
        {{":80=sd=a|deny"}, "127.0.0.1", 80, TCP, false, false, false, false},
        /* redirection gives where it leads, not where it comes from */
        {{":80=:81"}, "127.0.0.1", 80, TCP, false, false, false, false},
        {{":80=:81"}, "127.0.0.1", 81, TCP, false, false, true, true},
        {{"tcp:80=:81"}, "127.0.0.1", 81, UDP, false, false, false, false},
        {{"10.0.0.0/8:80=:81"}, "127.0.0.1", 81, TCP, false, false, false, false},
        {{":80-90=127.0.0.1"}, "127.0.0.1", 85, TCP, false, false, true, true},
        {{":80-90=127.0.0.1"}, "127.0.0.1", 91, TCP, false, false, false, false},
        {{":80-90=127.0.0.1"}, "127.0.0.2", 85, TCP, false, false, false, false},
        {{"*=127.0.0.1:81"}, "127.0.0.1", 81, UDP, false, false, true, true},
        {{":80=127.0.0.1:81"}, "::ffff:127.0.0.1", 81, TCP, false, false, true, true},
        {{":80=[::1]:81"}, "127.0.0.1", 81, TCP, false, false, false, false},
        /* both families of a dual-stack socket */
        {{":80=allow"}, "::", 80, TCP, false, true, true, true},
        {{"[::]/0:80=allow"}, "::", 80, TCP, false, false, false, false},
        {{"[::]/0:80=allow"}, "::", 80, TCP, true, true, true, true},
        {{"[::]/0:80=allow"}, "::1", 80, TCP, false, true, true, true},
        {{"0.0.0.0/0:80=allow"}, "::", 80, TCP, false, false, false, false},
        {{"0.0.0.0/0:80=allow", "[::]/0:80=allow"}, "::", 80, TCP, false, true, true, true},
        {{":80=allow", "0.0.0.0/0=deny"}, "::", 80, TCP, false, false, false, false},
        {{":80=allow", "[::]/0=deny"}, "::", 80, TCP, false, false, false, false},
        {{"[::]/0:80=:81"}, "::", 81, TCP, false, false, false, false},
        {{"[::]/0:80=:81"}, "::", 81, TCP, true, false, true, true},
        {{":80=[::]:81"}, "::", 81, TCP, false, false, true, true},
        /* IPv4 on an IPv6 socket is IPv4 */
        {{"[::]/0:80=allow"}, "::ffff:127.0.0.1", 80, TCP, false, false, false, false},
        {{"127.0.0.1:80=allow"}, "::ffff:127.0.0.1", 80, TCP, false, true, true, true},
        {{"127.0.0.1:80=allow"}, "::ffff:127.0.0.1", 80, TCP, true, false, true, true},
        {{"*=allow", "0.0.0.0/0=deny"}, "::ffff:127.0.0.1", 80, TCP, true, false, false, false},
        /* ports of the kernel's choice */
        {{":0=allow"}, "127.0.0.1", 0, TCP, false, true, true, true},
        {{":0=allow"}, "127.0.0.1", 40000, TCP, false, false, false, true},
        {{":0=allow"}, "::", 40000, TCP, false, false, false, true},
        {{"127.0.0.1:0=allow"}, "127.0.0.2", 40000, TCP, false, false, false, false},
        {{":1-65535=allow"}, "127.0.0.1", 0, TCP, false, false, false, false},
        {{":80=:0"}, "127.0.0.1", 40000, TCP, false, false, false, true},
        /* vsock is a network, too */
        {{}, "vsock:2", 80, TCP, false, false, false, false},
        {{"vsock:2:80=allow"}, "vsock:2", 80, TCP, false, true, true, true},
};

static void rules_give_what_they_say(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bind_request request = make_request(cases[i].address, cases[i].port, cases[i].type);
                struct policy policy = {.strict = STRICT_ON};
                struct rule rules[RULES_MAX];
                struct decision decision;

                policy.rules = rules;
                while (policy.n_rules < RULES_MAX && cases[i].rules[policy.n_rules]) {
                        rules[policy.n_rules] = good_rule(cases[i].rules[policy.n_rules]);
                        policy.n_rules++;
                }
                request.v6only = cases[i].v6only;
                decide(&policy, &request, 0, &decision);
                if ((decision.verdict == VERDICT_BIND_AS_ASKED) != cases[i].bound ||
                    strict_gives(&policy, &request, false) != cases[i].given ||
                    strict_gives(&policy, &request, true) != cases[i].given_if_chosen)
                        fail_msg("%zu: %s %s:%u", i, cases[i].rules[0], cases[i].address, cases[i].port);
                assert_int_not_equal(decision.verdict, VERDICT_CONTINUE);
                while (policy.n_rules > 0)
                        rule_free(&rules[--policy.n_rules]);
        }
}

static void other_families_are_nobodys_concern(void **state) {
        const struct policy policy = {.strict = STRICT_ON};
        struct bind_request request = make_request("unix:/run/x", 0, TCP);
        struct decision decision;

        (void) state;
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.verdict, VERDICT_CONTINUE);
        request = (struct bind_request){.kind = {.domain = AF_NETLINK, .type = SOCK_RAW}};
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.verdict, VERDICT_CONTINUE);
}

static void families_that_nobody_knows_are_refused(void **state) {
        struct rule rule = good_rule("*=allow");
        struct policy policy = {.rules = &rule, .n_rules = 1, .strict = STRICT_ON};
        struct bind_request request = {.kind = {.domain = AF_SMC, .type = SOCK_STREAM}};
        struct decision decision;

        (void) state;
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.verdict, VERDICT_FAIL);
        assert_int_equal(decision.error, EACCES);
        policy.n_rules = 0;
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.verdict, VERDICT_FAIL);
        request.kind = (struct socket_kind){.domain = AF_ALG, .type = SOCK_SEQPACKET};
        decide(&policy, &request, 0, &decision);
        assert_int_equal(decision.verdict, VERDICT_CONTINUE);
        rule_free(&rule);
}

static void passed_sockets_are_given_by_name(void **state) {
        struct rule rule = good_rule(":80=sd=http");
        struct passed_socket http = {.name = "http"}, other = {.name = "other", .index = 1},
                             inherited = {.name = "inherited", .inherited = true};
        struct policy policy = {.rules = &rule, .n_rules = 1, .strict = STRICT_ON};

        (void) state;
        assert_true(strict_gives_passed(&policy, &http));
        assert_false(strict_gives_passed(&policy, &other));
        policy.automatic = true;
        assert_true(strict_gives_passed(&policy, &other));
        assert_false(strict_gives_passed(&policy, &inherited));
        rule_free(&rule);
}

static void protocols_are_named(void **state) {
        struct rule rules[] = {good_rule("*=allow"), good_rule("sctp:80=allow")};
        struct policy policy = {.rules = rules, .n_rules = 1, .strict = STRICT_ON};

        (void) state;
        assert_false(strict_names_protocol(&policy, IPPROTO_SCTP));
        policy.n_rules = 2;
        assert_true(strict_names_protocol(&policy, IPPROTO_SCTP));
        assert_false(strict_names_protocol(&policy, IPPROTO_DCCP));
        assert_false(strict_names_vsock(&policy));
        rule_free(&rules[0]);
        rule_free(&rules[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rules_give_what_they_say),
                cmocka_unit_test(other_families_are_nobodys_concern),
                cmocka_unit_test(families_that_nobody_knows_are_refused),
                cmocka_unit_test(passed_sockets_are_given_by_name),
                cmocka_unit_test(protocols_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
