/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "notification.h"

/* The kernel binds a socket once; but a raw one any number of times, and its "port" is its protocol. */
static bool is_bound(const struct bind_call *bind_call) {
        struct address address;

        if (bind_call->info.kind.type == SOCK_RAW)
                return false;
        if (socket_address_read(bind_call->fd, bind_call->info.kind.domain, &address) < 0)
                return false;
        if (address.family == AF_UNIX)
                return address.unix_length > 0;
        return address_is_ip(&address) && address.port != 0;
}

/* SCTP takes an IPv4 address for an AF_INET6 socket in either form (net/sctp/ipv6.c). */
static int read_address(const struct bind_call *bind_call, struct address *ret) {
        const struct socket_kind *kind = &bind_call->info.kind;
        unsigned length = bind_call->call->length;
        int r = address_from_sockaddr(&bind_call->sockaddr, length, kind->domain, ret);

        if (r < 0 && kind->domain == AF_INET6 && kind->protocol == IPPROTO_SCTP &&
            address_from_sockaddr(&bind_call->sockaddr, length, AF_INET, ret) >= 0) {
                *ret = address_map(ret);
                r = 0;
        }
        return r;
}

/* Learns what was asked for. Returns 0, or the errno to answer with; 1: has been answered. A malformed
 * address, or a socket that is bound already, is for the kernel to refuse, which it does on our copies. */
static int read_request(struct bind_call *bind_call) {
        struct bind_request *request = &bind_call->request;
        const struct call *call = bind_call->call;
        int r;

        if (call->address_read)
                bind_call->sockaddr = call->address;
        else {
                r = target_read(bind_call->target, call->pointer, &bind_call->sockaddr, call->length);
                if (r < 0)
                        return r;
        }
        request->kind = bind_call->info.kind;
        request->v6only = bind_call->info.v6only;
        r = read_address(bind_call, &request->address);
        /* Here the kernel would get what it may read in another way, or find a socket that another thread
         * has unbound in the meantime (connect() with AF_UNSPEC). */
        if (is_strict(bind_call->answerer) && (r < 0 || is_bound(bind_call)))
                return r < 0 ? r : -EINVAL;
        if (r < 0 || is_bound(bind_call)) {
                r = bind_as_target(bind_call->target, bind_call->fd, request->kind.domain,
                                   &bind_call->sockaddr, call->length);
                if (r != -EINPROGRESS)
                        (void) listener_answer(bind_call->target->listener, bind_call->target->id, r);
                return 1;
        }
        if (address_is_unix_path(&request->address)) {
                char path[ADDRESS_UNIX_MAX + 1] = {};

                memcpy(path, request->address.unix_name, request->address.unix_length);
                r = unix_path_absolute(bind_call->target, AT_FDCWD, path, bind_call->path);
                if (r >= 0)
                        request->path = bind_call->path;
                request->same_file =
                        find_passed_path(bind_call->answerer, bind_call->target, AT_FDCWD, path);
        }
        return 0;
}

static int bind_as_asked(struct bind_call *bind_call, const struct decision *decision) {
        uint64_t cookie = bind_call->info.cookie;
        int r = is_strict(bind_call->answerer)
                        ? strict_bind(bind_call, &bind_call->request.address, false, &cookie)
                        : bind_as_target(bind_call->target, bind_call->fd, bind_call->info.kind.domain,
                                         &bind_call->sockaddr, bind_call->call->length);

        if (r < 0 && r != -EINPROGRESS)
                return r;
        readiness_bound(bind_call->answerer->readiness, decision->rule, &bind_call->info.kind,
                        &bind_call->request.address, cookie);
        if (r == -EINPROGRESS) {
                log_bind(bind_call, LOG_WARNING, MESSAGE_BOUND, decision,
                         "really bound as soon as its file system answers");
                return 0;
        }
        answer_bound(bind_call, cookie);
        if (decision->step == decision->rule->n_steps)
                log_not_adopted(bind_call, MESSAGE_BOUND, decision, "really bound");
        else
                log_bind(bind_call, LOG_INFO, MESSAGE_BOUND, decision, "really bound");
        return 0;
}

static void leave_to_kernel(struct bind_call *bind_call, const struct decision *decision) {
        const struct passed_socket *wider =
                policy_find_wider(bind_call->answerer->policy, &bind_call->request);
        char text[ADDRESS_STRING_MAX], result[RESULT_MAX];

        if (address_is_ip(&bind_call->request.address) && bind_call->request.address.port != 0)
                bind_call->answerer->unmatched = bind_call->request.address;
        readiness_bound_by_itself(bind_call->answerer->readiness, &bind_call->info.kind,
                                  &bind_call->request.address);
        (void) listener_continue(bind_call->target->listener, bind_call->target->id);
        if (!wider) {
                log_bind(bind_call, LOG_DEBUG, MESSAGE_LEFT_ALONE, decision, "left to the kernel");
                return;
        }
        (void) snprintf(
                result, sizeof(result),
                "left to the kernel: passed socket %s is wider than what was asked; to give it all the "
                "same: %s=sd=%s",
                wider->name, address_format(&bind_call->request.address, text), wider->name);
        log_bind(bind_call, LOG_WARNING, MESSAGE_LEFT_ALONE, decision, result);
}

/* No rule speaks of this bind, and nobody can be reached over IP by it: a Unix socket, netlink. The kernel
 * would look at the descriptor a second time, so it is done here. */
static int bind_unmatched(struct bind_call *bind_call) {
        int r = bind_as_target(bind_call->target, bind_call->fd, bind_call->info.kind.domain,
                               &bind_call->sockaddr, bind_call->call->length);

        if (r >= 0)
                answer_bound(bind_call, bind_call->info.cookie);
        return r == -EINPROGRESS ? 0 : r;
}

static void refuse(struct bind_call *bind_call, const struct decision *decision) {
        char text[ADDRESS_STRING_MAX], result[RESULT_MAX];

        answer_failed(bind_call, -decision->error);
        if (decision->passed) {
                struct address ipv4 = ipv4_of_passed(decision->passed);

                (void) snprintf(result, sizeof(result),
                                "refused with EAFNOSUPPORT: passed socket %s is dual-stack; the .socket "
                                "unit needs %s=%s",
                                decision->passed->name, unit_listen_key(&decision->passed->kind),
                                address_format(&ipv4, text));
                log_bind(bind_call, LOG_WARNING, MESSAGE_DENIED, decision, result);
                return;
        }
        if (!log_wants(LOG_WARNING))
                return;
        (void) snprintf(result, sizeof(result), "refused with %s",
                        strerrorname_np(decision->error) ? strerrorname_np(decision->error) : "an error");
        if (decision->rule && rule_adopts(decision->rule))
                log_not_adopted(bind_call, MESSAGE_DENIED, decision, result);
        else
                log_bind(bind_call, LOG_INFO, MESSAGE_DENIED, decision, result);
}

/* Carries a decision out and answers. Returns 0; or the errno with which this step failed, and then nothing
 * was answered. */
static int carry_out(struct bind_call *bind_call, const struct decision *decision) {
        switch (decision->verdict) {
        case VERDICT_CONTINUE:
                if (is_strict(bind_call->answerer))
                        return bind_unmatched(bind_call);
                leave_to_kernel(bind_call, decision);
                return 0;
        case VERDICT_ADOPT:
                return adopt(bind_call, decision);
        case VERDICT_PARK:
                return park(bind_call, decision);
        case VERDICT_BIND:
                return redirect(bind_call, decision);
        case VERDICT_BIND_AS_ASKED:
                return bind_as_asked(bind_call, decision);
        case VERDICT_FAIL:
                refuse(bind_call, decision);
                return 0;
        }
        return -ENOSYS;
}

static void decide_and_carry_out(struct bind_call *bind_call) {
        const struct policy *policy = bind_call->answerer->policy;
        struct decision decision;
        char result[RESULT_MAX];
        int error = 0, r;

        for (size_t step = 0;; step = decision.step + 1) {
                decide(policy, &bind_call->request, step, &decision);
                /* A redirection that failed is not followed by the address it was to lead away from. */
                if (error < 0 && decision.verdict == VERDICT_BIND_AS_ASKED &&
                    decision.step == decision.rule->n_steps)
                        break;
                r = carry_out(bind_call, &decision);
                if (r >= 0 || !listener_call_waits(bind_call->target->listener, bind_call->target->id))
                        return;
                error = r;
                if (!decision.rule || decision.step >= decision.rule->n_steps)
                        break;
        }
        answer_failed(bind_call, error);
        if (!log_wants(LOG_INFO))
                return;
        (void) snprintf(result, sizeof(result), "failed with %s", strerrorname_np(-error));
        log_bind(bind_call, LOG_INFO, MESSAGE_FAILED, &decision, result);
}

bool gives_renamed(struct bind_call *bind_call, int directory_fd, const char *path,
                   const struct passed_socket *passed, struct decision *ret) {
        struct bind_request *request = &bind_call->request;

        request->kind = bind_call->info.kind;
        request->address = passed->address;
        request->same_file = passed;
        if (unix_path_absolute(bind_call->target, directory_fd, path, bind_call->path) >= 0)
                request->path = bind_call->path;
        decide(bind_call->answerer->policy, request, 0, ret);
        return ret->verdict == VERDICT_ADOPT && ret->passed == passed;
}

bool answer_unconcerned_bind(struct answerer *answerer, const struct target *target, struct call *call) {
        struct address address;
        sa_family_t family;

        if (call->length < sizeof(family) || call->length > sizeof(call->address) ||
            target_peek(target, call->pointer, &call->address, call->length) < 0)
                return false;
        call->address_read = true;
        family = call->address.ss_family == AF_UNSPEC ? AF_INET : call->address.ss_family;
        if (log_wants(LOG_DEBUG) ||
            (family != AF_UNIX && address_from_sockaddr(&call->address, call->length, family, &address) < 0))
                return false;
        if (policy_concerns(answerer->policy, family, family == AF_UNIX ? 0 : address.port))
                return false;
        if ((family == AF_INET || family == AF_INET6) && address.port != 0)
                answerer->unmatched = address;
        (void) listener_continue(target->listener, target->id);
        return true;
}

void answer_bind(struct answerer *answerer, const struct target *target, const struct call *call) {
        struct bind_call bind_call = {.answerer = answerer, .target = target, .call = call};
        int r;

        /* move_addr_to_kernel(): EINVAL, unless the descriptor is wrong in the first place */
        if (call->length > sizeof(bind_call.sockaddr) && call->arguments_fixed && !is_strict(answerer)) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        bind_call.fd = target_get_fd(target, call->fd);
        r = bind_call.fd < 0 ? bind_call.fd : socket_info_read(bind_call.fd, &bind_call.info);
        if (r >= 0 && call->length > sizeof(bind_call.sockaddr))
                r = -EINVAL;
        if (r >= 0 && take_unanswered(answerer, bind_call.info.cookie)) {
                (void) listener_answer(target->listener, target->id, 0);
                close_fd(&bind_call.fd);
                return;
        }
        if (r >= 0)
                r = read_request(&bind_call);

        if (r == -EPERM || r == -EACCES || r == -EMFILE || r == -ENFILE)
                answer_refused_access(answerer, target, "bind()", r);
        else if (r < 0)
                (void) listener_answer(target->listener, target->id, r);
        else if (r == 0)
                decide_and_carry_out(&bind_call);
        close_fd(&bind_call.fd);
}
