/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "closing-filter.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sys/socket.h>

#include "filter-run.h"
#include "libseccomp.h"
#include "util.h"

/* The kernel looks at the lower half of an int argument only. */
#define INT_MASK UINT64_C(0xffffffff)

static const struct libseccomp *library; /* since closing_write_filter() */

/* The machine's architectures beside the native one */
static const uint32_t foreign_architectures[] = {
#if defined(__x86_64__)
        SCMP_ARCH_X86,
        SCMP_ARCH_X32,
#elif defined(__aarch64__)
        SCMP_ARCH_ARM,
#endif
};

static void release_filter(scmp_filter_ctx *filter) {
        if (*filter)
                library->release(*filter);
}

static int add_closed(scmp_filter_ctx filter, const struct closing *closing) {
        uint32_t action =
                closing->error > 0 ? SCMP_ACT_ERRNO((unsigned) closing->error) : SCMP_ACT_KILL_PROCESS;
        int r = 0;

        for (size_t i = 0; i < closing->n_calls && r >= 0; i++)
                r = library->rule_add(filter, action, closing->calls[i], 0);
        for (size_t i = 0; i < closing->n_families && r >= 0; i++)
                r = library->rule_add(
                        filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                        SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, INT_MASK, (uint64_t) closing->families[i]));
        return r;
}

static int build_for_architecture(uint32_t architecture, const struct closing *closing,
                                  scmp_filter_ctx *ret) {
        _cleanup_(release_filter) scmp_filter_ctx filter = library->init(SCMP_ACT_ALLOW);
        int r;

        if (!filter)
                return -ENOMEM;
        r = library->attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
        if (r >= 0 && architecture != library->arch_native()) {
                r = library->arch_remove(filter, SCMP_ARCH_NATIVE);
                if (r >= 0)
                        r = library->arch_add(filter, architecture);
        }
        if (r >= 0)
                r = add_closed(filter, closing);
        if (r < 0)
                return r;

        *ret = filter;
        filter = NULL;
        return 0;
}

static int build(const struct closing *closing, scmp_filter_ctx *ret) {
        _cleanup_(release_filter) scmp_filter_ctx filter = NULL;
        int r;

        r = build_for_architecture(library->arch_native(), closing, &filter);
        for (size_t i = 0; i < ELEMENTSOF(foreign_architectures) && r >= 0; i++) {
                scmp_filter_ctx foreign = NULL;

                r = build_for_architecture(foreign_architectures[i], closing, &foreign);
                if (r < 0)
                        break;
                r = library->merge(filter, foreign); /* takes foreign over if it succeeds */
                if (r < 0)
                        release_filter(&foreign);
        }
        if (r < 0)
                return r;

        *ret = filter;
        filter = NULL;
        return 0;
}

/* libseccomp exports into a descriptor only (before 2.6); a pipe holds 64 KiB, far more than this filter. */
static int export_program(scmp_filter_ctx filter, struct filter_program *ret) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        ssize_t n;
        int pipe_fds[2];
        int r;

        if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        read_end = pipe_fds[0];
        write_end = pipe_fds[1];

        r = library->export_bpf(filter, write_end);
        if (r < 0)
                return r;
        n = read(read_end, ret->code, sizeof(ret->code));
        if (n < 0)
                return -errno;
        if ((size_t) n == sizeof(ret->code))
                return -E2BIG;
        ret->n = (unsigned short) ((size_t) n / sizeof(ret->code[0]));
        return 0;
}

/* --- without memory, libseccomp (2.5.4) leaves out parts of a filter, and says nothing: so it is tried ---
 */

/* The number that an architecture has for a call; negative: it has none. Without memory, one that no filter
 * answers. */
static int resolve(uint32_t architecture, int call) {
        _cleanup_free_ char *name = library->resolve_num_arch(SCMP_ARCH_NATIVE, call);

        return name ? library->resolve_name_arch(architecture, name) : INT_MAX;
}

static bool answers(const struct filter_program *program, uint32_t architecture, int number,
                    unsigned argument, uint64_t value, uint32_t wanted) {
        struct seccomp_data data = {.nr = number, .arch = architecture};

        /* x32 has the architecture of x86-64, and a bit in its numbers. */
        if (architecture == SCMP_ARCH_X32)
                data.arch = SCMP_ARCH_X86_64;
        data.args[argument] = value;
        return number < 0 || filter_run(program->code, program->n, &data) == wanted;
}

static bool closes_all(const struct filter_program *program, uint32_t architecture,
                       const struct closing *closing) {
        uint32_t action = closing->error > 0 ? SECCOMP_RET_ERRNO | (uint32_t) closing->error
                                             : SECCOMP_RET_KILL_PROCESS;

        for (size_t i = 0; i < closing->n_calls; i++)
                if (!answers(program, architecture, resolve(architecture, closing->calls[i]), 0, 0, action))
                        return false;
        for (size_t i = 0; i < closing->n_families; i++)
                if (!answers(program, architecture, resolve(architecture, SCMP_SYS(socket)), 0,
                             (uint64_t) closing->families[i], SECCOMP_RET_ERRNO | EAFNOSUPPORT))
                        return false;
        return true;
}

int closing_write_filter(const struct closing *closing, struct filter_program *ret) {
        _cleanup_(release_filter) scmp_filter_ctx filter = NULL;
        int r;

        library = libseccomp_load();
        if (!library)
                return -ELIBACC;
        r = build(closing, &filter);
        if (r >= 0)
                r = export_program(filter, ret);
        if (r < 0)
                return r;
        for (size_t i = 0; i <= ELEMENTSOF(foreign_architectures); i++)
                if (!closes_all(ret, i == 0 ? library->arch_native() : foreign_architectures[i - 1],
                                closing))
                        return -ENOMEM;
        return 0;
}
