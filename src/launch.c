/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "launch.h"

#include <string.h>
#include <sys/socket.h>

#include "closing-filter.h"
#include "fd-channel.h"
#include "filter.h"
#include "log.h"
#include "manager.h"
#include "start-supervisor.h"
#include "strict-start.h"
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

/* Returns 0, or a negative errno after logging why. */
static int install_filter(const struct filter_program *program, bool traps, int *ret_listener) {
        enum filter_failure failure;
        int r = filter_install(program, traps, ret_listener, &failure);

        if (r < 0)
                explain_filter_failure(failure, r);
        return r;
}

static int close_calls(const struct closing *closing) {
        struct filter_program program;
        int r;

        if (closing_has_no_calls(closing))
                return 0;
        r = closing_write_filter(closing, &program);
        if (r == -ELIBACC)
                log_message(
                        LOG_ERR,
                        "--close-calls= and --close-families= need libseccomp.so.2, which cannot be loaded");
        else if (r < 0)
                explain_filter_failure(FILTER_OTHER, r);
        if (r < 0)
                return r;
        return install_filter(&program, false, &(int){-1});
}

/* Puts this process under the supervisor. On success, *ret_channel is the caller's. */
static int become_supervised(const struct supervisor *supervisor, unsigned traps, int *ret_channel) {
        _cleanup_close_ int channel = -1, listener = -1;
        struct filter_program program;
        int r;

        r = supervisor_start(supervisor, &channel);
        if (r < 0)
                return r;
        filter_write(traps, &program);
        r = install_filter(&program, true, &listener);
        if (r >= 0)
                r = supervisor_give(channel, listener);
        if (r >= 0)
                *ret_channel = take_fd(&channel);
        return r;
}

/* The supervisor may look at the target from now on, and nothing more is needed of what is given up here. */
static int lower_target(const struct launch *launch) {
        int r;

        if (launch->policy.strict != STRICT_OFF) {
                r = strict_lower_target(&launch->policy);
                if (r < 0)
                        return r;
        }
        /* These may be needed for all that was installed before. */
        r = close_calls(&launch->closing);
        if (r < 0)
                return r;
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
        _cleanup_close_ int channel = -1;
        int status;

        if (traps != 0) {
                if (become_supervised(&supervisor, traps, &channel) < 0)
                        return EXIT_NOT_ALLOWED;
        } else if (launch->ready_mode == READY_EXEC)
                (void) manager_notify(0, "READY=1");

        if (lower_target(launch) < 0)
                return EXIT_NOT_ALLOWED;
        passed_sockets_leave(launch->passed, launch->keep_fds);
        if (policy.strict != STRICT_OFF &&
            strict_close_descriptors(&policy, launch->passed, launch->keep_fds) < 0)
                return EXIT_NOT_ALLOWED;
        status = execute(launch);
        if (channel >= 0)
                (void) channel_send(channel, CHANNEL_FAILED, -1);
        return status;
}
