/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "notification.h"

static bool awaits_bind(const struct passed_socket *passed) {
        return passed->kind.domain == AF_UNIX && !passed->inherited && !passed->used;
}

bool awaits_unix_bind(const struct answerer *answerer) {
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (awaits_bind(&answerer->policy->passed[i]))
                        return true;
        return false;
}

/* The passed socket that has this address, an abstract name or a path, as the target means it. NULL: none.
 */
static const struct passed_socket *find_passed_unix(const struct answerer *answerer,
                                                    const struct target *target,
                                                    const struct address *address) {
        char path[ADDRESS_UNIX_MAX + 1] = {};

        if (address_is_unix_path(address)) {
                memcpy(path, address->unix_name, address->unix_length);
                return find_passed_path(answerer, target, AT_FDCWD, path);
        }
        for (size_t i = 0; i < answerer->policy->n_passed; i++)
                if (address_equal(&answerer->policy->passed[i].address, address))
                        return &answerer->policy->passed[i];
        return NULL;
}

static const struct passed_socket *find_connected(const struct answerer *answerer,
                                                  const struct target *target, const struct call *call) {
        _cleanup_close_ int fd = -1;
        const struct passed_socket *passed;
        struct sockaddr_storage sockaddr = {};
        struct socket_info info;
        struct address address;

        if (call->length < sizeof(sockaddr.ss_family) || call->length > sizeof(sockaddr) ||
            target_read(target, call->pointer, &sockaddr, call->length) < 0 ||
            sockaddr.ss_family != AF_UNIX ||
            address_from_sockaddr(&sockaddr, call->length, AF_UNIX, &address) < 0 ||
            address.unix_length == 0)
                return NULL;
        passed = find_passed_unix(answerer, target, &address);
        if (!passed || !awaits_bind(passed))
                return NULL;
        fd = target_get_fd(target, call->fd);
        if (fd < 0 || socket_info_read(fd, &info) < 0 || info.kind.domain != AF_UNIX ||
            info.kind.type != passed->kind.type)
                return NULL;
        return passed;
}

/* Many daemons find out by connect() whether another instance of them runs, before they unlink the path and
 * bind. The passed socket listens already, and would let them connect to themselves, and give up. */
void answer_connect(struct answerer *answerer, const struct target *target, const struct call *call) {
        const struct passed_socket *passed = find_connected(answerer, target, call);
        char address[ADDRESS_STRING_MAX], result[ADDRESS_STRING_MAX + 300];

        if (!passed) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        (void) listener_answer(target->listener, target->id, -ECONNREFUSED);
        (void) snprintf(result, sizeof(result),
                        "refused with ECONNREFUSED: the program has not bound passed socket %s, %s, yet",
                        passed->name, address_format(&passed->address, address));
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_GUARDED,
                                       .tid = target->tid,
                                       .requested = "connect()",
                                       .result = result,
                               });
}
