/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "notification.h"
#include "park.h"

/* SOCK_TYPE_MASK of the kernel */
#define TYPE_MASK 0xf

/* A datagram socket need not be bound to be reached: connect() and sendto() give it a port. A filter cannot
 * tell these calls by their sockets, and looking at them here is no use, because another thread may put
 * another socket in the place of the one that was looked at. So, until bind() gives it an address in our
 * network (strict-bind.c), the socket is in a network where there is nobody. */
static int make_unreachable(const struct target *target, const struct call *call) {
        _cleanup_close_ int fd = make_outside_socket(call->domain, call->type & TYPE_MASK, call->protocol);
        struct target_rights rights;
        int r;

        if (fd < 0)
                return fd;
        r = target_read_rights(target, &rights);
        if (r < 0)
                return r;
        (void) fchown(fd, rights.fsuid, rights.fsgid); /* for SO_REUSEPORT, see make_twin() */
        if ((call->type & SOCK_NONBLOCK) != 0 && fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                return -errno;
        return listener_answer_fd(target->listener, target->id, fd, (call->type & SOCK_CLOEXEC) != 0);
}

void answer_socket(const struct target *target, const struct call *call) {
        int r;

        /* The arguments are in registers: what the kernel carries out is what was looked at. */
        if (call->domain != AF_INET && call->domain != AF_INET6) {
                (void) listener_continue(target->listener, target->id);
                return;
        }
        r = make_unreachable(target, call);
        if (r < 0 && r != -ENOENT)
                (void) listener_answer(target->listener, target->id, r == -EMFILE ? r : -EACCES);
        if (r < 0 && r != -ENOENT && r != -EMFILE)
                log_message(LOG_ERR,
                            "--strict=datagram: cannot make a socket in a network of its own (%s): user "
                            "namespaces must be allowed here",
                            strerrorname_np(-r));
}
