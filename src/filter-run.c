/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter-run.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

static bool compare(uint16_t code, uint32_t value, uint32_t with) {
        switch (BPF_OP(code)) {
        case BPF_JEQ:
                return value == with;
        case BPF_JGT:
                return value > with;
        case BPF_JGE:
                return value >= with;
        default: /* BPF_JSET */
                return (value & with) != 0;
        }
}

uint32_t filter_run(const struct sock_filter *program, size_t n, const struct seccomp_data *data) {
        uint32_t value = 0;

        for (size_t at = 0; at < n; at++) {
                const struct sock_filter *instruction = &program[at];

                switch (instruction->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        if (instruction->k > sizeof(*data) - sizeof(value))
                                return SECCOMP_RET_LOG;
                        memcpy(&value, (const char *) data + instruction->k, sizeof(value));
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        value &= instruction->k;
                        break;
                case BPF_JMP | BPF_JA:
                        at += instruction->k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                case BPF_JMP | BPF_JGT | BPF_K:
                case BPF_JMP | BPF_JGE | BPF_K:
                case BPF_JMP | BPF_JSET | BPF_K:
                        at += compare(instruction->code, value, instruction->k) ? instruction->jt
                                                                                : instruction->jf;
                        break;
                case BPF_RET | BPF_K:
                        return instruction->k;
                default:
                        return SECCOMP_RET_LOG;
                }
        }
        return SECCOMP_RET_LOG;
}
