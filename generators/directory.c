/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "directory.h"

#include <fcntl.h>

#include "util.h"

int directory_open(int directory_fd, const char *name, DIR **ret) {
        int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

        *ret = fd < 0 ? NULL : fdopendir(fd);
        if (!*ret)
                close_fd(&fd);
        return *ret ? 0 : shortage(errno);
}

int directory_next(DIR *directory, const struct dirent **ret) {
        errno = 0;
        *ret = readdir(directory);
        return *ret ? 1 : shortage(errno);
}
