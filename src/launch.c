/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "launch.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fd-channel.h"
#include "filter.h"
#include "log.h"
#include "manager.h"
#include "strict-start.h"
#include "supervisor.h"
#include "util.h"

/* --- what to trap --- */

static bool binds_short_addresses(const struct policy *policy) {
        for (size_t i = 0; i < policy->n_rules; i++)
                if (policy->rules[i].match.kind == MATCH_EVERYTHING ||
                    policy->rules[i].match.kind == MATCH_UNIX_PATH ||
                    policy->rules[i].match.kind == MATCH_UNIX_ABSTRACT)
                        return true;
        for (size_t i = 0; i < policy->n_passed; i++)
                if (policy->automatic && policy->passed[i].kind.domain == AF_UNIX)
                        return true;
        return false;
}

static bool has_passed_datagram(const struct policy *policy, bool ip_only) {
        for (size_t i = 0; i < policy->n_passed; i++)
                if (policy->passed[i].kind.type == SOCK_DGRAM &&
                    (!ip_only || address_is_ip(&policy->passed[i].address)))
                        return true;
        return false;
}

/* A passed Unix socket that the program does not see but by binding it */
static bool has_hidden_unix_socket(const struct launch *launch) {
        const struct policy *policy = &launch->policy;

        for (size_t i = 0; i < policy->n_passed && !launch->keep_fds; i++)
                if (policy->passed[i].kind.domain == AF_UNIX && !policy->passed[i].inherited)
                        return true;
        return false;
}

static bool has_passed_path(const struct policy *policy) {
        for (size_t i = 0; i < policy->n_passed; i++)
                if (address_is_unix_path(&policy->passed[i].address))
                        return true;
        return false;
}

/* Only what the rules need: each trapped call costs the target two switches of context. */
static unsigned find_traps(const struct launch *launch) {
        const struct policy *policy = &launch->policy;
        bool tells = manager_listens() && ready_mode_tells_status(launch->ready_mode);
        unsigned traps = 0;

        if (launch->report >= 0)
                return TRAP_BIND_ALL | TRAP_LISTEN;
        if (policy->strict != STRICT_OFF)
                traps |= TRAP_BIND_ALL | TRAP_LISTEN;
        if (policy->strict == STRICT_DATAGRAM)
                traps |= TRAP_DATAGRAM_SOCKETS;
        if (policy->n_rules > 0 || (policy->automatic && (policy->n_passed > 0 || tells)))
                traps |= binds_short_addresses(policy) ? TRAP_BIND_ALL : TRAP_BIND_IP;
        if (policy_adopts(policy) && (policy->n_passed > 0 || tells))
                traps |= TRAP_LISTEN;
        if (policy_adopts(policy) && policy->n_passed > 0)
                traps |= TRAP_SHUTDOWN | (has_passed_datagram(policy, false) ? TRAP_SHUTDOWN_WRITING : 0);
        if (policy_adopts(policy) && has_passed_path(policy))
                traps |= TRAP_PATHS;
        if (policy_adopts(policy) && has_passed_datagram(policy, true))
                traps |= TRAP_CONNECT_ALL | TRAP_JOIN;
        else if (policy_adopts(policy) && has_hidden_unix_socket(launch))
                traps |= TRAP_CONNECT;
        return traps;
}

/* --- starting the supervisor --- */

/* Like fork(), but the child is one that a plain wait() of ours does not see and that sends no SIGCHLD:
 * whatever the target inherits, it meets no trace of it (clone(2), "exit signal", and waitpid(2), __WCLONE).
 */
static pid_t fork_unseen(void) {
        return (pid_t) syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* What the supervisor will have to do, tried in a process that a sandbox may kill for it */
static const char *const needed_calls[] = {"seccomp", "pidfd_open", "pidfd_getfd"};
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

/* The process between us and the supervisor, so that the supervisor is not our child. Tries the calls that
 * will be needed on the way. */
static _Noreturn void run_intermediate(const struct supervisor *supervisor, int channel, bool supervises) {
        int failed_call, dumpable;
        pid_t child = -1;

        dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
        (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core file if a sandbox kills us */
        failed_call = try_needed_calls(channel);
        (void) prctl(PR_SET_DUMPABLE, dumpable == 1, 0, 0, 0);
        if (failed_call == 0 && supervises) {
                child = fork();
                if (child == 0)
                        supervisor_run(supervisor, channel);
                if (child < 0)
                        failed_call = 100;
        }
        _exit(failed_call);
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

/* Double fork; or, where orphans come back to us, one child that wait() does not see. Returns 0, or a
 * negative errno after logging why. */
static int start_supervisor(const struct supervisor *supervisor, int channel) {
        bool direct = collects_orphans();
        pid_t child = fork_unseen();
        int status;

        if (child == 0)
                run_intermediate(supervisor, channel, !direct);
        if (child < 0 || waitpid(child, &status, __WALL) < 0) {
                log_message(LOG_ERR, "cannot start the supervisor: %s", strerror(errno));
                return -EAGAIN;
        }
        if (explain_needed_calls(status) < 0)
                return -EPERM;
        if (direct) {
                child = fork_unseen();
                if (child == 0)
                        supervisor_run(supervisor, channel);
                if (child < 0) {
                        log_message(LOG_ERR, "cannot start the supervisor: %s", strerror(errno));
                        return -EAGAIN;
                }
        }
        return 0;
}

/* --- becoming the target --- */

static void explain_filter_failure(enum filter_failure failure, int error) {
        switch (failure) {
        case FILTER_LISTENER_EXISTS:
                log_message(
                        LOG_ERR,
                        "a seccomp listener is already installed above this process (EBUSY; by another "
                        "force-bind, a container runtime, or WSL), and the kernel allows one only: put all "
                        "rules into one force-bind");
                break;
        case FILTER_NO_NOTIFICATION:
                log_message(
                        LOG_ERR,
                        "this kernel has no seccomp user notification (CONFIG_SECCOMP_FILTER, Linux 5.9 or "
                        "later)");
                break;
        case FILTER_FORBIDDEN:
                log_message(LOG_ERR,
                            "a sandbox does not allow seccomp(): in a unit with a system call filter, add "
                            "\"SystemCallFilter=seccomp\"");
                break;
        case FILTER_OTHER:
                log_message(LOG_ERR, "cannot install the seccomp filter: %s", strerror(-error));
                break;
        }
}

/* Waits for one byte of the supervisor. */
static int expect(int channel, enum channel_byte wanted) {
        int r = channel_receive(channel, NULL);

        if (r == (int) wanted)
                return 0;
        if (r == CHANNEL_OLD_KERNEL)
                log_message(LOG_ERR, "this kernel cannot put descriptors into another process "
                                     "(SECCOMP_IOCTL_NOTIF_ADDFD, Linux 5.9 or later)");
        else if (r == CHANNEL_BLIND)
                log_message(LOG_ERR,
                            "the kernel does not let the supervisor look into the target (pidfd_getfd() is "
                            "refused: a security module, or a ptrace policy such as "
                            "kernel.yama.ptrace_scope=3)");
        else
                log_message(LOG_ERR,
                            "the supervisor ended before it was ready; a sandbox may have killed it");
        return -EPERM;
}

/* Returns 0, or a negative errno after logging why. */
static int install_filter(unsigned traps, const struct closing *closing, int *ret_listener) {
        enum filter_failure failure;
        int r = filter_install(traps, closing, ret_listener, &failure);

        if (r < 0)
                explain_filter_failure(failure, r);
        return r;
}

/* Installs the filter and hands the listener over. */
static int attach_supervisor(unsigned traps, const struct closing *closing, int channel) {
        _cleanup_close_ int listener = -1;
        pid_t supervisor;
        int r;

        r = expect(channel, CHANNEL_ALIVE);
        if (r < 0)
                return r;
        /* Yama lets a stranger look into this process only if asked to, and keeps to it over execve(). */
        if (recv(channel, &supervisor, sizeof(supervisor), 0) == sizeof(supervisor))
                (void) prctl(PR_SET_PTRACER, (unsigned long) supervisor, 0, 0, 0);

        r = install_filter(traps, closing, &listener);
        if (r < 0)
                return r;
        r = channel_send(channel, CHANNEL_LISTENER, listener);
        if (r < 0) {
                log_message(LOG_ERR, "cannot reach the supervisor: %s", strerror(-r));
                return r;
        }
        return expect(channel, CHANNEL_READY);
}

/* The supervisor may look at the target from now on, and nothing more is needed of what is given up here. */
static int lower_target(const struct launch *launch) {
        int r;

        if (launch->policy.strict != STRICT_OFF) {
                r = strict_lower_target(&launch->policy);
                if (r >= 0 && !closing_has_no_calls(&launch->closing))
                        r = install_filter(0, &launch->closing, &(int){-1});
                if (r < 0)
                        return r;
        }
        r = closing_drop_capabilities(&launch->closing);
        if (r < 0)
                log_message(LOG_ERR, "cannot drop the capabilities of --close-capabilities=: %s",
                            strerror(-r));
        return r;
}

static int execute(const struct launch *launch) {
        const char *program = launch->argv[0];
        int error;

        if (launch->argv0)
                launch->argv[0] = (char *) launch->argv0;
        (void) execvp(program, launch->argv);
        error = errno;
        log_message(LOG_ERR, "cannot execute %s: %s", program, strerror(error));
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

int launch(const struct launch *launch) {
        unsigned traps = find_traps(launch);
        struct policy policy = launch->policy;
        struct supervisor supervisor = {.policy = &policy,
                                        .ready_mode = launch->ready_mode,
                                        .report = launch->report,
                                        .no_main_pid = launch->no_main_pid,
                                        .first_process = getpid()};
        /* The calls that are closed may be needed to install the second filter of --strict. */
        const struct closing none = {}, *closing = policy.strict != STRICT_OFF ? &none : &launch->closing;
        _cleanup_close_ int ours = -1, theirs = -1;
        int r;

        if (traps != 0) {
                r = channel_open(&ours, &theirs);
                if (r < 0) {
                        log_message(LOG_ERR, "cannot make a socket pair: %s", strerror(-r));
                        return EXIT_NOT_ALLOWED;
                }
                if (start_supervisor(&supervisor, theirs) < 0)
                        return EXIT_NOT_ALLOWED;
                replace_fd(&theirs, -1);
                if (attach_supervisor(traps, closing, ours) < 0)
                        return EXIT_NOT_ALLOWED;
        } else {
                if (launch->ready_mode == READY_EXEC)
                        (void) manager_notify(0, "READY=1");
                if (!closing_has_no_calls(&launch->closing) &&
                    install_filter(0, &launch->closing, &(int){-1}) < 0)
                        return EXIT_NOT_ALLOWED;
        }

        if (lower_target(launch) < 0)
                return EXIT_NOT_ALLOWED;
        passed_sockets_leave(launch->passed, launch->keep_fds);
        if (policy.strict != STRICT_OFF &&
            strict_close_descriptors(&policy, launch->passed, launch->keep_fds) < 0)
                return EXIT_NOT_ALLOWED;
        r = execute(launch);
        if (ours >= 0)
                (void) channel_send(ours, CHANNEL_FAILED, -1);
        return r;
}
