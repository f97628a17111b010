/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict-supervisor.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "capabilities.h"
#include "filter.h"
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
/* clang-format off */
static const int needed_calls[] = {
        /* the listener and the target */
        SYS_ioctl, SYS_process_vm_readv, SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal,
        SYS_ptrace, SYS_kcmp,
        /* sockets */
        SYS_socket, SYS_socketpair, SYS_bind, SYS_connect, SYS_listen, SYS_shutdown,
        SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendto, SYS_sendmsg,
        SYS_recvfrom, SYS_recvmsg, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll,
        /* files */
        SYS_openat, SYS_openat2, SYS_read, SYS_pread64, SYS_readv, SYS_write, SYS_writev, SYS_close,
        SYS_close_range, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs,
        SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64, SYS_unlinkat, SYS_fchown,
        SYS_dup, SYS_dup3, SYS_fcntl, SYS_memfd_create,
        /* children that are the target for a moment */
        SYS_clone, SYS_clone3, SYS_wait4, SYS_waitid, SYS_kill, SYS_tgkill, SYS_exit,
        SYS_exit_group, SYS_unshare, SYS_setns, SYS_chroot, SYS_chdir, SYS_fchdir, SYS_umask,
        SYS_setgroups, SYS_setresuid, SYS_setresgid, SYS_capget, SYS_capset, SYS_prctl,
        /* what libc wants */
        SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk, SYS_rt_sigaction,
        SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigreturn, SYS_restart_syscall, SYS_futex,
        SYS_set_robust_list, SYS_sigaltstack, SYS_rseq, SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid,
        SYS_getgid, SYS_getegid, SYS_getgroups, SYS_getrandom, SYS_uname, SYS_prlimit64,
        SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
#ifdef SYS_open /* older calls, which newer machines have not got */
        SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_unlink, SYS_dup2, SYS_fork,
        SYS_epoll_wait, SYS_poll, SYS_time, SYS_getrlimit, SYS_setrlimit,
#endif
};
/* clang-format on */

static int install_filter(void) {
        struct filter_program program = {};
        size_t begin = filter_begin_if_architecture(&program, FILTER_NATIVE_ARCHITECTURE);
        int r;

        filter_load(&program, offsetof(struct seccomp_data, nr));
        for (size_t i = 0; i < ELEMENTSOF(needed_calls); i++) {
                filter_emit(&program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) needed_calls[i], 0, 1);
                filter_return(&program, SECCOMP_RET_ALLOW);
        }
        filter_end_if_architecture(&program, begin);
        filter_return(&program, SECCOMP_RET_ERRNO | EPERM);
        r = filter_install_program(&program, 0);
        return r < 0 ? r : 0;
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
