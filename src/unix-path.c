/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unix-path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "address.h"
#include "util.h"

int unix_path_absolute(const struct target *target, const char *path, char buffer[static UNIX_PATH_MAX]) {
        char link[64], directory[PATH_MAX] = "";
        ssize_t n;

        if (path[0] != '/') {
                (void) snprintf(link, sizeof(link), "/proc/%d/cwd", target->tid);
                n = readlink(link, directory, sizeof(directory) - 1);
                if (n < 0)
                        return -errno;
                directory[n] = '\0';
        }
        if ((size_t) snprintf(buffer, UNIX_PATH_MAX, "%s%s%s", directory, path[0] == '/' ? "" : "/", path) >=
            UNIX_PATH_MAX)
                return -ENAMETOOLONG;
        path_squeeze(buffer, /* is_prefix= */ false);
        return 0;
}

int unix_path_stat(const struct target *target, int directory_fd, const char *path, struct stat *ret) {
        struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC};
        _cleanup_close_ int base = -1, fd = -1;

        if (path[0] == '/') {
                base = target_open_proc(target, "root", O_PATH | O_DIRECTORY);
                how.resolve = RESOLVE_IN_ROOT;
        } else if (directory_fd == AT_FDCWD)
                base = target_open_proc(target, "cwd", O_PATH | O_DIRECTORY);
        else
                base = target_get_fd(target, directory_fd);
        if (base < 0)
                return base;

        fd = (int) syscall(SYS_openat2, base, path, &how, sizeof(how));
        /* Linux before 5.6, or a sandbox that does not know the call: right for every target that did not
         * change its root */
        if (fd < 0 && (errno == ENOSYS || errno == EPERM))
                fd = openat(base, path, (int) how.flags);
        if (fd < 0)
                return -errno;
        return fstat(fd, ret) < 0 ? -errno : 0;
}
