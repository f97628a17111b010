/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "answer-private.h"
#include "in-child.h"
#include "notification.h"

/* Failures to look into a process that are logged one by one; a hostile one could fill the disk otherwise.
 */
#define ACCESS_FAILURES_LOGGED 20

/* Under --strict, other calls wait so long for a slow one (and so long while there are slow ones), which is
 * refused after that time. A path on a slow file system is not meant, see real-bind.h. */
#define PATIENCE_MS 100
#define HURRY_MS 10
#define LIMIT_MS 5000

struct passed_socket *find_passed(const struct answerer *answerer, uint64_t cookie) {
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (answerer->policy->passed[i].cookie == cookie)
                        return &answerer->policy->passed[i];
        return NULL;
}

void remember_stand_in(struct answerer *answerer, uint64_t cookie, const struct passed_socket *passed) {
        unsigned slot = answerer->next_stand_in++ % STAND_INS_MAX;

        answerer->stand_ins[slot].cookie = cookie;
        answerer->stand_ins[slot].passed = (size_t) (passed - answerer->policy->passed);
}

struct passed_socket *find_stood_for(const struct answerer *answerer, uint64_t cookie) {
        for (size_t i = 0; i < STAND_INS_MAX; i++)
                if (answerer->stand_ins[i].cookie != 0 && answerer->stand_ins[i].cookie == cookie)
                        return &answerer->policy->passed[answerer->stand_ins[i].passed];
        return NULL;
}

/* What stands behind the last slash */
static const char *file_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static bool has_file_name(const struct passed_socket *passed, const char *name) {
        char path[ADDRESS_UNIX_MAX + 1] = {};

        memcpy(path, passed->address.unix_name, passed->address.unix_length);
        return strcmp(file_name(path), name) == 0;
}

static bool may_be_passed_path(const struct answerer *answerer, const struct target *target,
                               uint64_t pointer) {
        char path[PATH_MAX];

        if (target_read_string(target, pointer, path, sizeof(path)) < 0)
                return false;
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (answerer->states[i].file.inode != 0 &&
                    has_file_name(&answerer->policy->passed[i], file_name(path)))
                        return true;
        return false;
}

/* A first look at a call, before the target is opened: whether it may concern us at all */
static bool concerns(struct answerer *answerer, const struct target *target, const struct call *call) {
        switch (call->kind) {
        case CALL_CONNECT:
                return concerns_connect(answerer);
        case CALL_RENAME:
        case CALL_RENAMEAT:
        case CALL_RENAMEAT2:
                return may_be_passed_path(answerer, target, call->new_pointer) ||
                       may_be_passed_path(answerer, target, call->pointer);
        case CALL_UNLINK:
        case CALL_UNLINKAT:
                return may_be_passed_path(answerer, target, call->pointer);
        case CALL_BIND:
        case CALL_LISTEN:
        case CALL_SHUTDOWN:
        case CALL_SOCKET:
        case CALL_OTHER:
                return true;
        case CALL_SETSOCKOPT:
                return call->level == IPPROTO_IP || call->level == IPPROTO_IPV6;
        }
        return true;
}

const struct passed_socket *find_passed_path(const struct answerer *answerer, const struct target *target,
                                             int directory_fd, const char *path) {
        const struct policy *policy = answerer->policy;
        const char *name = file_name(path);

        for (size_t i = 0; i < policy->n_passed; i++)
                if (answerer->states[i].file.inode != 0 && has_file_name(&policy->passed[i], name) &&
                    unix_path_is(target, directory_fd, path, &answerer->states[i].file))
                        return &policy->passed[i];
        return NULL;
}

void disconnect_datagram(const struct passed_socket *passed) {
        struct sockaddr nobody = {.sa_family = AF_UNSPEC};
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);

        if (passed->kind.type == SOCK_DGRAM && address_is_ip(&passed->address) &&
            getpeername(passed->fd, (struct sockaddr *) &peer, &length) == 0)
                (void) connect(passed->fd, &nobody, sizeof(nobody));
}

void answer_refused_access(struct answerer *answerer, const struct target *target, const char *call,
                           int error) {
        bool denies = is_strict(answerer) || policy_denies(answerer->policy);
        char name[17];

        if (answerer->n_access_failures < ACCESS_FAILURES_LOGGED) {
                answerer->n_access_failures++;
                log_message(LOG_ERR, "%s[%d]: %s: cannot see what it asks for, %s: %s%s: %s",
                            thread_name(target->tid, name), target->tid, call,
                            denies ? "refusing it" : "leaving it to the kernel", strerrorname_np(-error),
                            answerer->n_access_failures == ACCESS_FAILURES_LOGGED
                                    ? " (no more of these are logged)"
                                    : "",
                            error == -EPERM || error == -EACCES ? target_access_hint() : strerror(-error));
        }
        /* Never fail open where a rule denies. */
        if (denies)
                (void) listener_answer(target->listener, target->id, -EACCES);
        else
                (void) listener_continue(target->listener, target->id);
}

void remember_listening_process(struct answerer *answerer, const struct target *target) {
        if (!answerer->tell_listening_process)
                return;
        answerer->listening_process = process_of_thread(target->tid);
        replace_fd(&answerer->listening_pidfd, pidfd_open(answerer->listening_process, 0));
}

static void observe(struct answerer *answerer, const struct target *target, const struct call *call) {
        if (observe_call(answerer->observer, target, call))
                remember_listening_process(answerer, target);
}

static void answer_call(struct answerer *answerer, const struct target *target, const struct call *call) {
        switch (call->kind) {
        case CALL_BIND:
                answer_bind(answerer, target, call);
                break;
        case CALL_LISTEN:
                answer_listen(answerer, target, call);
                break;
        case CALL_SHUTDOWN:
                answer_shutdown(answerer, target, call);
                break;
        case CALL_UNLINK:
        case CALL_UNLINKAT:
                answer_unlink(answerer, target, call);
                break;
        case CALL_RENAME:
        case CALL_RENAMEAT:
        case CALL_RENAMEAT2:
                answer_rename(answerer, target, call);
                break;
        case CALL_CONNECT:
                answer_connect(answerer, target, call);
                break;
        case CALL_SETSOCKOPT:
                answer_join(answerer, target, call);
                break;
        case CALL_SOCKET:
                answer_socket(target, call);
                break;
        case CALL_OTHER:
                if (is_strict(answerer))
                        (void) listener_answer(target->listener, target->id, -ENOSYS);
                else
                        (void) listener_continue(target->listener, target->id);
                break;
        }
}

static void answer_notification(struct answerer *answerer, const struct seccomp_notif *notification) {
        struct target target = {
                .listener = answerer->listener,
                .id = notification->id,
                .tid = (pid_t) notification->pid,
                .pidfd = -1,
                .known = is_strict(answerer) ? NULL
                                             : &answerer->known_thread, /* a child keeps nothing open */
        };
        struct call call;
        int r;

        r = call_decode(notification, &target, &call);
        if (r == -EFAULT) {
                (void) listener_answer(target.listener, target.id, r);
                return;
        }
        if (r >= 0 && !answerer->observer && !is_strict(answerer) && call.kind == CALL_BIND &&
            answer_unconcerned_bind(answerer, &target, &call))
                return;
        if (r >= 0 && !concerns(answerer, &target, &call)) {
                (void) listener_continue(target.listener, target.id);
                return;
        }
        if (r >= 0)
                r = target_open(&target);
        if (r ==
            -ENOENT) /* waits no more; should it do so (a process ID we cannot see), then not for ever */
                (void) listener_answer(target.listener, target.id, -EACCES);
        else if (r < 0)
                answer_refused_access(answerer, &target, "a system call", r);
        else if (answerer->observer)
                observe(answerer, &target, &call);
        else
                answer_call(answerer, &target, &call);
        target_close(&target);
}

/* --- no request holds up others --- */

struct isolated {
        struct answerer *answerer;
        const struct seccomp_notif *notification;
};

static int answer_isolated(void *argument) {
        const struct isolated *isolated = argument;

        (void) signal(END_SLOW_SIGNAL, SIG_DFL); /* we ignore it */
        answer_notification(isolated->answerer, isolated->notification);
        return 0;
}

static void end_slow(struct answerer *answerer, struct slow_call *slow) {
        (void) pidfd_send_signal(slow->pidfd, END_SLOW_SIGNAL, NULL, 0);
        (void) listener_answer(answerer->listener, slow->id, -EACCES); /* unless it has been answered */
        close_fd(&slow->pidfd);
        *slow = answerer->slow[--answerer->n_slow];
}

void answerer_end_slow(struct answerer *answerer) {
        for (unsigned i = answerer->n_slow; i > 0; i--) {
                struct slow_call *slow = &answerer->slow[i - 1];
                struct pollfd end = {.fd = slow->pidfd, .events = POLLIN};

                if (monotonic_ms() >= slow->deadline || poll(&end, 1, 0) > 0)
                        end_slow(answerer, slow);
        }
}

/* The target's memory may be a file whose file system does not answer, or a thread of its hold the socket's
 * lock meanwhile; whoever looks there waits. Under --strict, that is a process of its own. All that it
 * changes lies in shared memory, see supervisor.c. */
static void answer_apart(struct answerer *answerer, const struct seccomp_notif *notification) {
        struct isolated isolated = {answerer, notification};
        int pidfd, r;

        r = run_in_child_for(answerer->n_slow > 0 ? HURRY_MS : PATIENCE_MS, answer_isolated, &isolated,
                             &pidfd);
        if (r == -EINPROGRESS) {
                if (answerer->n_slow == SLOW_CALLS_MAX)
                        end_slow(answerer, &answerer->slow[0]);
                answerer->slow[answerer->n_slow++] =
                        (struct slow_call){notification->id, pidfd, monotonic_ms() + LIMIT_MS};
        } else if (r < 0)
                (void) listener_answer(answerer->listener, notification->id, -EACCES);
}

void answer_one(struct answerer *answerer) {
        struct seccomp_notif notification;

        if (listener_receive(answerer->listener, &notification) < 0)
                return; /* interrupted, or gone again: nothing is wrong */
        if (is_strict(answerer))
                answer_apart(answerer, &notification);
        else
                answer_notification(answerer, &notification);
}

void answerer_clean_up(struct answerer *answerer) {
        leave_groups(answerer);
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (answerer->states[i].known) {
                        disconnect_datagram(&answerer->policy->passed[i]);
                        socket_options_restore(answerer->policy->passed[i].fd, answerer->states[i].known);
                        free(answerer->states[i].known);
                        answerer->states[i].known = NULL;
                }
        for (unsigned i = 0; i < answerer->n_made_paths; i++)
                remove_made_path(&answerer->made_paths[i]);
}
