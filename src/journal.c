/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "util.h"

#define FIELDS_MAX 16

/* "NAME=VALUE\n"; or, where the value has a line break, "NAME\n", its length in 64 bits, little-endian, and
 * "VALUE\n" */
static size_t append(struct iovec *parts, const struct journal_field *field, uint8_t length[static 8]) {
        size_t size = strlen(field->value), n = 0;
        bool lines = strchr(field->value, '\n') != NULL;

        for (size_t i = 0; i < 8; i++)
                length[i] = (uint8_t) ((uint64_t) size >> 8 * i);
        parts[n++] = (struct iovec){(void *) field->name, strlen(field->name)};
        parts[n++] = (struct iovec){(void *) (lines ? "\n" : "="), 1};
        if (lines)
                parts[n++] = (struct iovec){length, 8};
        parts[n++] = (struct iovec){(void *) field->value, size};
        parts[n++] = (struct iovec){(void *) "\n", 1};
        return n;
}

int journal_send(const struct journal_field *fields, size_t n, bool may_wait) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
        struct iovec parts[FIELDS_MAX * 5];
        uint8_t lengths[FIELDS_MAX][8];
        struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = parts};
        _cleanup_close_ int fd = -1;

        if (n > FIELDS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++)
                message.msg_iovlen += append(parts + message.msg_iovlen, &fields[i], lengths[i]);

        /* One for each entry: a descriptor that is kept would have to be kept from being closed. */
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        return sendmsg(fd, &message, MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT)) < 0 ? -errno : 0;
}
