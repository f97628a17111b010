/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What answer.c and its parts, one for each kind of call, share. */

#include "answer.h"
#include "call.h"
#include "log.h"
#include "socket-info.h"
#include "target.h"

/* --strict: the kernel carries no bind() and no listen() out, and whatever cannot be looked into is refused.
 */
static inline bool is_strict(const struct answerer *answerer) {
        return answerer->policy->strict != STRICT_OFF;
}

/* The passed socket that this is, whatever the descriptor. NULL: none. */
struct passed_socket *find_passed(const struct answerer *answerer, uint64_t cookie);

/* Remembers that this socket of the target's stands where passed was, or is to be ... */
void remember_stand_in(struct answerer *answerer, uint64_t cookie, const struct passed_socket *passed);

/* ... and finds passed by it. NULL: none. */
struct passed_socket *find_stood_for(const struct answerer *answerer, uint64_t cookie);

/* The passed socket whose path this is, as the target means it, over whatever symbolic links. directory_fd
 * as of unix_path_is(). NULL: none. Looks at the file system only where the file's name is that of a
 * passed socket. */
const struct passed_socket *find_passed_path(const struct answerer *answerer, const struct target *target,
                                             int directory_fd, const char *path);

/* A target's connect() on a shared datagram socket makes it deaf for everybody but one peer: takes it back.
 */
void disconnect_datagram(const struct passed_socket *passed);

/* Notes who has called listen(), where somebody wants to know. */
void remember_listening_process(struct answerer *answerer, const struct target *target);

/* Answers a call of which we could not learn what it asks for. */
void answer_refused_access(struct answerer *answerer, const struct target *target, const char *call,
                           int error);

/* answer-bind.c: adopts, parks, binds elsewhere or as asked, refuses. */
void answer_bind(struct answerer *answerer, const struct target *target, const struct call *call);

/* answer-bind.c: reads a bind's address, and answers if no rule can be meant for it. Returns whether it has;
 * to be called before the target is opened, which tells whether it was the target's memory. */
bool answer_unconcerned_bind(struct answerer *answerer, const struct target *target, struct call *call);

/* answer-listen.c: an adopted socket's backlog does not get smaller than the unit's. */
void answer_listen(struct answerer *answerer, const struct target *target, const struct call *call);

/* strict-listen.c: listen() on a copy of the target's socket, if the socket has an address that is given.
 * Returns 0 or an errno. */
int strict_listen(struct answerer *answerer, const struct target *target, int fd,
                  const struct socket_info *info, int backlog);

/* answer-shutdown.c: a passed socket is not shut down; the target gets a socket of its own that is. */
void answer_shutdown(struct answerer *answerer, const struct target *target, const struct call *call);

/* answer-connect.c: a passed Unix socket that the target has not adopted yet is one that nobody serves; a
 * passed datagram socket is not connected, the target gets a socket of its own that is. */
void answer_connect(struct answerer *answerer, const struct target *target, const struct call *call);

/* answer-connect.c: whether there is such a socket. */
bool concerns_connect(const struct answerer *answerer);

/* answer-unlink.c: a passed socket's path stays. */
void answer_unlink(struct answerer *answerer, const struct target *target, const struct call *call);

/* answer-rename.c: a socket that is renamed over a passed socket's path is bound to that path. */
void answer_rename(struct answerer *answerer, const struct target *target, const struct call *call);

/* answer-socket.c: under --strict=datagram, an IP datagram socket begins where nobody reaches it. */
void answer_socket(const struct target *target, const struct call *call);

/* answer-join.c: multicast groups that a socket joins before its bind() are joined by the passed one. Those
 * that a passed socket has joined are left in the end, or the next program could not join them (EADDRINUSE).
 */
void answer_join(struct answerer *answerer, const struct target *target, const struct call *call);
void replay_memberships(struct answerer *answerer, uint64_t cookie, const struct passed_socket *passed);
void leave_groups(struct answerer *answerer);
