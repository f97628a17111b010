/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict-supervisor.h"

#include <linux/capability.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "capabilities.h"
#include "log.h"
#include "util.h"

#define BIT(capability) (UINT64_C(1) << (capability))

/* To look into the target, bind ports that a rule names, become a user of the target's in its root (Unix
 * sockets), with what such a user may do to files, and end a process. */
static const uint64_t needed_capabilities =
        BIT(CAP_SYS_PTRACE) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) | BIT(CAP_SETGID) |
        BIT(CAP_SYS_CHROOT) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |
        BIT(CAP_FSETID) | BIT(CAP_CHOWN) | BIT(CAP_KILL);

/* No execve(), accept(), mount(), bpf() ...: each program and connection that there is was there before. */
static const char *const needed_calls[] = {
        /* the listener and the target */
        "ioctl", "process_vm_readv", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "ptrace", "kcmp",
        /* sockets */
        "socket", "socketpair", "bind", "connect", "listen", "shutdown", "getsockname", "getpeername",
        "getsockopt", "setsockopt", "sendto", "sendmsg", "recvfrom", "recvmsg", "epoll_create1", "epoll_ctl",
        "epoll_wait", "epoll_pwait", "poll", "ppoll",
        /* files */
        "open", "openat", "openat2", "read", "pread64", "readv", "write", "writev", "close", "close_range",
        "lseek", "stat", "fstat", "lstat", "newfstatat", "fstatat64", "statx", "fstatfs", "access",
        "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "unlink", "unlinkat", "fchown",
        "dup", "dup2", "dup3", "fcntl", "fcntl64", "memfd_create",
        /* children that are the target for a moment */
        "clone", "clone3", "fork", "wait4", "waitid", "kill", "tgkill", "exit", "exit_group", "unshare",
        "setns", "chroot", "chdir", "fchdir", "umask", "setgroups", "setresuid", "setresgid", "capget",
        "capset", "prctl",
        /* what libc wants */
        "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "rt_sigaction", "rt_sigprocmask",
        "rt_sigpending", "rt_sigreturn", "restart_syscall", "futex", "set_robust_list", "rseq", "getpid",
        "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getrandom", "uname",
        "prlimit64", "setrlimit", "getrlimit", "clock_gettime", "clock_nanosleep", "nanosleep",
        "gettimeofday", "time"};

static void release_filter(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

static int install_filter(void) {
        _cleanup_(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r = filter ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(needed_calls) && r >= 0; i++) {
                int number = seccomp_syscall_resolve_name(needed_calls[i]);

                if (number >= 0) /* this machine has it */
                        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        }
        return r < 0 ? r : seccomp_load(filter);
}

void strict_hide_supervisor(void) {
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void strict_lower_supervisor(void) {
        int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

        if (r >= 0)
                r = capabilities_drop(~needed_capabilities);
        if (r >= 0)
                r = install_filter();
        if (r < 0)
                log_message(LOG_WARNING, "--strict: the supervisor keeps more rights than it needs: %s",
                            strerror(-r));
}
