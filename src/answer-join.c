/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <netinet/in.h>
#include <string.h>

#include "notification.h"

static const struct {
        int level, join, leave;
} pairs[] = {
        {IPPROTO_IP, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP},
        {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP},
        {IPPROTO_IP, MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP},
        {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP},
        {IPPROTO_IPV6, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP},
        {IPPROTO_IPV6, MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP},
        {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP},
};

/* 0: joins nothing */
static int option_to_leave(int level, int name) {
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                if (pairs[i].level == level && pairs[i].join == name)
                        return pairs[i].leave;
        return 0;
}

static void remember(struct answerer *answerer, const struct membership *membership, uint64_t cookie) {
        struct membership *slot = &answerer->memberships[answerer->next_membership++ % MEMBERSHIPS_MAX];

        *slot = *membership;
        slot->cookie = cookie;
}

/* Several of the target's sockets are one passed socket: a group that it has joined for another counts as
 * joined. */
static int join(struct answerer *answerer, const struct membership *membership,
                const struct passed_socket *passed) {
        if (setsockopt(passed->fd, membership->level, membership->name, membership->value,
                       membership->length) < 0)
                return errno == EADDRINUSE ? 0 : -errno;
        remember(answerer, membership, passed->cookie);
        return 0;
}

void answer_join(struct answerer *answerer, const struct target *target, const struct call *call) {
        _cleanup_close_ int fd = target_get_fd(target, call->fd);
        struct membership membership = {.level = call->level, .name = call->number, .length = call->length};
        const struct passed_socket *passed;
        struct socket_info info;

        if (fd < 0 || option_to_leave(call->level, call->number) == 0 ||
            call->length > MEMBERSHIP_VALUE_MAX || socket_info_read(fd, &info) < 0 ||
            info.kind.type != SOCK_DGRAM ||
            target_read(target, call->pointer, membership.value, call->length) < 0) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        passed = find_passed(answerer, info.cookie);
        if (passed) {
                (void) listener_answer(target->listener, target->id, join(answerer, &membership, passed));
                return;
        }
        remember(answerer, &membership, info.cookie);
        (void) listener_continue(target->listener, target->id);
}

void replay_memberships(struct answerer *answerer, uint64_t cookie, const struct passed_socket *passed) {
        for (size_t i = 0; i < MEMBERSHIPS_MAX; i++) {
                struct membership *membership = &answerer->memberships[i];

                if (membership->cookie == cookie && join(answerer, membership, passed) < 0)
                        log_message(LOG_WARNING, "passed socket %s cannot join a multicast group: %s",
                                    passed->name, strerrorname_np(errno));
        }
}

void leave_groups(struct answerer *answerer) {
        for (size_t i = 0; i < MEMBERSHIPS_MAX; i++) {
                const struct membership *membership = &answerer->memberships[i];
                const struct passed_socket *passed = find_passed(answerer, membership->cookie);

                if (passed)
                        (void) setsockopt(passed->fd, membership->level,
                                          option_to_leave(membership->level, membership->name),
                                          membership->value, membership->length);
        }
}
