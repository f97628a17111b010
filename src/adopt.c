/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <stdio.h>
#include <sys/stat.h>

#include "park.h"

static struct passed_state *state_of(const struct answerer *answerer, const struct passed_socket *passed) {
        return &answerer->states[passed - answerer->policy->passed];
}

bool learn_options(struct answerer *answerer, const struct passed_socket *passed) {
        struct passed_state *state = state_of(answerer, passed);
        struct socket_info info = {.kind = passed->kind};

        if (state->known)
                return false;
        state->known = socket_options_read(passed->fd, &info);
        return state->known != NULL;
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
        readiness->changed = true;
        log_message(LOG_WARNING,
                    "nobody serves passed socket %s, %s: the program has one socket for both families, and "
                    "it got the IPv6 one; the .socket unit needs one ListenStream=%u in the place of two",
                    unserved->name, address_format(&unserved->address, text), unserved->address.port);
}

/* Processes that share a socket share what becomes of it (a fork before bind(), or a privileged helper that
 * binds it). We can reach them only in a call of theirs, and listen() is the one that they need. */
static void expect_others(const struct bind_call *bind_call, const struct passed_socket *passed) {
        char asked[REQUEST_STRING_MAX];

        remember_stand_in(bind_call->answerer, bind_call->info.cookie, passed);
        if (is_stream(&passed->kind))
                log_message(
                        LOG_INFO,
                        "%s: another process has this socket open, too; it gets passed socket %s when it "
                        "calls listen()",
                        describe_request(bind_call, asked), passed->name);
        else
                log_message(
                        LOG_WARNING,
                        "%s: another process has this socket open, too, and receives nothing by it: only "
                        "the one that called bind() has got passed socket %s",
                        describe_request(bind_call, asked), passed->name);
}

static int put_passed_in_place(struct bind_call *bind_call, const struct decision *decision) {
        struct answerer *answerer = bind_call->answerer;
        struct passed_socket *passed = decision->passed;
        char address[ADDRESS_STRING_MAX], result[RESULT_MAX], asked[REQUEST_STRING_MAX];
        unsigned n_failed;
        bool untouched;
        int r;

        untouched = learn_options(answerer, passed);
        n_failed = socket_options_replay(bind_call->fd, &bind_call->info, passed->fd,
                                         state_of(answerer, passed)->known, untouched);
        if (n_failed > 0)
                log_message(LOG_DEBUG, "%s: %u socket options could not be carried over",
                            describe_request(bind_call, asked), n_failed);
        replay_memberships(answerer, bind_call->info.cookie, passed);
        disconnect_datagram(passed);
        r = put_in_place(bind_call, passed->fd);
        if (r < 0)
                return r;
        if (r > 0)
                expect_others(bind_call, passed);
        readiness_adopted(answerer->readiness, decision->rule, passed, &bind_call->request.address);
        answer_bound(bind_call, passed->cookie);

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
static int park_socket(struct bind_call *bind_call, const struct decision *decision, bool beside) {
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
                (void) socket_options_replay(bind_call->fd, &bind_call->info, parked, NULL, false);
                r = put_in_place(bind_call, parked);
        } else
                /* The target could take off what keeps that one from receiving. */
                r = is_strict(bind_call->answerer) ? -EAFNOSUPPORT : park_in_place(bind_call->fd, address);
        if (r < 0)
                return r;

        if (beside)
                readiness_parked_beside(bind_call->answerer->readiness, decision->rule);
        else
                readiness_parked(bind_call->answerer->readiness, address, decision->passed);
        answer_bound(bind_call, cookie);
        (void) snprintf(result, sizeof(result), "parked: %s=%u %s, %s %s", passed->inherited ? "fd" : "sd",
                        passed->index, passed->name, address_format(&passed->address, text),
                        beside ? "is what the program's other bind of this port has got"
                               : "is dual-stack and goes to the IPv6 bind");
        log_bind(bind_call, LOG_INFO, MESSAGE_PARKED, decision, result);
        return 0;
}

int adopt(struct bind_call *bind_call, const struct decision *decision) {
        return has_it_already(bind_call, decision->passed) ? park_socket(bind_call, decision, true)
                                                           : put_passed_in_place(bind_call, decision);
}

int park(struct bind_call *bind_call, const struct decision *decision) {
        return park_socket(bind_call, decision, false);
}
