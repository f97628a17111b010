/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* read-files DIRECTORY: lists the folder and reads every file in it, and nothing else. What the generator is
 * compared with. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
        static char buffer[1 << 20];
        DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
        const struct dirent *entry;

        if (!directory)
                return EXIT_FAILURE;
        while ((entry = readdir(directory))) {
                int fd = entry->d_type == DT_REG
                                 ? openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC)
                                 : -1;

                if (fd < 0)
                        continue;
                while (read(fd, buffer, sizeof(buffer)) > 0)
                        ;
                close(fd);
        }
        closedir(directory);
        return EXIT_SUCCESS;
}
