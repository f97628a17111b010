/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "notification.h"
#include "park.h"
#include "replace.h"
#include "unix-path.h"

/* A signal may end the call before the answer arrives, and then the target makes it again, on a socket for
 * which it has been carried out already (seccomp_unotify(2), SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV). */
static void answer_success(struct answerer *answerer, const struct target *target, uint64_t cookie) {
        if (listener_answer(target->listener, target->id, 0) != -ENOENT)
                return;
        answerer->unanswered[answerer->next_unanswered++ % UNANSWERED_MAX] = cookie;
}

static bool take_unanswered(struct answerer *answerer, uint64_t cookie) {
        for (size_t i = 0; i < UNANSWERED_MAX; i++)
                if (answerer->unanswered[i] == cookie) {
                        answerer->unanswered[i] = 0;
                        return true;
                }
        return false;
}

struct bind_call {
        struct answerer *answerer;
        const struct target *target;
        const struct call *call;
        int fd; /* a copy of the target's socket */
        struct socket_info info;
        struct sockaddr_storage sockaddr;
        struct bind_request request;
        char path[UNIX_PATH_MAX];
        char asked[ADDRESS_STRING_MAX + 16]; /* for the log */
};

/* Room for the description of a result */
#define RESULT_MAX (ADDRESS_STRING_MAX + 300)

static void log_bind(const struct bind_call *bind_call, int priority, const char *message_id,
                     const struct decision *decision, const char *result) {
        struct log_entry entry = {
                .message_id = message_id,
                .tid = bind_call->target->tid,
                .requested = bind_call->asked,
                .rule = decision && decision->rule ? decision->rule->text
                                                   : (decision && decision->automatic ? "auto" : NULL),
                .result = result,
        };

        log_decision(priority, &entry);
}

static void describe_request(struct bind_call *bind_call) {
        const char *protocol = protocol_name(bind_call->info.kind.protocol);
        char text[ADDRESS_STRING_MAX];

        (void) snprintf(bind_call->asked, sizeof(bind_call->asked), "%s%s%s", protocol ? protocol : "",
                        protocol ? " " : "", address_format(&bind_call->request.address, text));
}

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

/* Learns what was asked for. Returns 0, or the errno to answer with. A malformed address, or a socket that
 * is bound already, is for the kernel to refuse, which it does on our copies of both; 1 if it does not. */
static int read_request(struct bind_call *bind_call) {
        struct bind_request *request = &bind_call->request;
        const struct call *call = bind_call->call;
        int r;

        r = target_read(bind_call->target, call->pointer, &bind_call->sockaddr, call->length);
        if (r < 0)
                return r;
        request->kind = bind_call->info.kind;
        request->v6only = bind_call->info.v6only;
        r = address_from_sockaddr(&bind_call->sockaddr, call->length, request->kind.domain,
                                  &request->address);
        if (r < 0 || is_bound(bind_call))
                return bind(bind_call->fd, (const struct sockaddr *) &bind_call->sockaddr, call->length) < 0
                               ? -errno
                               : 1;
        if (address_is_unix_path(&request->address)) {
                char path[ADDRESS_UNIX_MAX + 1] = {};

                memcpy(path, request->address.unix_name, request->address.unix_length);
                r = unix_path_absolute(bind_call->target, path, bind_call->path);
                if (r >= 0)
                        request->path = bind_call->path;
                request->same_file =
                        find_passed_path(bind_call->answerer, bind_call->target, AT_FDCWD, path);
        }
        describe_request(bind_call);
        return 0;
}

static struct passed_state *state_of(const struct answerer *answerer, const struct passed_socket *passed) {
        return &answerer->states[passed - answerer->policy->passed];
}

/* Puts fd in the place of the target's socket. Our copy goes at once: its epoll registrations go with the
 * last. */
static int put_in_place(struct bind_call *bind_call, int fd) {
        int r;

        replay_file_flags(bind_call->fd, fd, bind_call->call->fd);
        r = replace_socket(bind_call->target, bind_call->fd, bind_call->call->fd, fd);
        if (r >= 0)
                replace_fd(&bind_call->fd, -1);
        return r;
}

/* The program has one socket for both families, the unit has one for each. */
static void complain_about_unserved(struct bind_call *bind_call, const struct passed_socket *adopted) {
        struct readiness *readiness = bind_call->answerer->readiness;
        const struct passed_socket *unserved =
                policy_find_unserved(bind_call->answerer->policy, &bind_call->request, adopted);
        char text[ADDRESS_STRING_MAX];

        if (!unserved || readiness->unserved == unserved)
                return;
        readiness->unserved = unserved;
        log_message(LOG_WARNING,
                    "nobody serves passed socket %s, %s: the program has one socket for both families, and "
                    "it got the IPv6 one; the .socket unit needs one ListenStream=%u in the place of two",
                    unserved->name, address_format(&unserved->address, text), unserved->address.port);
}

static int adopt(struct bind_call *bind_call, const struct decision *decision) {
        struct answerer *answerer = bind_call->answerer;
        struct passed_socket *passed = decision->passed;
        struct passed_state *state = state_of(answerer, passed);
        char address[ADDRESS_STRING_MAX], result[RESULT_MAX];
        unsigned n_failed;
        int r;

        if (!state->known) {
                struct socket_info info = {.kind = passed->kind};

                state->known = socket_options_read(passed->fd, &info);
        }
        n_failed = socket_options_replay(bind_call->fd, &bind_call->info, passed->fd, state->known);
        if (n_failed > 0)
                log_message(LOG_DEBUG, "%s: %u socket options could not be carried over", bind_call->asked,
                            n_failed);
        disconnect_datagram(passed);
        r = put_in_place(bind_call, passed->fd);
        if (r < 0)
                return r;
        readiness_adopted(answerer->readiness, decision->rule, passed, &bind_call->request.address);
        answer_success(answerer, bind_call->target, passed->cookie);

        (void) snprintf(result, sizeof(result), "adopted %s=%u %s, %s", passed->inherited ? "fd" : "sd",
                        passed->index, passed->name, address_format(&passed->address, address));
        log_bind(bind_call, LOG_INFO, MESSAGE_ADOPTED, decision, result);
        complain_about_unserved(bind_call, passed);
        return 0;
}

/* A program that binds IPv4 and IPv6 apart, or tries the one after the other, meets a single AF_INET socket:
 * the kernel would not have let it bind both (or one of them would have received nothing, with
 * SO_REUSEPORT), and both of its descriptors would wake for each client. */
static bool has_it_already(const struct bind_call *bind_call, const struct passed_socket *passed) {
        _cleanup_close_ int copy = -1;
        struct stat st;

        if (!passed->used || passed->kind.domain != AF_INET ||
            passed->used_for.family == bind_call->request.address.family || fstat(passed->fd, &st) < 0)
                return false;
        copy = target_find_socket(bind_call->target, st.st_ino);
        return copy >= 0;
}

/* Lets the bind succeed on a socket that receives nothing, in favour of the program's bind of the other
 * family: beside one that has been made, or for one that will be. */
static int park(struct bind_call *bind_call, const struct decision *decision, bool beside) {
        const struct address *address = &bind_call->request.address;
        const struct passed_socket *passed = decision->passed;
        _cleanup_close_ int parked = make_parked_socket(&bind_call->info, address);
        char text[ADDRESS_STRING_MAX], result[RESULT_MAX];
        uint64_t cookie = bind_call->info.cookie;
        struct socket_info info;
        int r;

        if (parked >= 0) {
                r = socket_info_read(parked, &info);
                if (r < 0)
                        return r;
                cookie = info.cookie;
                (void) socket_options_replay(bind_call->fd, &bind_call->info, parked, NULL);
                r = put_in_place(bind_call, parked);
        } else
                r = park_in_place(bind_call->fd, address);
        if (r < 0)
                return r;

        if (beside)
                readiness_parked_beside(bind_call->answerer->readiness, decision->rule);
        else
                readiness_parked(bind_call->answerer->readiness, address, decision->passed);
        answer_success(bind_call->answerer, bind_call->target, cookie);
        (void) snprintf(result, sizeof(result), "parked: %s=%u %s, %s %s", passed->inherited ? "fd" : "sd",
                        passed->index, passed->name, address_format(&passed->address, text),
                        beside ? "is what the program's other bind of this port has got"
                               : "is dual-stack and goes to the IPv6 bind");
        log_bind(bind_call, LOG_INFO, MESSAGE_PARKED, decision, result);
        return 0;
}

/* What was made for this address before. NULL: nothing. */
static struct made_path *find_made_path(struct answerer *answerer, const struct address *address) {
        for (unsigned i = 0; i < answerer->n_made_paths; i++)
                if (address_equal(&answerer->made_paths[i].address, address))
                        return &answerer->made_paths[i];
        return NULL;
}

/* Notes what to remove in the end. A path that is bound again takes its own place. */
static void remember_made_path(struct answerer *answerer, const struct made_path *made) {
        struct made_path *earlier = find_made_path(answerer, &made->address);

        if (earlier)
                *earlier = *made;
        else if (answerer->n_made_paths < MADE_PATHS_MAX)
                answerer->made_paths[answerer->n_made_paths++] = *made;
}

/* A program that binds several addresses of which the rule makes one has one socket for them, as it would
 * adopt one passed socket for them. Returns a copy of it, if the program has it open still. */
static int find_shared(const struct bind_call *bind_call, const struct made_path *made) {
        _cleanup_close_ int fd = target_find_socket(bind_call->target, made->socket_inode);
        struct socket_info info;

        if (fd < 0 || socket_info_read(fd, &info) < 0 || info.kind.type != bind_call->info.kind.type)
                return -EBADF;
        return take_fd(&fd);
}

/* The target's Unix socket is bound elsewhere. */
static int bind_unix(struct bind_call *bind_call, const struct address *address) {
        struct answerer *answerer = bind_call->answerer;
        struct made_path made;
        int r;

        r = bind_to_made_path(bind_call->fd, bind_call->info.kind.type, address,
                              find_made_path(answerer, address), &made);
        if (r >= 0)
                remember_made_path(answerer, &made);
        return r;
}

/* The target's IP socket becomes a Unix socket. */
static int become_unix(struct bind_call *bind_call, const struct address *address, uint64_t *ret_cookie) {
        struct answerer *answerer = bind_call->answerer;
        const struct made_path *earlier = find_made_path(answerer, address);
        _cleanup_close_ int fd = earlier ? find_shared(bind_call, earlier) : -1;
        int type = bind_call->info.kind.type, r;
        bool shared = fd >= 0;
        struct socket_info info;
        struct made_path made;

        if (!shared)
                fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = socket_info_read(fd, &info);
        if (r >= 0 && !shared)
                r = bind_to_made_path(fd, type, address, earlier, &made);
        if (r < 0)
                return r;
        r = put_in_place(bind_call, fd);
        if (r < 0) {
                if (!shared)
                        remove_made_path(&made);
                return r;
        }
        if (!shared)
                remember_made_path(answerer, &made);
        *ret_cookie = info.cookie;
        return 0;
}

/* Binds one address of a redirecting step. */
static int bind_elsewhere(struct bind_call *bind_call, const struct step *step,
                          const struct address *address, uint64_t *ret_cookie) {
        struct sockaddr_storage sockaddr;
        socklen_t length;

        *ret_cookie = bind_call->info.cookie;
        if (address->family == AF_UNIX)
                return bind_call->info.kind.domain == AF_UNIX ? bind_unix(bind_call, address)
                                                              : become_unix(bind_call, address, ret_cookie);
        /* A port that the rule names is the administrator's word; one that the target chose needs its
         * rights. */
        if (step->kind == STEP_HOST || step->has_port)
                return bind_as_supervisor(bind_call->fd, address);
        length = address_to_sockaddr(address, &sockaddr);
        return bind_as_target(bind_call->target, bind_call->fd, bind_call->info.kind.domain, &sockaddr,
                              length);
}

/* Tries the addresses of a redirecting step in order. */
static int redirect(struct bind_call *bind_call, const struct decision *decision) {
        const struct step *step = &decision->rule->steps[decision->step];
        char text[ADDRESS_STRING_MAX], result[RESULT_MAX];
        struct address address, bound;
        uint64_t cookie;
        int error = -EADDRNOTAVAIL, r;

        for (size_t i = 0; i < decision->n_addresses; i++) {
                r = decision_address(decision, &bind_call->request, i, &address);
                if (r >= 0)
                        r = bind_elsewhere(bind_call, step, &address, &cookie);
                if (r < 0) {
                        error = r;
                        continue;
                }
                if (address.port == 0 &&
                    socket_address_read(bind_call->fd, bind_call->info.kind.domain, &bound) == 0)
                        address = bound;
                readiness_bound(bind_call->answerer->readiness, decision->rule, &bind_call->info.kind,
                                &address, cookie);
                answer_success(bind_call->answerer, bind_call->target, cookie);
                (void) snprintf(result, sizeof(result), "bound to %s", address_format(&address, text));
                log_bind(bind_call, LOG_INFO, MESSAGE_REDIRECTED, decision, result);
                return 0;
        }
        return error;
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
static void log_not_adopted(struct bind_call *bind_call, const char *message_id,
                            const struct decision *decision, const char *instead) {
        const struct policy *policy = bind_call->answerer->policy;
        bool *told = &bind_call->answerer->told_not_adopted[decision->rule - policy->rules];
        bool refused = decision->verdict == VERDICT_FAIL;
        char result[RESULT_MAX];

        describe_not_adopted(bind_call, decision->rule, instead, result);
        log_bind(bind_call, *told || (policy->n_passed == 0 && !refused) ? LOG_INFO : LOG_WARNING,
                 message_id, decision, result);
        *told = true;
}

static int bind_as_asked(struct bind_call *bind_call, const struct decision *decision) {
        int r = bind_as_target(bind_call->target, bind_call->fd, bind_call->info.kind.domain,
                               &bind_call->sockaddr, bind_call->call->length);

        if (r < 0)
                return r;
        readiness_bound(bind_call->answerer->readiness, decision->rule, &bind_call->info.kind,
                        &bind_call->request.address, bind_call->info.cookie);
        answer_success(bind_call->answerer, bind_call->target, bind_call->info.cookie);
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

static void refuse(struct bind_call *bind_call, const struct decision *decision) {
        char text[ADDRESS_STRING_MAX], result[RESULT_MAX];

        (void) listener_answer(bind_call->target->listener, bind_call->target->id, -decision->error);
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
        (void) snprintf(result, sizeof(result), "refused with %s",
                        strerrorname_np(decision->error) ? strerrorname_np(decision->error) : "an error");
        if (rule_adopts(decision->rule))
                log_not_adopted(bind_call, MESSAGE_DENIED, decision, result);
        else
                log_bind(bind_call, LOG_INFO, MESSAGE_DENIED, decision, result);
}

/* Carries a decision out and answers. Returns 0; or the errno with which this step failed, and then nothing
 * was answered. */
static int carry_out(struct bind_call *bind_call, const struct decision *decision) {
        switch (decision->verdict) {
        case VERDICT_CONTINUE:
                leave_to_kernel(bind_call, decision);
                return 0;
        case VERDICT_ADOPT:
                return has_it_already(bind_call, decision->passed) ? park(bind_call, decision, true)
                                                                   : adopt(bind_call, decision);
        case VERDICT_PARK:
                return park(bind_call, decision, false);
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
        (void) listener_answer(bind_call->target->listener, bind_call->target->id, error);
        (void) snprintf(result, sizeof(result), "failed with %s", strerrorname_np(-error));
        log_bind(bind_call, LOG_INFO, MESSAGE_FAILED, &decision, result);
}

bool answer_unconcerned_bind(struct answerer *answerer, const struct target *target,
                             const struct call *call) {
        struct sockaddr_storage sockaddr = {};
        struct address address;
        sa_family_t family;

        if (call->length < sizeof(family) || call->length > sizeof(sockaddr) || log_wants(LOG_DEBUG) ||
            target_read(target, call->pointer, &sockaddr, call->length) < 0)
                return false;
        family = sockaddr.ss_family == AF_UNSPEC ? AF_INET : sockaddr.ss_family;
        if (family != AF_UNIX && address_from_sockaddr(&sockaddr, call->length, family, &address) < 0)
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
        if (call->length > sizeof(bind_call.sockaddr) && call->arguments_fixed) {
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
        else if (r != 0)
                (void) listener_answer(target->listener, target->id, r < 0 ? r : 0);
        else
                decide_and_carry_out(&bind_call);
        close_fd(&bind_call.fd);
}
