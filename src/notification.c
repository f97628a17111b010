/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notification.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util.h"

/* Linux 6.6; older headers lack these */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

void listener_prefer_synchronous(int listener) {
        (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
}

/* A later kernel may write a longer struct seccomp_notif than this one was built with
 * (SECCOMP_GET_NOTIF_SIZES). */
union received {
        struct seccomp_notif notification;
        char room[1024];
};

int listener_receive(int listener, struct seccomp_notif *ret) {
        union received received;

        memset(&received, 0, sizeof(received)); /* "must be zeroed", seccomp_unotify(2) */
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &received) < 0)
                return -errno;
        *ret = received.notification;
        return 0;
}

/* A signal (a frozen control group, a debugger) may interrupt what the kernel does not begin anew. */
static int request(int listener, unsigned long number, void *argument) {
        int r;

        do
                r = ioctl(listener, number, argument);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

static int send_response(int listener, struct seccomp_notif_resp *response) {
        return request(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

int listener_answer(int listener, uint64_t id, int error) {
        struct seccomp_notif_resp response = {.id = id, .error = error};

        return send_response(listener, &response);
}

int listener_continue(int listener, uint64_t id) {
        struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

        return send_response(listener, &response);
}

bool listener_call_waits(int listener, uint64_t id) {
        return request(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool listener_can_set_fd(int listener) {
        /* No call has this ID, so nothing is done: ENOENT, or EINVAL from a kernel that does not know the
         * request. */
        return listener_set_fd(listener, 0, STDIN_FILENO, STDIN_FILENO, false) != -EINVAL;
}

int listener_set_fd(int listener, uint64_t id, int fd, int target_fd, bool close_on_exec) {
        struct seccomp_notif_addfd addfd = {
                .id = id,
                .flags = SECCOMP_ADDFD_FLAG_SETFD,
                .srcfd = (uint32_t) fd,
                .newfd = (uint32_t) target_fd,
                .newfd_flags = close_on_exec ? O_CLOEXEC : 0,
        };

        return request(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
}

int listener_answer_fd(int listener, uint64_t id, int fd, bool close_on_exec) {
        struct seccomp_notif_addfd addfd = {
                .id = id, .srcfd = (uint32_t) fd, .newfd_flags = close_on_exec ? O_CLOEXEC : 0};
        struct seccomp_notif_resp response = {.id = id};

        response.val = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
        return response.val < 0 ? -errno : send_response(listener, &response);
}
