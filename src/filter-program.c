/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter-program.h"

#include <assert.h>
#include <endian.h>
#include <linux/seccomp.h>

#include "util.h"

void filter_emit(struct filter_program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        assert(program->n < ELEMENTSOF(program->code));
        program->code[program->n++] = (struct sock_filter) BPF_JUMP(code, k, jt, jf);
}

void filter_load(struct filter_program *program, size_t offset) {
        filter_emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t) offset, 0, 0);
}

void filter_load_argument(struct filter_program *program, unsigned argument) {
        size_t lower_half = __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : sizeof(uint32_t);

        filter_load(program, offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) + lower_half);
}

void filter_return(struct filter_program *program, uint32_t answer) {
        filter_emit(program, BPF_RET | BPF_K, answer, 0, 0);
}

size_t filter_begin_if_equal(struct filter_program *program, uint32_t value) {
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
        return program->n;
}

void filter_end_if(struct filter_program *program, size_t begin) {
        assert(program->n - begin <= UINT8_MAX);
        program->code[begin - 1].jf = (uint8_t) (program->n - begin);
}

size_t filter_begin_if_architecture(struct filter_program *program, uint32_t architecture) {
        filter_load(program, offsetof(struct seccomp_data, arch));
        /* Longer than a conditional jump reaches */
        filter_emit(program, BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
        filter_emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
        return program->n;
}

void filter_end_if_architecture(struct filter_program *program, size_t begin) {
        program->code[begin - 1].k = (uint32_t) (program->n - begin);
}
