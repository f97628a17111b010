/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-channel.h"

#include <string.h>
#include <sys/socket.h>

#include "util.h"

union control {
        struct cmsghdr header; /* for its alignment */
        char room[CMSG_SPACE(sizeof(int))];
};

int channel_open(int *ret_a, int *ret_b) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        *ret_a = pair[0];
        *ret_b = pair[1];
        return 0;
}

int channel_send(int channel, char byte, int fd) {
        union control control = {};
        struct iovec iov = {&byte, sizeof(byte)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                control.header = (struct cmsghdr){
                        .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        }
        return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_receive(int channel, int *ret_fd) {
        union control control = {};
        char byte = 0;
        struct iovec iov = {&byte, sizeof(byte)};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        const struct cmsghdr *header;
        int fd = -1;
        ssize_t n;

        do
                n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;

        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        if (ret_fd)
                *ret_fd = fd;
        else
                close_fd(&fd);
        return n == 0 ? 0 : byte;
}
