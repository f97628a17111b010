/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init-script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "unit-name.h"
#include "util.h"

#define BLANKS " \t\r\n"

/* Whether the manager runs systemd-sysv-generator: it is gone from newer versions, and may be masked. */
static bool has_sysv_generator(void) {
        static const char *const paths[] = {
                "/run/systemd/system-generators/systemd-sysv-generator",
                "/etc/systemd/system-generators/systemd-sysv-generator",
                "/usr/local/lib/systemd/system-generators/systemd-sysv-generator",
                "/usr/lib/systemd/system-generators/systemd-sysv-generator",
                "/lib/systemd/system-generators/systemd-sysv-generator",
        };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (access(paths[i], F_OK) == 0)
                        return access(paths[i], X_OK) == 0;
        return false;
}

/* DIRECTORY/NAME or DIRECTORY/NAME.sh. Returns 1 and its path, 0, or -ENOMEM. */
static int find_in(const char *directory, size_t length, const char *name, char **ret) {
        static const char *const suffixes[] = {"", ".sh"};

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                struct stat st;
                char *path;

                if (format_text(&path, "%.*s/%s%s", (int) length, directory, name, suffixes[i]) < 0)
                        return -ENOMEM;
                if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR) != 0) {
                        *ret = path;
                        return 1;
                }
                free(path);
        }
        return 0;
}

static int find(const char *service, char **ret) {
        const char *path = getenv("SYSTEMD_SYSVINIT_PATH");
        char name[UNIT_NAME_MAX + 1];
        int r = 0;

        if (unit_name_kind(service, ".service") != UNIT_NAME_PLAIN || strchr(service, '\\'))
                return 0;
        (void) snprintf(name, sizeof(name), "%.*s", (int) (strlen(service) - strlen(".service")), service);
        if (!path || *path == '\0')
                path = "/etc/init.d";
        while (r == 0 && *path != '\0') {
                size_t length = strcspn(path, ":");

                r = find_in(path, length, name, ret);
                path += length + (path[length] == ':');
        }
        return r;
}

/* "# pidfile: PATH" outside of the LSB header. The last one holds. Returns false if there is none. */
static bool read_pid_file(const char *script, char *ret, size_t size) {
        FILE *file = fopen(script, "re");
        char line[4096];
        bool in_header = false, found = false;

        while (file && fgets(line, sizeof(line), file)) {
                char *text = line + strspn(line, BLANKS);

                for (size_t length = strlen(text); length > 0 && strchr(BLANKS, text[length - 1]);)
                        text[--length] = '\0';
                if (strcmp(text, "### BEGIN INIT INFO") == 0)
                        in_header = true;
                else if (strcmp(text, "### END INIT INFO") == 0)
                        in_header = false;
                if (in_header || *text++ != '#')
                        continue;
                text += strspn(text, BLANKS);
                if (strncasecmp(text, "pidfile:", strlen("pidfile:")) != 0)
                        continue;
                text += strlen("pidfile:");
                text += strspn(text, BLANKS);
                if (*text == '/')
                        found = (size_t) snprintf(ret, size, "%s", text) < size;
        }
        if (file)
                (void) fclose(file);
        return found;
}

int init_script_read(const char *service, struct unit_file *ret) {
        struct unit_file unit = {.read = true};
        char pid_file[4096] = "";
        int r = find(service, &unit.path);

        if (r <= 0)
                return r < 0 ? r : INIT_SCRIPT_NONE;
        if (!has_sysv_generator()) {
                free(unit.path);
                return INIT_SCRIPT_IGNORED;
        }
        (void) read_pid_file(unit.path, pid_file, sizeof(pid_file));
        r = format_text(&unit.text, "[Service]\nType=forking\nPIDFile=%s\nExecStart=%s start\n", pid_file,
                        unit.path);
        if (r < 0) {
                free(unit.path);
                return -ENOMEM;
        }
        unit.length = strlen(unit.text);
        *ret = unit;
        return INIT_SCRIPT_FOUND;
}
