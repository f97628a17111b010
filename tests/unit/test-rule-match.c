/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#define TCP SOCK_STREAM
#define UDP SOCK_DGRAM

static const struct {
        const char *match;
        const char *address;
        unsigned port;
        int type;
        bool v6only;
        bool covered;
} cases[] = {
        {"*", "127.0.0.1", 80, TCP, false, true},
        {"*", "unix:/x", 0, TCP, false, true},
        {"*", "vsock:2", 80, TCP, false, true},
        {"*", "127.0.0.1", 0, TCP, false, true},
        {":80", "127.0.0.1", 80, TCP, false, true},
        {":80", "::1", 80, UDP, false, true},
        {":80", "127.0.0.1", 81, TCP, false, false},
        {":80", "vsock:2", 80, TCP, false, false},
        {":80", "unix:/x", 0, TCP, false, false},
        {":*", "127.0.0.1", 0, TCP, false, true},
        {":*", "unix:/x", 0, TCP, false, false},
        {":0", "127.0.0.1", 0, TCP, false, true},
        {":0", "127.0.0.1", 1, TCP, false, false},
        {":80-90", "127.0.0.1", 80, TCP, false, true},
        {":80-90", "127.0.0.1", 90, TCP, false, true},
        {":80-90", "127.0.0.1", 91, TCP, false, false},
        {":80-90", "127.0.0.1", 79, TCP, false, false},
        {"tcp:80", "127.0.0.1", 80, TCP, false, true},
        {"tcp:80", "127.0.0.1", 80, UDP, false, false},
        {"udp:80", "127.0.0.1", 80, UDP, false, true},
        {"127.0.0.1", "127.0.0.1", 0, TCP, false, true},
        {"127.0.0.1", "0.0.0.0", 80, TCP, false, false},
        {"0.0.0.0", "127.0.0.1", 80, TCP, false, false},
        {"0.0.0.0/0", "127.0.0.1", 80, TCP, false, true},
        {"127.0.0.0/8", "127.255.0.1", 80, TCP, false, true},
        {"127.0.0.0/8", "128.0.0.1", 80, TCP, false, false},
        {"127.0.0.0/9", "127.127.0.1", 80, TCP, false, true},
        {"127.0.0.0/9", "127.128.0.1", 80, TCP, false, false},
        {"127.0.0.0/31", "127.0.0.1", 80, TCP, false, true},
        {"127.0.0.0/31", "127.0.0.2", 80, TCP, false, false},
        {"127.0.0.1:80", "127.0.0.1", 81, TCP, false, false},
        {"0.0.0.0/0", "::1", 80, TCP, false, false},
        {"0.0.0.0/0", "::", 80, TCP, false, true}, /* dual-stack */
        {"0.0.0.0", "::", 80, TCP, false, true},
        {"127.0.0.1", "::", 80, TCP, false, false},
        {"0.0.0.0/0", "::", 80, TCP, true, false},
        {"127.0.0.1", "::ffff:127.0.0.1", 80, TCP, false, true},
        {"127.0.0.0/8", "::ffff:127.9.9.9", 80, TCP, false, true},
        {"128.0.0.0/8", "::ffff:127.9.9.9", 80, TCP, false, false},
        {"127.0.0.1", "::ffff:127.0.0.1", 80, TCP, true, false},
        {"[::]/0", "::1", 80, TCP, false, true},
        {"[::]/0", "127.0.0.1", 80, TCP, false, false},
        {"[::1]", "::1", 80, TCP, false, true},
        {"[::]", "::1", 80, TCP, false, false},
        {"[fe80::]/10", "febf::1", 80, TCP, false, true},
        {"[fe80::]/10", "fec0::1", 80, TCP, false, false},
        {"unix:/run/x", "unix:/run/x", 0, TCP, false, true},
        {"unix:/run/x", "unix:/run/xy", 0, TCP, false, false},
        {"unix:/run/x*", "unix:/run/xy", 0, TCP, false, true},
        {"unix:/run/x*", "unix:/run/x", 0, TCP, false, true},
        {"unix:/run/x*", "unix:/run/", 0, TCP, false, false},
        {"unix:/*", "unix:@x", 0, TCP, false, false},
        {"unix:*", "unix:@x", 0, TCP, false, true},
        {"unix:*", "unix:", 0, TCP, false, true}, /* unnamed */
        {"unix:/*", "unix:", 0, TCP, false, false},
        {"unix:@x", "unix:@x", 0, TCP, false, true},
        {"unix:@x", "unix:@xy", 0, TCP, false, false},
        {"unix:@x*", "unix:@xy", 0, TCP, false, true},
        {"unix:@*", "unix:/x", 0, TCP, false, false},
        {"unix:*", "127.0.0.1", 80, TCP, false, false},
        {"vsock:2:80", "vsock:2", 80, TCP, false, true},
        {"vsock:2:80", "vsock:3", 80, TCP, false, false},
        {"vsock:2:80", "vsock:2", 81, TCP, false, false},
        {"vsock:*:*", "vsock:4294967295", 4000000000, TCP, false, true},
        {"vsock:*:*", "127.0.0.1", 80, TCP, false, false},
};

static void match_covers_what_it_says(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct bind_request request = make_request(cases[i].address, cases[i].port, cases[i].type);
                struct rule rule;
                char text[128];

                snprintf(text, sizeof(text), "%s=deny", cases[i].match);
                rule = good_rule(text);
                request.v6only = cases[i].v6only;
                if (match_covers(&rule.match, &request) != cases[i].covered)
                        fail_msg("%s, %s port %u", cases[i].match, cases[i].address, cases[i].port);
                rule_free(&rule);
        }
}

static void path_is_matched_in_its_absolute_form(void **state) {
        struct bind_request request = make_request("unix:x", 0, SOCK_STREAM);
        struct rule rule = good_rule("unix:/run/x=deny");

        (void) state;
        assert_false(match_covers(&rule.match, &request));
        request.path = "/run/x";
        assert_true(match_covers(&rule.match, &request));
        rule_free(&rule);
}

static void path_of_a_passed_socket_is_matched_whatever_way_it_is_written(void **state) {
        struct bind_request request = make_request("unix:/var/run/x", 0, SOCK_STREAM);
        struct passed_socket passed = {.address = make_request("unix:/run/x", 0, SOCK_STREAM).address};
        struct rule rule = good_rule("unix:/run/x=deny");

        (void) state;
        assert_false(match_covers(&rule.match, &request));
        request.same_file = &passed;
        assert_true(match_covers(&rule.match, &request));
        rule_free(&rule);
        rule = good_rule("unix:/var/run/*=deny");
        assert_true(match_covers(&rule.match, &request));
        rule_free(&rule);
        rule = good_rule("unix:/tmp/*=deny");
        assert_false(match_covers(&rule.match, &request));
        rule_free(&rule);
}

static void netlink_is_matched_by_nothing(void **state) {
        struct bind_request request = {.kind = {AF_NETLINK, SOCK_RAW, 0}};
        struct rule rule = good_rule("*=deny");

        (void) state;
        assert_false(match_covers(&rule.match, &request));
        request.kind.domain = AF_PACKET;
        assert_true(match_covers(&rule.match, &request));
        rule_free(&rule);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(match_covers_what_it_says),
                cmocka_unit_test(path_is_matched_in_its_absolute_form),
                cmocka_unit_test(path_of_a_passed_socket_is_matched_whatever_way_it_is_written),
                cmocka_unit_test(netlink_is_matched_by_nothing),
        };

        return cmocka_run_group_tests_name("rule-match", tests, NULL, NULL);
}
