/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a unit's sandbox was opened for the helper is closed again for the target: system calls that
 * SystemCallFilter= did not let through, families that RestrictAddressFamilies= did not, capabilities that
 * CapabilityBoundingSet= did not. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOSED_CALLS_MAX 32
#define CLOSED_FAMILIES_MAX 16

struct closing {
        int calls[CLOSED_CALLS_MAX]; /* libseccomp's numbers */
        size_t n_calls;
        int error; /* positive errno that these calls fail with; 0: they end the process */
        int families[CLOSED_FAMILIES_MAX];
        size_t n_families;
        uint64_t capabilities; /* 1 << CAP_*, of capabilities(7) */
};

/* Reads CALL[,CALL...][:ERRNO] into closing; ERRNO is a name or a number, "kill" is none. Returns NULL, or
 * what was expected (a constant). */
const char *closing_parse_calls(const char *text, struct closing *closing);

/* Reads FAMILY[,FAMILY...], such as AF_UNIX. As closing_parse_calls(). */
const char *closing_parse_families(const char *text, struct closing *closing);

/* Reads CAPABILITY[,CAPABILITY...], of CAP_SYS_PTRACE and CAP_SETPCAP. As closing_parse_calls(). */
const char *closing_parse_capabilities(const char *text, struct closing *closing);

/* Takes the capabilities from this process and all that it will start, for good. Returns 0 or a negative
 * errno. */
int closing_drop_capabilities(const struct closing *closing);

/* No system call or family is closed: no filter is needed. */
static inline bool closing_has_no_calls(const struct closing *closing) {
        return closing->n_calls == 0 && closing->n_families == 0;
}
