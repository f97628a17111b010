/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <linux/vm_sockets.h>
#include <sys/un.h>

static void addresses_survive_the_way_to_sockaddr_and_back(void **state) {
        static const char *const texts[] = {"127.0.0.1",   "::1",        "::ffff:1.2.3.4",
                                            "unix:/run/x", "unix:@name", "vsock:7"};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct address address = make_address(texts[i], 80), again;
                struct sockaddr_storage storage;
                socklen_t length = address_to_sockaddr(&address, &storage);

                assert_int_equal(address_from_sockaddr(&storage, length, address.family, &again), 0);
                assert_true(address_equal(&address, &again));
        }
}

static void addresses_are_printed_as_rules_write_them(void **state) {
        static const struct {
                const char *address, *text;
        } cases[] = {
                {"127.0.0.1", "127.0.0.1:80"},   {"::1", "[::1]:80"},       {"unix:/run/x", "unix:/run/x"},
                {"unix:@name", "unix:@name"},    {"vsock:7", "vsock:7:80"}, {"unix:", "unix:"},
                {"unix:/a\nb", "unix:/a\\x0ab"},
        };
        char text[ADDRESS_STRING_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct address address = make_address(cases[i].address, 80);

                assert_string_equal(address_format(&address, text), cases[i].text);
        }
}

static void longest_name_of_control_characters_fits_the_buffer(void **state) {
        struct address address = {.family = AF_UNIX, .unix_length = ADDRESS_UNIX_MAX};
        char text[ADDRESS_STRING_MAX];

        (void) state;
        memset(address.unix_name, 1, sizeof(address.unix_name));
        assert_true(strlen(address_format(&address, text)) < sizeof(text));
}

static void malformed_addresses_get_the_kernels_errors(void **state) {
        struct sockaddr_storage storage = {.ss_family = AF_INET};
        struct sockaddr_in *in = (struct sockaddr_in *) &storage;
        struct address address;

        (void) state;
        assert_int_equal(address_from_sockaddr(&storage, 15, AF_INET, &address), -EINVAL);
        assert_int_equal(address_from_sockaddr(&storage, 0, AF_INET, &address), -EINVAL);
        assert_int_equal(address_from_sockaddr(&storage, 28, AF_INET6, &address), -EAFNOSUPPORT);
        assert_int_equal(address_from_sockaddr(&storage, 23, AF_INET6, &address), -EINVAL);
        assert_int_equal(address_from_sockaddr(&storage, 16, AF_UNIX, &address), -EINVAL);
        assert_int_equal(address_from_sockaddr(&storage, 111, AF_UNIX, &address), -EINVAL);
        assert_int_equal(address_from_sockaddr(&storage, 15, AF_VSOCK, &address), -EFAULT);
        assert_int_equal(address_from_sockaddr(&storage, 128, AF_INET, &address), 0);

        storage.ss_family = AF_UNSPEC;
        assert_int_equal(address_from_sockaddr(&storage, 16, AF_INET, &address), 0);
        assert_int_equal(address.family, AF_INET);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(address_from_sockaddr(&storage, 16, AF_INET, &address), -EAFNOSUPPORT);

        storage.ss_family = AF_INET6;
        assert_int_equal(address_from_sockaddr(&storage, 24, AF_INET6, &address), 0);
        assert_int_equal(address_from_sockaddr(&storage, 16, AF_INET, &address), -EAFNOSUPPORT);
}

static void unix_path_ends_at_its_nul_and_an_abstract_name_does_not(void **state) {
        struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/x\0y"};
        struct address address;

        (void) state;
        assert_int_equal(address_from_sockaddr(&un, sizeof(un), AF_UNIX, &address), 0);
        assert_int_equal(address.unix_length, 2);
        un.sun_path[0] = '\0';
        assert_int_equal(address_from_sockaddr(&un, 2 + 4, AF_UNIX, &address), 0);
        assert_int_equal(address.unix_length, 4);
}

static void wildcards_are_known(void **state) {
        static const struct {
                const char *address;
                bool wildcard;
        } cases[] = {{"0.0.0.0", true}, {"::", true},       {"::ffff:0.0.0.0", true},   {"127.0.0.1", false},
                     {"::1", false},    {"unix:/x", false}, {"vsock:4294967295", true}, {"vsock:2", false}};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct address address = make_address(cases[i].address, 80);

                assert_int_equal(address_is_wildcard(&address), cases[i].wildcard);
        }
}

static void mapping_and_unmapping_are_each_others_inverse(void **state) {
        struct address ipv4 = make_address("1.2.3.4", 80), mapped = address_map(&ipv4), again;
        struct address expected = make_address("::ffff:1.2.3.4", 80), ipv6 = make_address("::1", 80);

        (void) state;
        assert_true(address_equal(&mapped, &expected));
        assert_true(address_unmap(&mapped, &again));
        assert_true(address_equal(&again, &ipv4));
        assert_false(address_unmap(&ipv6, &again));
        assert_false(address_unmap(&ipv4, &again));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_survive_the_way_to_sockaddr_and_back),
                cmocka_unit_test(addresses_are_printed_as_rules_write_them),
                cmocka_unit_test(longest_name_of_control_characters_fits_the_buffer),
                cmocka_unit_test(malformed_addresses_get_the_kernels_errors),
                cmocka_unit_test(unix_path_ends_at_its_nul_and_an_abstract_name_does_not),
                cmocka_unit_test(wildcards_are_known),
                cmocka_unit_test(mapping_and_unmapping_are_each_others_inverse),
        };

        return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
