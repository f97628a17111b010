/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <linux/net.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "call.h"
#include "filter-run.h"
#include "filter.h"
#include "strict-filter.h"

/* libseccomp's name of each kind of call, and its number of each architecture that is mediated */
static const char *const names[] = {
        [CALL_BIND] = "bind",         [CALL_LISTEN] = "listen",         [CALL_SHUTDOWN] = "shutdown",
        [CALL_UNLINK] = "unlink",     [CALL_UNLINKAT] = "unlinkat",     [CALL_RENAME] = "rename",
        [CALL_RENAMEAT] = "renameat", [CALL_RENAMEAT2] = "renameat2",   [CALL_CONNECT] = "connect",
        [CALL_SOCKET] = "socket",     [CALL_SETSOCKOPT] = "setsockopt",
};

static uint32_t answer_of(const struct filter_program *program, uint32_t architecture, int number,
                          const uint64_t arguments[static 6]) {
        struct seccomp_data data = {.nr = number, .arch = architecture};

        memcpy(data.args, arguments, sizeof(data.args));
        return filter_run(program->code, program->n, &data);
}

static bool is_trapped(unsigned traps, uint32_t architecture, int number,
                       const uint64_t arguments[static 6]) {
        struct filter_program program;
        uint32_t answer;

        filter_write(traps, &program);
        answer = answer_of(&program, architecture, number, arguments);
        if (answer != SECCOMP_RET_USER_NOTIF)
                assert_int_equal(answer, SECCOMP_RET_ALLOW);
        return answer == SECCOMP_RET_USER_NOTIF;
}

/* Of the native ABI */
#define TRAPPED(traps, name, ...)                                                                           \
        is_trapped((traps), FILTER_NATIVE_ARCHITECTURE, SYS_##name, (const uint64_t[6]){__VA_ARGS__})

static void numbers_are_those_of_libseccomp(void **state) {
        (void) state;
        for (size_t i = 0; i < n_trapped_calls; i++) {
                const struct trapped_call *call = &trapped_calls[i];
                uint32_t architecture = call->architecture;
                int known;

                if (architecture == AUDIT_ARCH_X86_64 && (call->number & 0x40000000) != 0)
                        architecture = SCMP_ARCH_X32;
                known = seccomp_syscall_resolve_name_arch(architecture, names[call->kind]);
                /* Multiplexed: its second number is not told. */
                if (known < -100 && known > -200)
                        continue;
                assert_int_equal(known, call->number);
        }
}

static void bind_is_trapped_where_its_address_may_be_ip(void **state) {
        (void) state;
        for (unsigned length = 0; length <= 128; length++) {
                assert_int_equal(TRAPPED(TRAP_BIND_IP, bind, 3, 0, length), length >= 16);
                assert_true(TRAPPED(TRAP_BIND_ALL, bind, 3, 0, length));
                assert_false(TRAPPED(TRAP_LISTEN, bind, 3, 0, length));
        }
        /* The kernel does not look at the upper half. */
        assert_true(TRAPPED(TRAP_BIND_IP, bind, 3, 0, UINT64_C(0xffffffff00000010)));
}

static void connect_is_trapped_where_its_address_is_not_as_long_as_an_ip_one(void **state) {
        (void) state;
        for (unsigned length = 0; length <= 300; length++) {
                assert_int_equal(TRAPPED(TRAP_CONNECT, connect, 3, 0, length), length != 16 && length != 28);
                assert_true(TRAPPED(TRAP_CONNECT_ALL, connect, 3, 0, length));
        }
}

static void shutdown_is_trapped_by_its_direction(void **state) {
        (void) state;
        for (unsigned how = 0; how < 4; how++) {
                assert_int_equal(TRAPPED(TRAP_SHUTDOWN, shutdown, 3, how),
                                 how == SHUT_RD || how == SHUT_RDWR);
                assert_int_equal(TRAPPED(TRAP_SHUTDOWN_WRITING, shutdown, 3, how), how == SHUT_WR);
        }
        assert_true(TRAPPED(TRAP_SHUTDOWN, shutdown, 3, UINT64_C(0x100000002)));
}

static void setsockopt_is_trapped_where_it_joins_a_group(void **state) {
        (void) state;
        for (unsigned level = 0; level < 300; level++)
                for (unsigned option = 0; option < 100; option++) {
                        bool both = option == MCAST_JOIN_GROUP || option == MCAST_JOIN_SOURCE_GROUP,
                             ipv4 = option == IP_ADD_MEMBERSHIP || option == IP_ADD_SOURCE_MEMBERSHIP,
                             ipv6 = option == IPV6_JOIN_GROUP;

                        assert_int_equal(TRAPPED(TRAP_JOIN, setsockopt, 3, level, option),
                                         (level == IPPROTO_IP && (both || ipv4)) ||
                                                 (level == IPPROTO_IPV6 && (both || ipv6)));
                }
}

static void sockets_for_datagrams_are_trapped_whatever_their_flags(void **state) {
        (void) state;
        assert_true(TRAPPED(TRAP_DATAGRAM_SOCKETS, socket, AF_INET, SOCK_DGRAM));
        assert_true(
                TRAPPED(TRAP_DATAGRAM_SOCKETS, socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK));
        assert_false(TRAPPED(TRAP_DATAGRAM_SOCKETS, socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC));
}

static void every_number_of_a_call_is_trapped_and_no_other(void **state) {
        static const uint64_t arguments[6] = {3, 2, 110, 0, 0, 0};
        unsigned traps = TRAP_BIND_IP | TRAP_LISTEN | TRAP_SHUTDOWN | TRAP_PATHS | TRAP_CONNECT;
        struct filter_program program;

        (void) state;
        filter_write(traps, &program);
        for (int number = 0; number < 600; number++)
                for (int mark = 0; mark <= 1; mark++) {
                        int marked = mark ? number | 0x40000000 : number;
                        bool known = false;

                        for (size_t i = 0; i < n_trapped_calls; i++)
                                known |= trapped_calls[i].architecture == FILTER_NATIVE_ARCHITECTURE &&
                                         trapped_calls[i].number == marked &&
                                         trapped_calls[i].kind != CALL_SETSOCKOPT &&
                                         trapped_calls[i].kind != CALL_SOCKET &&
                                         trapped_calls[i].kind != CALL_SHUTDOWN;
                        if (marked == SYS_shutdown || marked == (SYS_shutdown | 0x40000000))
                                known = true; /* SHUT_RDWR */
                        assert_int_equal(answer_of(&program, FILTER_NATIVE_ARCHITECTURE, marked,
                                                   arguments) == SECCOMP_RET_USER_NOTIF,
                                         known);
                }
        assert_int_equal(answer_of(&program, AUDIT_ARCH_MIPS, SYS_bind, arguments), SECCOMP_RET_ALLOW);
}

#if defined(__x86_64__)
static void socketcall_is_trapped_by_what_it_calls(void **state) {
        (void) state;
        for (uint64_t call = 0; call < 24; call++) {
                const uint64_t arguments[6] = {call};

                assert_int_equal(
                        is_trapped(TRAP_BIND_IP | TRAP_LISTEN, AUDIT_ARCH_I386, I386_SOCKETCALL, arguments),
                        call == SYS_BIND || call == SYS_LISTEN);
                assert_int_equal(is_trapped(TRAP_CONNECT | TRAP_SHUTDOWN, AUDIT_ARCH_I386, I386_SOCKETCALL,
                                            arguments),
                                 call == SYS_CONNECT || call == SYS_SHUTDOWN);
        }
}
#endif

/* --- --strict --- */

static void strict_refuses_by_the_numbers_of_libseccomp(void **state) {
        static const char *const refused[] =
                {"io_uring_setup", "io_uring_enter",    "io_uring_register", "clone3",      "setns",
                 "ptrace",         "process_vm_writev", "pidfd_getfd",       "userfaultfd", "bpf"},
                                 *const by_argument[] = {"unshare", "clone", "seccomp"};
        static const uint32_t architectures[] = {FILTER_NATIVE_ARCHITECTURE, FILTER_OTHER_ARCHITECTURE};
        static const uint64_t none[6] = {0}, flags[6] = {0x10000000 /* CLONE_NEWUSER */, 1 << 3},
                              typing[6] = {0, UINT64_C(0x100000000) | TIOCSTI}, asking[6] = {0, TIOCGWINSZ};
        struct policy policy = {.strict = STRICT_ON};
        struct filter_program program;

        (void) state;
        strict_write_filter(&policy, &program);
        for (size_t i = 0; i < ELEMENTSOF(architectures); i++) {
                uint32_t architecture = architectures[i];
                int number;

                for (size_t j = 0; j < ELEMENTSOF(refused); j++) {
                        number = seccomp_syscall_resolve_name_arch(architecture, refused[j]);
                        assert_int_equal(answer_of(&program, architecture, number, none) &
                                                 SECCOMP_RET_ACTION_FULL,
                                         SECCOMP_RET_ERRNO);
                }
                for (size_t j = 0; j < ELEMENTSOF(by_argument); j++) {
                        number = seccomp_syscall_resolve_name_arch(architecture, by_argument[j]);
                        assert_int_equal(answer_of(&program, architecture, number, none), SECCOMP_RET_ALLOW);
                        assert_int_equal(answer_of(&program, architecture, number, flags) &
                                                 SECCOMP_RET_ACTION_FULL,
                                         SECCOMP_RET_ERRNO);
                }
                number = seccomp_syscall_resolve_name_arch(architecture, "ioctl");
                assert_int_equal(answer_of(&program, architecture, number, typing),
                                 SECCOMP_RET_ERRNO | EPERM);
                assert_int_equal(answer_of(&program, architecture, number, asking), SECCOMP_RET_ALLOW);
                number = seccomp_syscall_resolve_name_arch(architecture, "write");
                assert_int_equal(answer_of(&program, architecture, number, none), SECCOMP_RET_ALLOW);
        }
        assert_int_equal(answer_of(&program, AUDIT_ARCH_MIPS, 1, none), SECCOMP_RET_KILL_PROCESS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_those_of_libseccomp),
                cmocka_unit_test(bind_is_trapped_where_its_address_may_be_ip),
                cmocka_unit_test(connect_is_trapped_where_its_address_is_not_as_long_as_an_ip_one),
                cmocka_unit_test(shutdown_is_trapped_by_its_direction),
                cmocka_unit_test(setsockopt_is_trapped_where_it_joins_a_group),
                cmocka_unit_test(sockets_for_datagrams_are_trapped_whatever_their_flags),
                cmocka_unit_test(every_number_of_a_call_is_trapped_and_no_other),
#if defined(__x86_64__)
                cmocka_unit_test(socketcall_is_trapped_by_what_it_calls),
#endif
                cmocka_unit_test(strict_refuses_by_the_numbers_of_libseccomp),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
