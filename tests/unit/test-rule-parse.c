/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "rule-print.h"

/* What is written, and its canonical form */
static const struct {
        const char *text, *canonical;
} good[] = {
        {"*=deny", "*=deny"},
        {"*=allow", "*=allow"},
        {":80=sd=0", ":80=sd=0"},
        {":80=sd-0", ":80=sd=0"},
        {":80=sd=http", ":80=sd=http"},
        {":80=sd-http", ":80=sd=http"},
        {":80=sd=my.socket name", ":80=sd=my.socket name"},
        {":80=sd=0x", ":80=sd=0x"}, /* a name */
        {":80=fd=4", ":80=fd=4"},
        {":80=fd-4", ":80=fd=4"},
        {":0=deny", ":0=deny"},
        {":65535=deny", ":65535=deny"},
        {":*=deny", ":*=deny"},
        {":0-65535=deny", ":*=deny"},
        {":80-90=deny", ":80-90=deny"},
        {":80-80=deny", ":80=deny"},
        {"tcp:80=deny", "tcp:80=deny"},
        {"tcp::80=deny", "tcp:80=deny"},
        {"tcp:*=deny", "tcp:*=deny"},
        {"tcp:80-90=deny", "tcp:80-90=deny"},
        {"udp:53=deny", "udp:53=deny"},
        {"sctp:53=deny", "sctp:53=deny"},
        {"dccp:53=deny", "dccp:53=deny"},
        {"udplite:53=deny", "udplite:53=deny"},
        {"127.0.0.1=deny", "127.0.0.1=deny"},
        {"127.0.0.1:80=deny", "127.0.0.1:80=deny"},
        {"127.0.0.1:*=deny", "127.0.0.1=deny"},
        {"127.0.0.1/32:80=deny", "127.0.0.1:80=deny"},
        {"0.0.0.0/0:80=deny", "0.0.0.0/0:80=deny"},
        {"0.0.0.0:80/0=deny", "0.0.0.0/0:80=deny"},
        {"10.1.2.3/9=deny", "10.0.0.0/9=deny"},
        {"10.200.2.3/9=deny", "10.128.0.0/9=deny"},
        {"10.0.0.0/8:1-9=deny", "10.0.0.0/8:1-9=deny"},
        {"tcp:10.0.0.0/8:80=deny", "tcp:10.0.0.0/8:80=deny"},
        {"[::1]=deny", "[::1]=deny"},
        {"[::1]/128:80=deny", "[::1]:80=deny"},
        {"[::]:80/0=deny", "[::]/0:80=deny"},
        {"[fe80::ffff:1]/65=deny", "[fe80::]/65=deny"},
        {"udp:[::]:53=deny", "udp:[::]:53=deny"},
        {"[::ffff:1.2.3.4]:80=deny", "[::ffff:1.2.3.4]:80=deny"},
        {"unix:/run/x=deny", "unix:/run/x=deny"},
        {"unix:/run/x*=deny", "unix:/run/x*=deny"},
        {"unix:*=deny", "unix:*=deny"},
        {"unix://run/.//x=deny", "unix:/run/x=deny"},
        {"unix:/run//*=deny", "unix:/run/*=deny"},
        {"unix:/run/./.*=deny", "unix:/run/.*=deny"},
        {"unix:/.=deny", "unix:/=deny"},
        {"unix:/././/=deny", "unix:/=deny"},
        {"unix:/run/.x/..y=deny", "unix:/run/.x/..y=deny"},
        {"unix:@name=deny", "unix:@name=deny"},
        {"unix:@//x=deny", "unix:@//x=deny"},
        {"unix:@*=deny", "unix:@*=deny"},
        {"vsock:2:80=deny", "vsock:2:80=deny"},
        {"vsock:*:*=deny", "vsock:*:*=deny"},
        {"vsock:4294967295:1-70000=deny", "vsock:4294967295:1-70000=deny"},
        {":80=deny:EACCES", ":80=deny"},
        {":80=deny:13", ":80=deny"},
        {":80=deny:EADDRINUSE", ":80=deny:EADDRINUSE"},
        {":80=deny:98", ":80=deny:EADDRINUSE"},
        {":80=deny:EWOULDBLOCK", ":80=deny:EAGAIN"},
        {":80=deny:ENOTSUP", ":80=deny:EOPNOTSUPP"},
        {":80=deny:4095", ":80=deny:4095"},
        {":80=1.2.3.4", ":80=1.2.3.4"},
        {":80=1.2.3.4:0", ":80=1.2.3.4:0"},
        {":80=1.2.3.4:8080", ":80=1.2.3.4:8080"},
        {":80=[::1]", ":80=[::1]"},
        {":80=[::1]:8080", ":80=[::1]:8080"},
        {":80=:8080", ":80=:8080"},
        {":80=localhost:8080", ":80=localhost:8080"},
        {":80=www.example.org:8080", ":80=www.example.org:8080"},
        {":80=sd-host:8080", ":80=sd-host:8080"}, /* no passed socket's name has a colon */
        {":80=1.example:80", ":80=1.example:80"},
        {":80=unix:/run/x", ":80=unix:/run/x"},
        {":80=unix:x", ":80=unix:x"},
        {":80=unix:@x", ":80=unix:@x"},
        {":80=sd=http|deny", ":80=sd=http|deny"},
        {":80=sd=a|fd=3|1.2.3.4:1|allow", ":80=sd=a|fd=3|1.2.3.4:1|allow"},
        {"unix:/x=sd=a|unix:/y", "unix:/x=sd=a|unix:/y"},
        {"unix:/a=unix:/b=c", "unix:/a=unix:/b=c"}, /* the first "=" counts */
};

static void rule_has_this_canonical_form(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct rule rule = good_rule(good[i].text), again;

                assert_string_equal(rule.text, good[i].canonical);
                again = good_rule(rule.text);
                assert_string_equal(again.text, rule.text);
                rule_free(&again);
                rule_free(&rule);
        }
}

static const struct {
        const char *text;
        size_t column;
        const char *message; /* a part of it */
} bad[] = {
        {"", 1, "expected \"*\", :PORTS"},
        {"=", 1, "found the end"},
        {"*", 2, "expected \"=\" and an action"},
        {":80", 4, "expected \"=\" and an action"},
        {":80=", 5, "expected sd=N"},
        {"=deny", 1, "expected \"*\", :PORTS"},
        {"80=deny", 1, "expected \"*\", :PORTS"},
        {":=deny", 2, "expected a port (0 to 65535)"},
        {":x=deny", 2, "not \"x\""},
        {":80x=deny", 4, "expected \"=\", not \"x\""},
        {": 80=deny", 2, "expected a port"},
        {":+80=deny", 2, "expected a port"},
        {":-80=deny", 2, "expected a port"},
        {":080=deny", 2, "expected a port"},
        {":65536=deny", 2, "not \"65536\""},
        {":99999999999999999999=deny", 2, "expected a port"},
        {":80-=deny", 2, "expected a port"},
        {":90-80=deny", 2, "whose first port is not above its last"},
        {":80-70000=deny", 2, "expected a port"},
        {"**=deny", 1, "expected \"*\""},
        {"::1=deny", 1, "expected an IPv6 address in brackets"},
        {"fe80::1:80=deny", 1, "expected an IPv6 address in brackets"},
        {"tcp:::1:80=deny", 5, "expected an IPv6 address in brackets"},
        {":80=::1", 5, "expected an IPv6 address in brackets"},
        {":80=sd=0|2001:db8::1:80", 10, "expected an IPv6 address in brackets"},
        {"foo:80=deny", 1, "expected tcp:, udp:"},
        {"TCP:80=deny", 1, "expected tcp:"},
        {"tcp=deny", 1, "expected tcp:"},
        {"tcp:=deny", 5, "expected a port"},
        {"tcp:unix:/x=deny", 5, "expected a port"},
        {"tcp:*:80=deny", 6, "expected \"=\""},
        {"1.2.3=deny", 1, "expected an IPv4 address"},
        {"1.2.3.256=deny", 1, "expected an IPv4 address"},
        {"01.2.3.4=deny", 1, "expected an IPv4 address"},
        {"1.2.3.4/33=deny", 9, "prefix length (0 to 32)"},
        {"1.2.3.4/=deny", 9, "prefix length"},
        {"1.2.3.4/08=deny", 9, "prefix length"},
        {"1.2.3.4/8/8=deny", 10, "expected \"/LEN\""},
        {"1.2.3.4:80:80=deny", 11, "expected \"/LEN\""},
        {"1.2.3.4:=deny", 9, "expected a port"},
        {"[::1=deny", 1, "expected an IPv6 address in brackets"},
        {"[::g]=deny", 1, "expected an IPv6 address"},
        {"[1.2.3.4]=deny", 1, "expected an IPv6 address"},
        {"[::1]/129=deny", 7, "prefix length (0 to 128)"},
        {"[::1]80=deny", 6, "expected \"/LEN\""},
        {"unix:=deny", 6, "expected an absolute path"},
        {"unix:x=deny", 6, "expected an absolute path"},
        {"unix:@=deny", 7, "expected an absolute path"},
        {"vsock:80=deny", 9, "expected \":PORTS\""},
        {"vsock:x:80=deny", 7, "expected a CID"},
        {"vsock:4294967296:80=deny", 7, "expected a CID"},
        {":80=sd=", 8, "number or the name"},
        {":80=sd=a:b", 8, "number or the name"},
        {":80=sd=a\tb", 8, "number or the name"},
        {":80=fd=abc", 8, "descriptor number"},
        {":80=fd=", 8, "descriptor number"},
        {":80=fd=-1", 8, "descriptor number"},
        {":80=fd=99999999999", 8, "descriptor number"},
        {":80=deny:", 10, "error"},
        {":80=deny:0", 10, "error"},
        {":80=deny:EFOO", 10, "EFOO"},
        {":80=deny:eacces", 10, "error"},
        {":80=denied", 5, "expected sd=N"},
        {":80=allow ", 5, "expected sd=N"},
        {":80=localhost", 5, "expected sd=N"},
        {":80=localhost:", 15, "expected a port"},
        {":80=localhost:http", 15, "expected a port"},
        {":80=1.2.3", 5, "expected an IPv4 address"},
        {":80=1.2.3.4:", 13, "expected a port"},
        {":80=1.2.3.4:80-90", 13, "expected a port"},
        {":80=1.2.3.4/8", 12, "expected \":PORT\""},
        {":80=:", 6, "expected a port"},
        {":80=unix:", 10, "expected a path"},
        {":80=unix:@", 10, "expected a path"},
        {":80=|deny", 5, "expected sd=N"},
        {":80=deny|", 10, "expected sd=N"},
        {":80=sd=a||deny", 10, "expected sd=N"},
        {"unix:/x=:80", 9, "a Unix bind can have"},
        {"unix:/x=sd=a|localhost:80", 14, "a Unix bind can have"},
        {"vsock:1:1=127.0.0.1", 11, "a vsock bind can have"},
        {"vsock:1:1=unix:/x", 11, "a vsock bind can have"},
};

static void wrong_rule_is_refused_with_column_and_expectation(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct rule_error error = {};
                struct rule rule;

                if (rule_parse(bad[i].text, &rule, &error) != -EINVAL)
                        fail_msg("\"%s\" was taken", bad[i].text);
                if (error.column != bad[i].column || !strstr(error.message, bad[i].message))
                        fail_msg("\"%s\": column %zu: %s", bad[i].text, error.column, error.message);
        }
}

static void unix_path_of_an_action_may_have_107_bytes_and_no_more(void **state) {
        char text[256] = ":80=unix:/";
        struct rule_error error;
        struct rule rule;

        (void) state;
        memset(text + strlen(text), 'x', 106);
        rule = good_rule(text);
        assert_int_equal(rule.steps[0].address.unix_length, 107);
        rule_free(&rule);
        text[strlen(text)] = 'x';
        assert_int_equal(rule_parse(text, &rule, &error), -EINVAL);
}

/* --bind=: the rule for the action's own family */
static const struct {
        const char *action, *canonical;
} actions[] = {
        {"127.0.0.1", "0.0.0.0/0=127.0.0.1"},
        {"127.0.0.1:80", "0.0.0.0/0=127.0.0.1:80"},
        {"[::1]:80", "[::]/0=[::1]:80"},
        {":80", ":*=:80"},
        {"localhost:80", ":*=localhost:80"},
        {"unix:/x", "unix:*=unix:/x"},
        {"sd=0", "*=sd=0"},
        {"deny", "*=deny"},
        {"sd=0|127.0.0.1:80", "0.0.0.0/0=sd=0|127.0.0.1:80"},
        {"127.0.0.1:80|unix:/x", "0.0.0.0/0=127.0.0.1:80|unix:/x"},
        {"sd=0|unix:/x|deny", "unix:*=sd=0|unix:/x|deny"},
};

static void action_alone_is_for_its_own_family(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
                struct rule_error error;
                struct rule rule, again;

                assert_int_equal(rule_parse_action(actions[i].action, &rule, &error), 0);
                assert_string_equal(rule.text, actions[i].canonical);
                again = good_rule(rule.text);
                assert_string_equal(again.text, rule.text);
                rule_free(&again);
                rule_free(&rule);
        }
}

static void wrong_action_is_refused(void **state) {
        struct rule_error error;
        struct rule rule;

        (void) state;
        assert_int_equal(rule_parse_action("", &rule, &error), -EINVAL);
        assert_int_equal(rule_parse_action("0.0.0.0:16379/0=sd=0", &rule, &error), -EINVAL);
        assert_int_equal(error.column, 9);
        assert_int_equal(rule_parse_action("sd=0|unix:/x|127.0.0.1:80", &rule, &error), -EINVAL);
        assert_int_equal(error.column, 14);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rule_has_this_canonical_form),
                cmocka_unit_test(wrong_rule_is_refused_with_column_and_expectation),
                cmocka_unit_test(unix_path_of_an_action_may_have_107_bytes_and_no_more),
                cmocka_unit_test(action_alone_is_for_its_own_family),
                cmocka_unit_test(wrong_action_is_refused),
        };

        return cmocka_run_group_tests_name("rule-parse", tests, NULL, NULL);
}
