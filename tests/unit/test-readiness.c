/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "readiness.h"

struct fixture {
        struct rule rules[2];
        struct passed_socket passed[2];
        struct policy policy;
        struct readiness readiness;
        bool rule_met[2];
};

static void set_up(struct fixture *f, enum ready_mode mode, const char *first, const char *second,
                   size_t n_passed) {
        *f = (struct fixture){};
        f->policy = (struct policy){.rules = f->rules, .passed = f->passed, .n_passed = n_passed};
        if (first)
                f->rules[f->policy.n_rules++] = good_rule(first);
        if (second)
                f->rules[f->policy.n_rules++] = good_rule(second);
        f->policy.automatic = !first;
        for (size_t i = 0; i < n_passed; i++)
                f->passed[i] =
                        (struct passed_socket){.index = (unsigned) i,
                                               .name = i == 0 ? "one" : "two",
                                               .kind = {AF_INET, SOCK_STREAM, IPPROTO_TCP},
                                               .address = make_address("127.0.0.1", 80 + (unsigned) i),
                                               .cookie = 100 + i};
        readiness_init(&f->readiness, mode, &f->policy, f->rule_met);
}

static void tear_down(struct fixture *f) {
        for (size_t i = 0; i < f->policy.n_rules; i++)
                rule_free(&f->rules[i]);
}

static bool complete(const struct fixture *f) {
        return readiness_complete(&f->readiness);
}

static void adopt(struct fixture *f, size_t i) {
        readiness_adopted(&f->readiness, f->policy.automatic ? NULL : &f->rules[i], &f->passed[i],
                          &f->passed[i].address);
}

static void complete_when_every_rule_is_met_and_every_socket_listens(void **state) {
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", ":81=sd=two", 2);
        adopt(&f, 0);
        readiness_listened(&f.readiness, 100);
        assert_false(complete(&f));
        adopt(&f, 1);
        assert_false(complete(&f));
        readiness_listened(&f.readiness, 101);
        assert_true(complete(&f));
        tear_down(&f);
}

static void bind_mode_does_not_wait_for_listen(void **state) {
        struct fixture f;

        (void) state;
        set_up(&f, READY_BIND, ":80=sd=one", NULL, 1);
        assert_false(complete(&f));
        adopt(&f, 0);
        assert_true(complete(&f));
        tear_down(&f);
}

static void modes_without_sockets_are_never_complete_here(void **state) {
        struct fixture f;

        (void) state;
        for (enum ready_mode mode = READY_NO; mode <= READY_EXEC; mode++) {
                set_up(&f, mode, ":80=sd=one", NULL, 1);
                adopt(&f, 0);
                readiness_listened(&f.readiness, 100);
                assert_false(complete(&f));
                tear_down(&f);
        }
}

static void automatic_waits_for_every_passed_socket(void **state) {
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, NULL, NULL, 2);
        adopt(&f, 0);
        readiness_listened(&f.readiness, 100);
        assert_false(complete(&f));
        adopt(&f, 1);
        readiness_listened(&f.readiness, 101);
        assert_true(complete(&f));
        tear_down(&f);
}

static void one_served_socket_is_enough_where_nothing_was_passed(void **state) {
        const struct socket_kind tcp = {AF_INET, SOCK_STREAM, IPPROTO_TCP};
        struct address address = make_address("0.0.0.0", 80);
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", ":81=sd=two", 0);
        assert_false(complete(&f));
        readiness_bound(&f.readiness, &f.rules[0], &tcp, &address, 7);
        assert_false(complete(&f));
        readiness_listened(&f.readiness, 8);
        assert_false(complete(&f));
        readiness_listened(&f.readiness, 7);
        assert_true(complete(&f));
        tear_down(&f);
}

static void datagram_socket_needs_no_listen(void **state) {
        const struct socket_kind udp = {AF_INET, SOCK_DGRAM, IPPROTO_UDP};
        struct address address = make_address("0.0.0.0", 53);
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":53=sd=one", NULL, 0);
        readiness_bound(&f.readiness, &f.rules[0], &udp, &address, 7);
        assert_true(complete(&f));
        tear_down(&f);
}

static void really_bound_sockets_are_waited_for_as_well(void **state) {
        const struct socket_kind tcp = {AF_INET, SOCK_STREAM, IPPROTO_TCP};
        struct address address = make_address("0.0.0.0", 81);
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", ":81=sd=missing", 1);
        adopt(&f, 0);
        readiness_listened(&f.readiness, 100);
        readiness_bound(&f.readiness, &f.rules[1], &tcp, &address, 7);
        assert_false(complete(&f));
        readiness_listened(&f.readiness, 7);
        assert_true(complete(&f));
        tear_down(&f);
}

static void address_that_is_bound_again_counts_once(void **state) {
        const struct socket_kind tcp = {AF_INET, SOCK_STREAM, IPPROTO_TCP};
        struct address address = make_address("0.0.0.0", 80);
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", NULL, 0);
        for (uint64_t cookie = 1; cookie < 1000; cookie++)
                readiness_bound(&f.readiness, &f.rules[0], &tcp, &address, cookie);
        assert_int_equal(f.readiness.n_bound, 1);
        readiness_listened(&f.readiness, 999);
        assert_true(complete(&f));
        tear_down(&f);
}

static void number_of_waited_for_addresses_is_bounded(void **state) {
        const struct socket_kind tcp = {AF_INET, SOCK_STREAM, IPPROTO_TCP};
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":*=sd=one", NULL, 0);
        for (unsigned port = 1; port < 1000; port++) {
                struct address address = make_address("0.0.0.0", port);

                readiness_bound(&f.readiness, &f.rules[0], &tcp, &address, port);
        }
        assert_int_equal(f.readiness.n_bound, READINESS_BOUND_MAX);
        tear_down(&f);
}

static void rules_that_adopt_nothing_are_not_waited_for(void **state) {
        const struct socket_kind tcp = {AF_INET, SOCK_STREAM, IPPROTO_TCP};
        struct address address = make_address("0.0.0.0", 81);
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", ":81=:82", 1);
        readiness_bound(&f.readiness, &f.rules[1], &tcp, &address, 7);
        adopt(&f, 0);
        readiness_listened(&f.readiness, 100);
        assert_true(complete(&f));
        tear_down(&f);
}

static void status_names_what_is_missing(void **state) {
        char status[READINESS_STATUS_MAX];
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", ":81=sd=two", 2);
        adopt(&f, 0);
        readiness_status(&f.readiness, status);
        assert_string_equal(status, "1 socket adopted, 0 bound; waiting for listen() on one 127.0.0.1:80, "
                                    "a bind for rule :81=sd=two");
        tear_down(&f);

        set_up(&f, READY_LISTEN, NULL, NULL, 2);
        readiness_status(&f.readiness, status);
        assert_string_equal(status, "0 sockets adopted, 0 bound; waiting for a bind to one 127.0.0.1:80, "
                                    "a bind to two 127.0.0.1:81");
        tear_down(&f);
}

static void parking_is_in_vain_until_the_ipv6_bind_comes(void **state) {
        struct address ipv4 = make_address("0.0.0.0", 80), ipv6 = make_address("::", 80);
        char status[READINESS_STATUS_MAX];
        struct fixture f;

        (void) state;
        set_up(&f, READY_LISTEN, ":80=sd=one", NULL, 1);
        assert_null(readiness_parked_in_vain(&f.readiness));
        readiness_parked(&f.readiness, &ipv4, &f.passed[0]);
        assert_ptr_equal(readiness_parked_in_vain(&f.readiness), &f.passed[0]);
        readiness_status(&f.readiness, status);
        assert_non_null(strstr(status, "ListenStream=0.0.0.0:80"));
        readiness_adopted(&f.readiness, &f.rules[0], &f.passed[0], &ipv6);
        assert_null(readiness_parked_in_vain(&f.readiness));
        tear_down(&f);
}

static void rule_of_a_bind_parked_beside_another_is_met(void **state) {
        struct address ipv4 = make_address("0.0.0.0", 80);
        struct fixture f;

        (void) state;
        set_up(&f, READY_BIND, "0.0.0.0:80=sd=one", "[::]:80=sd=one", 1);
        readiness_adopted(&f.readiness, &f.rules[0], &f.passed[0], &ipv4);
        assert_false(readiness_complete(&f.readiness));
        readiness_parked_beside(&f.readiness, &f.rules[1]);
        assert_true(readiness_complete(&f.readiness));
        assert_null(readiness_parked_in_vain(&f.readiness));
        tear_down(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(complete_when_every_rule_is_met_and_every_socket_listens),
                cmocka_unit_test(bind_mode_does_not_wait_for_listen),
                cmocka_unit_test(modes_without_sockets_are_never_complete_here),
                cmocka_unit_test(automatic_waits_for_every_passed_socket),
                cmocka_unit_test(one_served_socket_is_enough_where_nothing_was_passed),
                cmocka_unit_test(datagram_socket_needs_no_listen),
                cmocka_unit_test(really_bound_sockets_are_waited_for_as_well),
                cmocka_unit_test(address_that_is_bound_again_counts_once),
                cmocka_unit_test(number_of_waited_for_addresses_is_bounded),
                cmocka_unit_test(rules_that_adopt_nothing_are_not_waited_for),
                cmocka_unit_test(status_names_what_is_missing),
                cmocka_unit_test(parking_is_in_vain_until_the_ipv6_bind_comes),
                cmocka_unit_test(rule_of_a_bind_parked_beside_another_is_met),
        };

        return cmocka_run_group_tests_name("readiness", tests, NULL, NULL);
}
