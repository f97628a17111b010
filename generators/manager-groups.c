/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-groups.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util.h"

static bool file_contains(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *map;
        bool found;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
                return false;
        map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
                return false;
        found = memmem(map, (size_t) st.st_size, text, strlen(text));
        (void) munmap(map, (size_t) st.st_size);
        return found;
}

/* There is no other way to ask before the manager answers: it is what runs us. */
static bool look(void) {
        static const char *const patterns[] = {
                "/usr/lib/systemd/libsystemd-shared-*.so",
                "/usr/lib/*/systemd/libsystemd-shared-*.so",
                "/lib/systemd/libsystemd-shared-*.so",
        };
        bool seen = false, found = false;

        for (size_t i = 0; i < ELEMENTSOF(patterns) && !found; i++) {
                glob_t paths;

                if (glob(patterns[i], GLOB_NOSORT, NULL, &paths) != 0)
                        continue;
                for (size_t j = 0; j < paths.gl_pathc; j++) {
                        seen = true;
                        found = found || file_contains(paths.gl_pathv[j], "@sandbox");
                }
                globfree(&paths);
        }
        return found || !seen;
}

bool manager_has_sandbox_group(void) {
        static int answer = -1;

        if (answer < 0)
                answer = look();
        return answer;
}
