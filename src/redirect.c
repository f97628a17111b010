/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind-call.h"

#include <stdio.h>

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
        bool named;

        *ret_cookie = bind_call->info.cookie;
        if (address->family == AF_UNIX)
                return bind_call->info.kind.domain == AF_UNIX ? bind_unix(bind_call, address)
                                                              : become_unix(bind_call, address, ret_cookie);
        /* A port that the rule names is the administrator's word; one that the target chose needs its
         * rights. */
        named = step->kind == STEP_HOST || step->has_port;
        if (is_strict(bind_call->answerer))
                return strict_bind(bind_call, address, named, ret_cookie);
        if (named)
                return bind_as_supervisor(bind_call->fd, address);
        length = address_to_sockaddr(address, &sockaddr);
        return bind_as_target(bind_call->target, bind_call->fd, bind_call->info.kind.domain, &sockaddr,
                              length);
}

/* Tries the addresses of a redirecting step in order. */
int redirect(struct bind_call *bind_call, const struct decision *decision) {
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
                answer_bound(bind_call, cookie);
                (void) snprintf(result, sizeof(result), "bound to %s", address_format(&address, text));
                log_bind(bind_call, LOG_INFO, MESSAGE_REDIRECTED, decision, result);
                return 0;
        }
        return error;
}
