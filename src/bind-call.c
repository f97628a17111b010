/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "notification.h"
#include "replace.h"

/* A signal may end the call before the answer arrives, and then the target makes it again, on a socket for
 * which it has been carried out already (seccomp_unotify(2), SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV). */
void answer_bound(struct bind_call *bind_call, uint64_t cookie) {
        struct answerer *answerer = bind_call->answerer;

        replace_fd(&bind_call->fd, -1);
        if (listener_answer(bind_call->target->listener, bind_call->target->id, 0) != -ENOENT)
                return;
        answerer->unanswered[answerer->next_unanswered++ % UNANSWERED_MAX] = cookie;
}

void answer_failed(struct bind_call *bind_call, int error) {
        replace_fd(&bind_call->fd, -1);
        (void) listener_answer(bind_call->target->listener, bind_call->target->id, error);
}

bool take_unanswered(struct answerer *answerer, uint64_t cookie) {
        for (size_t i = 0; i < UNANSWERED_MAX; i++)
                if (answerer->unanswered[i] == cookie) {
                        answerer->unanswered[i] = 0;
                        return true;
                }
        return false;
}

void log_bind(const struct bind_call *bind_call, int priority, const char *message_id,
              const struct decision *decision, const char *result) {
        char asked[REQUEST_STRING_MAX];
        struct log_entry entry = {
                .message_id = message_id,
                .tid = bind_call->target->tid,
                .requested = asked,
                .rule = decision && decision->rule ? decision->rule->text
                                                   : (decision && decision->automatic ? "auto" : NULL),
                .result = result,
        };

        if (!log_wants(priority))
                return;
        (void) describe_request(bind_call, asked);
        log_decision(priority, &entry);
}

const char *describe_request(const struct bind_call *bind_call, char buffer[static REQUEST_STRING_MAX]) {
        const char *protocol = protocol_name(bind_call->info.kind.protocol);
        char text[ADDRESS_STRING_MAX];

        (void) snprintf(buffer, REQUEST_STRING_MAX, "%s%s%s", protocol ? protocol : "", protocol ? " " : "",
                        address_format(&bind_call->request.address, text));
        return buffer;
}

/* Closes our copy of a socket that is neither bound nor connected. Returns whether another process has it
 * open: then an epoll registration outlives it, and tells that it hangs or can be written to. */
static bool is_open_elsewhere(int *fd) {
        _cleanup_close_ int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLOUT};

        (void) epoll_ctl(epoll_fd, EPOLL_CTL_ADD, *fd, &event);
        replace_fd(fd, -1);
        return epoll_wait(epoll_fd, &event, 1, 0) > 0;
}

/* Our copy goes at once: its epoll registrations go with the last. */
int put_in_place(struct bind_call *bind_call, int fd) {
        int r;

        replay_file_flags(bind_call->target, bind_call->fd, fd, bind_call->call->fd);
        r = replace_socket(bind_call->target, bind_call->fd, bind_call->call->fd, fd);
        return r < 0 ? r : is_open_elsewhere(&bind_call->fd);
}

/* Index of a passed socket that the rule names; n_passed: there is none */
static size_t find_named(const struct policy *policy, const struct rule *rule) {
        for (size_t j = 0; j < rule->n_steps; j++)
                for (size_t i = 0; i < policy->n_passed; i++)
                        if (step_names_passed(&rule->steps[j], &policy->passed[i]))
                                return i;
        return policy->n_passed;
}

/* How a .socket unit writes the address */
static const char *unit_address(const struct address *address, char buffer[static ADDRESS_STRING_MAX]) {
        const char *text = address_format(address, buffer);

        return address->family == AF_UNIX ? text + strlen("unix:") : text;
}

/* A rule was to give a passed socket to this bind, but could not: a name may be mistyped, or the .socket
 * unit have another kind of socket. Says why, and what to do; after what came of it instead ("really
 * bound"). */
static void describe_not_adopted(const struct bind_call *bind_call, const struct rule *rule,
                                 const char *instead, char result[static RESULT_MAX]) {
        const struct policy *policy = bind_call->answerer->policy;
        size_t index = find_named(policy, rule);
        struct address wanted = bind_call->request.address;
        char text[ADDRESS_STRING_MAX], line[ADDRESS_STRING_MAX];
        int n;

        if (policy->n_passed == 0) {
                (void) snprintf(result, RESULT_MAX, "%s, no socket was passed", instead);
                return;
        }
        if (index < policy->n_passed) {
                const struct passed_socket *named = &policy->passed[index];

                if (address_is_ip(&named->address) && address_is_ip(&wanted))
                        wanted.port = named->address.port;
                (void) snprintf(result, RESULT_MAX,
                                "%s: passed socket %.64s is %s %.120s, which cannot take its place; the "
                                ".socket unit needs %s=%.120s",
                                instead, named->name, socket_kind_name(&named->kind),
                                address_format(&named->address, text),
                                unit_listen_key(&bind_call->request.kind), unit_address(&wanted, line));
                return;
        }
        n = snprintf(result, RESULT_MAX, "%s: what the rule names was not passed; there are", instead);
        for (size_t i = 0; i < policy->n_passed && n < RESULT_MAX; i++)
                n += snprintf(result + n, (size_t) (RESULT_MAX - n), "%s %s=%u %.64s", i == 0 ? "" : ",",
                              policy->passed[i].inherited ? "fd" : "sd", policy->passed[i].index,
                              policy->passed[i].name);
}

/* The first time, its user should know, except that where nothing was passed a real bind is the way of
 * things; a program may well bind many addresses that the rule covers. */
void log_not_adopted(struct bind_call *bind_call, const char *message_id, const struct decision *decision,
                     const char *instead) {
        const struct policy *policy = bind_call->answerer->policy;
        bool *told = &bind_call->answerer->told_not_adopted[decision->rule - policy->rules];
        bool refused = decision->verdict == VERDICT_FAIL;
        char result[RESULT_MAX];

        describe_not_adopted(bind_call, decision->rule, instead, result);
        log_bind(bind_call, *told || (policy->n_passed == 0 && !refused) ? LOG_INFO : LOG_WARNING,
                 message_id, decision, result);
        *told = true;
}
