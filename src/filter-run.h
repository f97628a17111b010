/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a seccomp filter answers, found by running it as the kernel would (seccomp(2), "Seccomp filters").
 * Pure. */

#include <stddef.h>
#include <stdint.h>

struct seccomp_data;
struct sock_filter;

/* Returns the filter's answer, SECCOMP_RET_*; of a program that it cannot run, SECCOMP_RET_LOG, which no
 * filter of ours has. */
uint32_t filter_run(const struct sock_filter *program, size_t n, const struct seccomp_data *data);
