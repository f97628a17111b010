/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unix-path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "address.h"
#include "in-child.h"
#include "util.h"

int unix_path_absolute(const struct target *target, int directory_fd, const char *path,
                       char buffer[static UNIX_PATH_MAX]) {
        char link[64], directory[PATH_MAX] = "";
        ssize_t n;

        if (path[0] != '/') {
                (void) (directory_fd == AT_FDCWD
                                ? snprintf(link, sizeof(link), "/proc/%d/cwd", target->tid)
                                : snprintf(link, sizeof(link), "/proc/%d/fd/%d", target->tid, directory_fd));
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

static int identify(const struct target *target, int directory_fd, const char *path, uint64_t resolve,
                    struct file_id *ret) {
        struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = resolve};
        _cleanup_close_ int base = -1, fd = -1;
        struct statx st;

        if (path[0] == '/') {
                base = target_open_proc(target, "root", O_PATH | O_DIRECTORY);
                how.resolve |= RESOLVE_IN_ROOT;
        } else if (directory_fd == AT_FDCWD)
                base = target_open_proc(target, "cwd", O_PATH | O_DIRECTORY);
        else
                base = target_get_fd(target, directory_fd);
        if (base < 0)
                return base;

        fd = (int) syscall(SYS_openat2, base, path, &how, sizeof(how));
        if (fd < 0 && (resolve & RESOLVE_CACHED) != 0)
                /* EINVAL: Linux before 5.12 */
                return errno == EINVAL || errno == ENOSYS || errno == EPERM ? -EAGAIN : -errno;
        /* Linux before 5.6, or a sandbox that does not know the call: right for every target that did not
         * change its root */
        if (fd < 0 && (errno == ENOSYS || errno == EPERM))
                fd = openat(base, path, (int) how.flags);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
                return -errno;
        *ret = (struct file_id){makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino};
        return 0;
}

int unix_path_identify(const struct target *target, int directory_fd, const char *path,
                       struct file_id *ret) {
        return identify(target, directory_fd, path, RESOLVE_CACHED, ret);
}

struct look_up {
        const struct target *target;
        int directory_fd;
        const char *path;
        const struct file_id *file;
};

static int compare(const struct file_id *a, const struct file_id *b) {
        return a->device == b->device && a->inode == b->inode ? 0 : -ENOENT;
}

static int look_up(void *argument) {
        const struct look_up *wanted = argument;
        struct file_id found = {};
        int r = identify(wanted->target, wanted->directory_fd, wanted->path, 0, &found);

        return r < 0 ? r : compare(&found, wanted->file);
}

bool unix_path_is(const struct target *target, int directory_fd, const char *path,
                  const struct file_id *file) {
        struct look_up wanted = {target, directory_fd, path, file};
        struct file_id found = {};
        int r = unix_path_identify(target, directory_fd, path, &found);

        if (r == -EAGAIN)
                return run_in_child_for_now(look_up, NULL, &wanted) == 0;
        return r >= 0 && compare(&found, file) == 0;
}
