/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-supervisor.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fd-channel.h"
#include "log.h"
#include "notification.h"
#include "util.h"

/* What the supervisor will have to do, tried in a process that a sandbox may kill for it */
static const char *const needed_calls[] = {"seccomp", "pidfd_open", "pidfd_getfd"};
#define FORK_FAILED 100 /* beyond all of them */
#define NEEDED_SETTING                                                                                      \
        "\"SystemCallFilter=seccomp pidfd_open pidfd_getfd process_vm_readv @io-event openat2 statx\""

static int try_needed_calls(int some_fd) {
        unsigned action = SECCOMP_RET_USER_NOTIF;
        struct iovec local = {&(char){0}, 1}, remote = {&(char){0}, 1};
        _cleanup_close_ int pidfd = -1, copy = -1, epoll = -1;
        struct epoll_event event = {};

        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 && errno != EOPNOTSUPP)
                return 1;
        pidfd = pidfd_open(getpid(), 0);
        if (pidfd < 0)
                return 2;
        copy = pidfd_getfd(pidfd, some_fd, 0);
        if (copy < 0)
                return 3;
        /* There are ways round these where they fail; they must not kill, though. */
        (void) process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        (void) epoll_ctl(epoll, EPOLL_CTL_ADD, some_fd, &event);
        (void) epoll_wait(epoll, &event, 1, 0);
        (void) syscall(SYS_openat2, -1, "", NULL, 0);
        (void) syscall(SYS_statx, -1, "", 0, 0, NULL);
        return 0;
}

/* Orphans of this process come back to it: it is PID 1 of its namespace, or has asked for them. */
static bool collects_orphans(void) {
        int subreaper = 0;

        return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper != 0);
}

/* Like fork(), but the child is one that a plain wait() of ours does not see and that sends no SIGCHLD:
 * whatever the target inherits, it meets no trace of it (clone(2), "exit signal", and waitpid(2), __WCLONE).
 */
static pid_t fork_unseen(void) {
        return (pid_t) syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* Enough for the process between, which shares our memory */
#define BETWEEN_STACK_SIZE (16 * 1024)

struct start {
        const struct supervisor *supervisor;
        int channel;
        bool supervises; /* the process between starts the supervisor */
        bool dumpable;   /* we are, and it is to be */
        pid_t pid;       /* of the supervisor */
};

/* The process between us and the supervisor, so that the supervisor is not our child. Tries the calls that
 * will be needed on the way. */
static int run_between(void *argument) {
        struct start *start = argument;
        int failed_call = try_needed_calls(start->channel);

        (void) prctl(PR_SET_DUMPABLE, start->dumpable, 0, 0, 0);
        if (failed_call != 0 || !start->supervises)
                return failed_call;
        start->pid = fork_unseen();
        if (start->pid == 0)
                supervisor_run(start->supervisor, start->channel);
        return start->pid < 0 ? FORK_FAILED : 0;
}

/* Runs the process between to its end. Returns its status (waitpid(2)), or a negative errno.
 *
 * We wait for it (vfork(2)), so it can have our memory, whose copy would cost as much again as the
 * supervisor's; and for its stack, a part of ours. The supervisor's memory is a copy, and its stack may grow
 * beyond that part. */
__attribute__((no_sanitize_address)) static int run_process_between(struct start *start) {
        _Alignas(16) char stack[BETWEEN_STACK_SIZE];
        int status = 0, r = 0;
        pid_t child;

        start->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file if a sandbox kills it */
        child = clone(run_between, stack + sizeof(stack), CLONE_VM | CLONE_VFORK, start);
        if (child < 0 || waitpid(child, &status, __WALL) < 0)
                r = -errno;
        (void) prctl(PR_SET_DUMPABLE, start->dumpable, 0, 0, 0);
        return r < 0 ? r : status;
}

static int explain_needed_calls(int status) {
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
                log_message(LOG_ERR,
                            "a sandbox kills force-bind for a system call that it needs: add " NEEDED_SETTING
                            " to the unit");
                return -EPERM;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) <= (int) ELEMENTSOF(needed_calls))
                log_message(LOG_ERR,
                            "%s() is not allowed here, or unknown to this kernel (Linux 5.9 or later is "
                            "needed): in a unit with a system call filter, add " NEEDED_SETTING
                            "; a container's seccomp profile must allow them, too",
                            needed_calls[WEXITSTATUS(status) - 1]);
        else
                log_message(LOG_ERR, "cannot start the supervisor: no further process can be made");
        return -EPERM;
}

static int no_supervisor(int error) {
        log_message(LOG_ERR, "cannot start the supervisor: %s", strerror(-error));
        return error;
}

/* Double fork; or, where orphans come back to us, one child that wait() does not see. Returns the
 * supervisor's process, 0 if that is not known, or a negative errno after logging why. */
static pid_t start_process(const struct supervisor *supervisor, int channel) {
        struct start start = {supervisor, channel, !collects_orphans(), false, -1};
        int status = run_process_between(&start);

        if (status < 0)
                return no_supervisor(status);
        if (explain_needed_calls(status) < 0)
                return -EPERM;
        if (start.supervises)
                return start.pid > 0 ? start.pid : 0; /* who emulates vfork(2) by fork(2) does not tell */
        start.pid = fork_unseen();
        if (start.pid == 0)
                supervisor_run(supervisor, channel);
        return start.pid < 0 ? no_supervisor(-errno) : start.pid;
}

int supervisor_start(const struct supervisor *supervisor, int *ret_channel) {
        _cleanup_close_ int ours = -1, theirs = -1;
        pid_t pid;
        int r;

        r = channel_open(&ours, &theirs);
        if (r < 0)
                return no_supervisor(r);
        pid = start_process(supervisor, theirs);
        if (pid < 0)
                return pid;
        /* Yama lets a stranger look into this process only if asked to, and keeps to it over execve(). */
        if (pid > 0)
                (void) prctl(PR_SET_PTRACER, (unsigned long) pid, 0, 0, 0);
        *ret_channel = take_fd(&ours);
        return 0;
}

int supervisor_give(int channel, int listener) {
        int r;

        if (!listener_can_set_fd(listener)) {
                log_message(LOG_ERR, "this kernel cannot put descriptors into another process "
                                     "(SECCOMP_IOCTL_NOTIF_ADDFD, Linux 5.9 or later)");
                return -ENOSYS;
        }
        r = channel_send(channel, CHANNEL_LISTENER, listener);
        if (r < 0) {
                log_message(LOG_ERR, "cannot reach the supervisor: %s", strerror(-r));
                return r;
        }
        r = channel_receive(channel, NULL);
        if (r == CHANNEL_READY)
                return 0;
        if (r == CHANNEL_BLIND)
                log_message(LOG_ERR,
                            "the kernel does not let the supervisor look into the target (pidfd_getfd() is "
                            "refused: a security module, or a ptrace policy such as "
                            "kernel.yama.ptrace_scope=3)");
        else
                log_message(LOG_ERR,
                            "the supervisor ended before it was ready; a sandbox may have killed it");
        return -EPERM;
}
