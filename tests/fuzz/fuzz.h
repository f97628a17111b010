/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the fuzz targets share. Each is one file: it takes libFuzzer's bytes for what its layer reads, and
 * says with HOLDS() what must follow. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run, which then keeps the input. */
#define HOLDS(condition)                                                                                    \
        do {                                                                                                \
                if (!(condition)) {                                                                         \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);      \
                        abort();                                                                            \
                }                                                                                           \
        } while (false)

/* What is left of an input */
struct input {
        const uint8_t *at;
        size_t left;
};

/* 0 behind the end */
static inline uint8_t take_byte(struct input *input) {
        if (input->left == 0)
                return 0;
        input->left--;
        return *input->at++;
}

static inline uint32_t take_number(struct input *input, unsigned n_bytes) {
        uint32_t number = 0;

        while (n_bytes-- > 0)
                number = number << 8 | take_byte(input);
        return number;
}

/* Up to the delimiter, which is taken as well, a NUL or the end. The caller's to free(); as long as it is,
 * so that a sanitizer sees what reads further. */
static inline char *take_text(struct input *input, char delimiter) {
        size_t length = 0;
        char *text;

        while (length < input->left && input->at[length] != (uint8_t) delimiter && input->at[length] != 0)
                length++;
        text = strndup((const char *) input->at, length);
        HOLDS(text);
        input->at += length + (length < input->left);
        input->left -= length + (length < input->left);
        return text;
}
