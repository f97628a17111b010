/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "filter-run.h"

/* Traps call 49 with an argument whose bit 0x10 is set, fails call 100, allows the rest; another
 * architecture is let go. */
static const struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 99, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 49, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x10, 0, 3),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 101, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void filter_answers_as_in_the_kernel(void **state) {
        static const struct {
                unsigned architecture;
                int number;
                uint64_t argument;
                uint32_t answer;
        } cases[] = {
                {AUDIT_ARCH_X86_64, 49, 0x10, SECCOMP_RET_USER_NOTIF},
                {AUDIT_ARCH_X86_64, 49, 0x11, SECCOMP_RET_USER_NOTIF},
                {AUDIT_ARCH_X86_64, 49, 0x0f, SECCOMP_RET_ALLOW},
                {AUDIT_ARCH_X86_64, 50, 0x10, SECCOMP_RET_ALLOW},
                {AUDIT_ARCH_X86_64, 100, 0, SECCOMP_RET_ERRNO | EPERM},
                {AUDIT_ARCH_X86_64, 101, 0, SECCOMP_RET_ALLOW},
                {AUDIT_ARCH_I386, 49, 0x10, SECCOMP_RET_ALLOW},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct seccomp_data data = {
                        .nr = cases[i].number, .arch = cases[i].architecture, .args = {cases[i].argument}};

                assert_int_equal(filter_run(program, ELEMENTSOF(program), &data), cases[i].answer);
        }
}

static void filter_that_cannot_be_run_answers_nothing_of_ours(void **state) {
        static const struct sock_filter no_return[] = {BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0)},
                                        beyond[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                             sizeof(struct seccomp_data)),
                                                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
                                        unknown[] = {BPF_STMT(BPF_MISC | BPF_TAX, 0),
                                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        const struct seccomp_data data = {};

        (void) state;
        assert_int_equal(filter_run(no_return, ELEMENTSOF(no_return), &data), SECCOMP_RET_LOG);
        assert_int_equal(filter_run(beyond, ELEMENTSOF(beyond), &data), SECCOMP_RET_LOG);
        assert_int_equal(filter_run(unknown, ELEMENTSOF(unknown), &data), SECCOMP_RET_LOG);
        assert_int_equal(filter_run(NULL, 0, &data), SECCOMP_RET_LOG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(filter_answers_as_in_the_kernel),
                cmocka_unit_test(filter_that_cannot_be_run_answers_nothing_of_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
