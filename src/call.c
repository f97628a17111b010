/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <fcntl.h>
#include <linux/net.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "util.h"

/* The numbers of an ABI that this machine can run beside its native one are written out: its headers are not
 * there, and libseccomp answers "multiplexed" for i386's. x32 has x86-64's numbers with a mark. What 32-bit
 * ABIs give to setsockopt() is laid out in another way, and left alone. */
const struct trapped_call trapped_calls[] = {
#if defined(__x86_64__)
#define X32(number) (0x40000000 | (number))
        {AUDIT_ARCH_X86_64, SYS_bind, CALL_BIND},
        {AUDIT_ARCH_X86_64, SYS_listen, CALL_LISTEN},
        {AUDIT_ARCH_X86_64, SYS_shutdown, CALL_SHUTDOWN},
        {AUDIT_ARCH_X86_64, SYS_unlink, CALL_UNLINK},
        {AUDIT_ARCH_X86_64, SYS_unlinkat, CALL_UNLINKAT},
        {AUDIT_ARCH_X86_64, SYS_rename, CALL_RENAME},
        {AUDIT_ARCH_X86_64, SYS_renameat, CALL_RENAMEAT},
        {AUDIT_ARCH_X86_64, SYS_renameat2, CALL_RENAMEAT2},
        {AUDIT_ARCH_X86_64, SYS_connect, CALL_CONNECT},
        {AUDIT_ARCH_X86_64, SYS_setsockopt, CALL_SETSOCKOPT},
        {AUDIT_ARCH_X86_64, X32(SYS_bind), CALL_BIND},
        {AUDIT_ARCH_X86_64, X32(SYS_listen), CALL_LISTEN},
        {AUDIT_ARCH_X86_64, X32(SYS_shutdown), CALL_SHUTDOWN},
        {AUDIT_ARCH_X86_64, X32(SYS_unlink), CALL_UNLINK},
        {AUDIT_ARCH_X86_64, X32(SYS_unlinkat), CALL_UNLINKAT},
        {AUDIT_ARCH_X86_64, X32(SYS_rename), CALL_RENAME},
        {AUDIT_ARCH_X86_64, X32(SYS_renameat), CALL_RENAMEAT},
        {AUDIT_ARCH_X86_64, X32(SYS_renameat2), CALL_RENAMEAT2},
        {AUDIT_ARCH_X86_64, X32(SYS_connect), CALL_CONNECT},
        {AUDIT_ARCH_X86_64, SYS_socket, CALL_SOCKET},
        {AUDIT_ARCH_I386, 359, CALL_SOCKET},
        {AUDIT_ARCH_I386, 361, CALL_BIND},
        {AUDIT_ARCH_I386, 363, CALL_LISTEN},
        {AUDIT_ARCH_I386, 373, CALL_SHUTDOWN},
        {AUDIT_ARCH_I386, 10, CALL_UNLINK},
        {AUDIT_ARCH_I386, 301, CALL_UNLINKAT},
        {AUDIT_ARCH_I386, 38, CALL_RENAME},
        {AUDIT_ARCH_I386, 302, CALL_RENAMEAT},
        {AUDIT_ARCH_I386, 353, CALL_RENAMEAT2},
        {AUDIT_ARCH_I386, 362, CALL_CONNECT},
#elif defined(__aarch64__)
        {AUDIT_ARCH_AARCH64, SYS_bind, CALL_BIND},
        {AUDIT_ARCH_AARCH64, SYS_listen, CALL_LISTEN},
        {AUDIT_ARCH_AARCH64, SYS_shutdown, CALL_SHUTDOWN},
        {AUDIT_ARCH_AARCH64, SYS_unlinkat, CALL_UNLINKAT},
        {AUDIT_ARCH_AARCH64, SYS_renameat, CALL_RENAMEAT},
        {AUDIT_ARCH_AARCH64, SYS_renameat2, CALL_RENAMEAT2},
        {AUDIT_ARCH_AARCH64, SYS_connect, CALL_CONNECT},
        {AUDIT_ARCH_AARCH64, SYS_setsockopt, CALL_SETSOCKOPT},
        {AUDIT_ARCH_AARCH64, SYS_socket, CALL_SOCKET},
        {AUDIT_ARCH_ARM, 281, CALL_SOCKET},
        {AUDIT_ARCH_ARM, 282, CALL_BIND},
        {AUDIT_ARCH_ARM, 284, CALL_LISTEN},
        {AUDIT_ARCH_ARM, 293, CALL_SHUTDOWN},
        {AUDIT_ARCH_ARM, 10, CALL_UNLINK},
        {AUDIT_ARCH_ARM, 328, CALL_UNLINKAT},
        {AUDIT_ARCH_ARM, 38, CALL_RENAME},
        {AUDIT_ARCH_ARM, 329, CALL_RENAMEAT},
        {AUDIT_ARCH_ARM, 382, CALL_RENAMEAT2},
        {AUDIT_ARCH_ARM, 283, CALL_CONNECT},
#else
#error "The system call numbers of this architecture are not known here."
#endif
};

const size_t n_trapped_calls = ELEMENTSOF(trapped_calls);

static enum call_kind find_kind(uint32_t architecture, int number) {
        for (size_t i = 0; i < n_trapped_calls; i++)
                if (trapped_calls[i].architecture == architecture && trapped_calls[i].number == number)
                        return trapped_calls[i].kind;
        return CALL_OTHER;
}

static bool is_socketcall(const struct seccomp_data *data) {
        return data->arch == AUDIT_ARCH_I386 && data->nr == I386_SOCKETCALL;
}

static enum call_kind socketcall_kind(unsigned subcall) {
        switch (subcall) {
        case SYS_BIND:
                return CALL_BIND;
        case SYS_LISTEN:
                return CALL_LISTEN;
        case SYS_SHUTDOWN:
                return CALL_SHUTDOWN;
        case SYS_CONNECT:
                return CALL_CONNECT;
        default:
                return CALL_OTHER;
        }
}

int call_decode(const struct seccomp_notif *notification, const struct target *target, struct call *ret) {
        const struct seccomp_data *data = &notification->data;
        uint64_t arguments[5];
        struct call call = {};

        for (size_t i = 0; i < ELEMENTSOF(arguments); i++)
                arguments[i] = data->args[i];

        if (is_socketcall(data)) {
                uint32_t words[3] = {};
                size_t n_words;
                int r;

                call.kind = socketcall_kind((unsigned) data->args[0]);
                n_words = call.kind == CALL_BIND || call.kind == CALL_CONNECT ? 3 : 2;
                r = target_read(target, (uint32_t) data->args[1], words, n_words * sizeof(words[0]));
                if (r < 0)
                        return r;
                for (size_t i = 0; i < ELEMENTSOF(words); i++)
                        arguments[i] = words[i];
        } else {
                call.kind = find_kind(data->arch, data->nr);
                call.arguments_fixed = true;
        }

        /* The kernel looks at the lower halves of int arguments only. */
        call.fd = (int) (uint32_t) arguments[0];
        switch (call.kind) {
        case CALL_BIND:
        case CALL_CONNECT:
                call.pointer = arguments[1];
                call.length = (unsigned) arguments[2];
                break;
        case CALL_LISTEN:
        case CALL_SHUTDOWN:
                call.number = (int) (uint32_t) arguments[1];
                break;
        case CALL_SETSOCKOPT:
                call.level = (int) (uint32_t) arguments[1];
                call.number = (int) (uint32_t) arguments[2];
                call.pointer = arguments[3];
                call.length = (unsigned) arguments[4];
                break;
        case CALL_SOCKET:
                call.domain = (int) (uint32_t) arguments[0];
                call.type = (int) (uint32_t) arguments[1];
                call.protocol = (int) (uint32_t) arguments[2];
                break;
        case CALL_UNLINK:
                call.fd = AT_FDCWD;
                call.pointer = arguments[0];
                break;
        case CALL_UNLINKAT:
                call.pointer = arguments[1];
                call.number = (int) (uint32_t) arguments[2];
                break;
        case CALL_RENAME:
                call.fd = call.new_fd = AT_FDCWD;
                call.pointer = arguments[0];
                call.new_pointer = arguments[1];
                break;
        case CALL_RENAMEAT:
        case CALL_RENAMEAT2:
                call.pointer = arguments[1];
                call.new_fd = (int) (uint32_t) arguments[2];
                call.new_pointer = arguments[3];
                call.number = call.kind == CALL_RENAMEAT2 ? (int) (uint32_t) arguments[4] : 0;
                break;
        case CALL_OTHER:
                break;
        }
        *ret = call;
        return 0;
}
