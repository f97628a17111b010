/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing a seccomp filter's program, instruction by instruction. Pure. The kernel looks at the lower halves
 * of most arguments only, and so do these. */

#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_INSTRUCTIONS_MAX 1024

/* AUDIT_ARCH_* of the native ABI, and of the other that is mediated */
#if defined(__x86_64__)
#define FILTER_NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#define FILTER_OTHER_ARCHITECTURE AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define FILTER_NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#define FILTER_OTHER_ARCHITECTURE AUDIT_ARCH_ARM
#endif

struct filter_program {
        struct sock_filter code[FILTER_INSTRUCTIONS_MAX]; /* more is a programmer's error */
        unsigned short n;
};

/* code and the jumps are those of struct sock_filter. */
void filter_emit(struct filter_program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf);

/* Loads what is at this offset of struct seccomp_data; or, of an argument, the lower half. */
void filter_load(struct filter_program *program, size_t offset);
void filter_load_argument(struct filter_program *program, unsigned argument);

/* SECCOMP_RET_* */
void filter_return(struct filter_program *program, uint32_t answer);

/* What is written between these is for this value of what was loaded last; at most 255 instructions, which
 * return in the end, or load nothing. */
size_t filter_begin_if_equal(struct filter_program *program, uint32_t value);
void filter_end_if(struct filter_program *program, size_t begin);

/* What is written between these is for this architecture (AUDIT_ARCH_*). */
size_t filter_begin_if_architecture(struct filter_program *program, uint32_t architecture);
void filter_end_if_architecture(struct filter_program *program, size_t begin);
