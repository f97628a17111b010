/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* read-files DIRECTORY...: lists the folders and reads every file in them, and nothing else. What the
 * generator is compared with. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char buffer[1 << 20];

static int read_folder(const char *path) {
        DIR *directory = opendir(path);
        const struct dirent *entry;

        if (!directory)
                return -1;
        while ((entry = readdir(directory))) {
                int fd = entry->d_type == DT_REG
                                 ? openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC)
                                 : -1;

                if (fd < 0)
                        continue;
                while (read(fd, buffer, sizeof(buffer)) > 0)
                        ;
                (void) close(fd);
        }
        return closedir(directory);
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (read_folder(argv[i]) < 0)
                        return EXIT_FAILURE;
        return EXIT_SUCCESS;
}
