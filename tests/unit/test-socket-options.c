/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include "socket-options.h"

static int make_socket(int domain, int type, struct socket_info *ret_info) {
        int fd = socket(domain, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(socket_info_read(fd, ret_info), 0);
        return fd;
}

static int get(int fd, int level, int option) {
        int value = -1;
        socklen_t length = sizeof(value);

        assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
        return value;
}

static void set(int fd, int level, int option, int value) {
        assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

static const struct {
        int domain, type, level, option, value;
} options[] = {
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE, 1},
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVBUF, 40000},
        {AF_INET6, SOCK_STREAM, SOL_SOCKET, SO_SNDBUF, 30000},
        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVLOWAT, 9},
        {AF_INET, SOCK_STREAM, IPPROTO_IP, IP_TOS, 0x10},
        {AF_INET6, SOCK_DGRAM, IPPROTO_IP, IP_PKTINFO, 1},
        {AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_RECVTTL, 1},
        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
        {AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_TCLASS, 8},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY, 1},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPIDLE, 55},
        {AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_PASSCRED, 1},
};

static void option_that_was_set_is_replayed_and_taken_back(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                struct socket_info info;
                int from = make_socket(options[i].domain, options[i].type, &info);
                int plain = make_socket(options[i].domain, options[i].type, &info);
                int to = make_socket(options[i].domain, options[i].type, &info);
                struct socket_options *known = socket_options_read(to, &info);
                int before = get(to, options[i].level, options[i].option);

                set(from, options[i].level, options[i].option, options[i].value);
                assert_int_equal(socket_options_replay(from, &info, to, known, false), 0);
                assert_int_equal(get(to, options[i].level, options[i].option),
                                 get(from, options[i].level, options[i].option));
                assert_int_not_equal(get(to, options[i].level, options[i].option), before);

                assert_int_equal(socket_options_replay(plain, &info, to, known, false), 0);
                assert_int_equal(get(to, options[i].level, options[i].option), before);
                free(known);
                close(from);
                close(plain);
                close(to);
        }
}

static void option_that_the_receiver_has_stays_if_the_target_set_none(void **state) {
        struct socket_info info;
        int from = make_socket(AF_INET, SOCK_STREAM, &info), to = make_socket(AF_INET, SOCK_STREAM, &info);

        (void) state;
        set(to, SOL_SOCKET, SO_KEEPALIVE, 1);
        assert_int_equal(socket_options_replay(from, &info, to, NULL, false), 0);
        assert_int_equal(get(to, SOL_SOCKET, SO_KEEPALIVE), 1);
        close(from);
        close(to);
}

static void reuse_of_the_port_by_others_is_not_replayed(void **state) {
        struct socket_info info;
        int from = make_socket(AF_INET, SOCK_STREAM, &info), to = make_socket(AF_INET, SOCK_STREAM, &info);

        (void) state;
        set(from, SOL_SOCKET, SO_REUSEPORT, 1);
        (void) socket_options_replay(from, &info, to, NULL, false);
        assert_int_equal(get(to, SOL_SOCKET, SO_REUSEPORT), 0);
        close(from);
        close(to);
}

static void restore_gives_the_known_values_back(void **state) {
        struct socket_info info;
        int fd = make_socket(AF_INET, SOCK_STREAM, &info), receive_buffer;
        struct socket_options *known = socket_options_read(fd, &info);

        (void) state;
        receive_buffer = get(fd, SOL_SOCKET, SO_RCVBUF);
        set(fd, SOL_SOCKET, SO_RCVBUF, 20000);
        set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        socket_options_restore(fd, known);
        assert_int_equal(get(fd, SOL_SOCKET, SO_RCVBUF), receive_buffer);
        assert_int_equal(get(fd, IPPROTO_TCP, TCP_NODELAY), 0);
        free(known);
        close(fd);
}

static void mptcp_counts_as_tcp(void **state) {
        struct socket_info info;
        int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);

        (void) state;
        if (fd < 0)
                skip(); /* a kernel without MPTCP */
        assert_int_equal(socket_info_read(fd, &info), 0);
        assert_int_equal(info.kind.protocol, IPPROTO_TCP);
        assert_int_equal(info.protocol, IPPROTO_MPTCP);
        close(fd);
}

static void what_is_no_socket_is_told(void **state) {
        struct socket_info info;

        (void) state;
        assert_int_equal(socket_info_read(-1, &info), -EBADF);
        assert_int_equal(socket_info_read(0, &info), -ENOTSOCK);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(option_that_was_set_is_replayed_and_taken_back),
                cmocka_unit_test(option_that_the_receiver_has_stays_if_the_target_set_none),
                cmocka_unit_test(reuse_of_the_port_by_others_is_not_replayed),
                cmocka_unit_test(restore_gives_the_known_values_back),
                cmocka_unit_test(mptcp_counts_as_tcp),
                cmocka_unit_test(what_is_no_socket_is_told),
        };

        return cmocka_run_group_tests_name("socket-options", tests, NULL, NULL);
}
