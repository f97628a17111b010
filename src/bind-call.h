/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One bind(), on its way from what was asked to the answer. answer-bind.c asks and decides, adopt.c and
 * redirect.c carry out; what they share is here. */

#include "answer-private.h"
#include "socket-info.h"
#include "unix-path.h"

struct bind_call {
        struct answerer *answerer;
        const struct target *target;
        const struct call *call;
        int fd; /* a copy of the target's socket */
        struct socket_info info;
        struct sockaddr_storage sockaddr;
        struct bind_request request;
        char path[UNIX_PATH_MAX];
};

/* Room for the description of a result */
#define RESULT_MAX (ADDRESS_STRING_MAX + 300)

#define REQUEST_STRING_MAX (ADDRESS_STRING_MAX + 16)

/* For the log: "tcp 0.0.0.0:80". Returns buffer. */
const char *describe_request(const struct bind_call *bind_call, char buffer[static REQUEST_STRING_MAX]);

/* decision may be NULL. */
void log_bind(const struct bind_call *bind_call, int priority, const char *message_id,
              const struct decision *decision, const char *result);

/* Logs that a rule was to give a passed socket to this bind, but could not, and what came of it instead
 * ("really bound"). */
void log_not_adopted(struct bind_call *bind_call, const char *message_id, const struct decision *decision,
                     const char *instead);

/* Puts fd in the place of the target's socket, and closes our copy of that. Returns 0; 1 if another process
 * still has the target's own socket open; or an errno of replace_socket(). */
int put_in_place(struct bind_call *bind_call, int fd);

/* These answer, and close our copy of the target's socket first: the target may close its own at once, and
 * bind the address again. cookie: of the socket that the target has now, see take_unanswered(). */
void answer_bound(struct bind_call *bind_call, uint64_t cookie);
void answer_failed(struct bind_call *bind_call, int error);

/* Whether the call on this socket had been carried out, and only its answer did not arrive. */
bool take_unanswered(struct answerer *answerer, uint64_t cookie);

/* These carry a decision out and answer. They return 0, or the errno with which the step failed, and then
 * nothing was answered. */

/* adopt.c: a passed socket takes the place of the target's ... */
int adopt(struct bind_call *bind_call, const struct decision *decision);

/* ... or, where the program has it already for the other family, or is to get it there, one that receives
 * nothing. */
int park(struct bind_call *bind_call, const struct decision *decision);

/* redirect.c: the socket is bound to the first address of the step that can be had. */
int redirect(struct bind_call *bind_call, const struct decision *decision);

/* strict-bind.c: binds the socket to this address, which a decision has given (named: the administrator, who
 * did so, has named it). Returns 0 and the cookie of the socket that the target has now; -EINPROGRESS (see
 * bind_as_target()); or an errno. */
int strict_bind(struct bind_call *bind_call, const struct address *address, bool named,
                uint64_t *ret_cookie);

/* answer-bind.c: whether a rule gives the passed socket to a bind of its path; bind_call->fd was bound
 * elsewhere and is renamed to it. */
bool gives_renamed(struct bind_call *bind_call, int directory_fd, const char *path,
                   const struct passed_socket *passed, struct decision *ret);
