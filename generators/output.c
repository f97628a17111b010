/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "report.h"
#include "util.h"

static int fail(const char *path, int error) {
        report(LOG_ERR, NULL, 0, "%s: %s", path, strerror(error));
        return -error;
}

/* Puts the path together and makes its folder. */
static int prepare(const char *directory, const char *name, char path[static PATH_MAX]) {
        const char *slash = strchr(name, '/');

        if (snprintf(path, PATH_MAX, "%s/%.*s", directory, slash ? (int) (slash - name) : 0, name) >=
            PATH_MAX)
                return fail(directory, ENAMETOOLONG);
        if (slash && mkdir(path, 0755) < 0 && errno != EEXIST)
                return fail(path, errno);
        if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
                return fail(directory, ENAMETOOLONG);
        return 0;
}

static int write_all(int fd, const char *text) {
        size_t length = strlen(text);

        while (length > 0) {
                ssize_t n = write(fd, text, length);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        text += n;
                        length -= (size_t) n;
                }
        }
        return 0;
}

int output_file(const char *directory, const char *name, const char *text) {
        _cleanup_close_ int fd = -1;
        char path[PATH_MAX];
        int r = prepare(directory, name, path);

        if (r < 0)
                return r;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return fail(path, errno);
        r = write_all(fd, text);
        if (r < 0) {
                (void) unlink(path);
                return fail(path, -r);
        }
        return 0;
}

int output_link(const char *directory, const char *name, const char *target) {
        char path[PATH_MAX];
        int r = prepare(directory, name, path);

        if (r < 0)
                return r;
        return symlink(target, path) < 0 ? fail(path, errno) : 0;
}
