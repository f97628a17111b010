/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "park.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sched.h>
#include <sys/socket.h>

#include "fd-channel.h"
#include "in-child.h"
#include "real-bind.h"
#include "util.h"

struct parking {
        int domain, type, protocol;
        const struct address *address; /* NULL: not bound */
        int channel;                   /* the socket goes back by it */
};

static int park_elsewhere(void *argument) {
        const struct parking *parking = argument;
        int on = 1, fd, r = 0;

        /* An unprivileged user gets a network namespace only along with a user namespace. */
        if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                return -errno;
        fd = socket(parking->domain, parking->type | SOCK_CLOEXEC, parking->protocol);
        if (fd < 0)
                return -errno;
        /* No interface is up there, not even the loopback's. */
        if (parking->address && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
                return -errno;
        if (parking->address)
                r = bind_as_supervisor(fd, parking->address);
        return r < 0 ? r : channel_send(parking->channel, 's', fd);
}

static int make_socket_elsewhere(struct parking *parking) {
        _cleanup_close_ int ours = -1, childs = -1;
        int fd, r;

        r = channel_open(&ours, &childs);
        if (r >= 0) {
                parking->channel = childs;
                r = run_in_child(park_elsewhere, parking);
        }
        if (r >= 0)
                r = channel_receive(ours, &fd);
        return r < 0 ? r : fd;
}

int make_parked_socket(const struct socket_info *info, const struct address *address) {
        return make_socket_elsewhere(&(struct parking){.domain = info->kind.domain,
                                                       .type = info->kind.type,
                                                       .protocol = info->protocol,
                                                       .address = address});
}

int make_outside_socket(int domain, int type, int protocol) {
        return make_socket_elsewhere(
                &(struct parking){.domain = domain, .type = type, .protocol = protocol});
}

int park_in_place(int fd, const struct address *address) {
        struct sock_filter drop[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
        struct sock_fprog program = {.len = ELEMENTSOF(drop), .filter = drop};
        struct address nowhere = {.family = AF_INET, .port = address->port};
        int on = 1, r;

        (void) inet_pton(AF_INET, "192.0.2.1", &nowhere.ipv4);
        if (address->family == AF_INET6)
                nowhere = address_map(&nowhere);
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
            setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
                return -errno;
        r = bind_as_supervisor(fd, &nowhere);
        if (r == -EADDRINUSE || r == -EACCES) {
                nowhere.port = 0; /* the dual-stack socket has the port on every address */
                r = bind_as_supervisor(fd, &nowhere);
        }
        return r;
}
