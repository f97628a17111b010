/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-groups.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "directory.h"
#include "util.h"

/* Returns 1, 0, or -ENOMEM. */
static int file_contains(int directory_fd, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *map;
        bool found;

        if (fd < 0 || fstat(fd, &st) < 0)
                return shortage(errno);
        if (st.st_size == 0)
                return 0;
        map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
                return shortage(errno);
        found = memmem(map, (size_t) st.st_size, text, strlen(text));
        (void) munmap(map, (size_t) st.st_size);
        return found;
}

/* Looks into the manager's library, libsystemd-shared-VERSION.so, if it is in this directory. Returns as
 * file_contains(). */
static int look_into(int directory_fd, const char *name, bool *ret_seen) {
        _cleanup_(close_directory) DIR *directory = NULL;
        const struct dirent *de;
        int found = 0, r = directory_open(directory_fd, name, &directory);

        while (directory && found == 0 && (r = directory_next(directory, &de)) > 0) {
                if (strncmp(de->d_name, "libsystemd-shared-", strlen("libsystemd-shared-")) != 0)
                        continue;
                *ret_seen = true;
                found = file_contains(dirfd(directory), de->d_name, "@sandbox");
        }
        return found != 0 ? found : r;
}

/* There is no other way to ask before the manager answers: it is what runs us. The library lies in
 * /usr/lib/systemd, or in /usr/lib/TRIPLET/systemd. */
static int look(void) {
        _cleanup_(close_directory) DIR *libraries = NULL;
        const struct dirent *de;
        bool seen = false;
        int found = look_into(AT_FDCWD, "/usr/lib/systemd", &seen), r = 0;

        if (found == 0 && !seen)
                found = look_into(AT_FDCWD, "/lib/systemd", &seen);
        if (found == 0 && !seen)
                r = directory_open(AT_FDCWD, "/usr/lib", &libraries);
        while (libraries && found == 0 && (r = directory_next(libraries, &de)) > 0) {
                char path[NAME_MAX + 16];

                (void) snprintf(path, sizeof(path), "%s/systemd", de->d_name);
                if (de->d_name[0] != '.')
                        found = look_into(dirfd(libraries), path, &seen);
        }
        if (found != 0 || r < 0)
                return found != 0 ? found : r;
        return !seen;
}

int manager_has_sandbox_group(void) {
        static int answer = -1;

        if (answer < 0)
                answer = look();
        return answer;
}
