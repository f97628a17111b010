/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "search-path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

/* Of a user's directories, "%VARIABLE" at the beginning stands for what the environment says: a base
 * directory (with a default below the home directory), or a list of them (with a default). */
static const char *const system_directories[] = {
        "/etc/systemd/system.control",  "/run/systemd/system.control",   "/run/systemd/transient",
        "/etc/systemd/system",          "/etc/systemd/system.attached",  "/run/systemd/system",
        "/run/systemd/system.attached", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
        "/lib/systemd/system",
};

struct user_directory {
        const char *variable; /* NULL: a fixed place */
        const char *unset; /* what it is by default; below $HOME unless it begins with "/"; NULL: nothing */
        const char *below;
};

static const struct user_directory user_directories[] = {
        {"XDG_CONFIG_HOME", ".config", "/systemd/user.control"},
        {"XDG_RUNTIME_DIR", NULL, "/systemd/user.control"},
        {"XDG_RUNTIME_DIR", NULL, "/systemd/transient"},
        {"XDG_CONFIG_HOME", ".config", "/systemd/user"},
        {"XDG_CONFIG_DIRS", "/etc/xdg", "/systemd/user"},
        {NULL, "/etc/systemd/user", ""},
        {"XDG_RUNTIME_DIR", NULL, "/systemd/user"},
        {NULL, "/run/systemd/user", ""},
        {"XDG_DATA_HOME", ".local/share", "/systemd/user"},
        {"XDG_DATA_DIRS", "/usr/local/share:/usr/share", "/systemd/user"},
        {NULL, "/usr/local/lib/systemd/user", ""},
        {NULL, "/usr/lib/systemd/user", ""},
};

static void strip_slashes(char *path) {
        size_t length = strlen(path);

        while (length > 1 && path[length - 1] == '/')
                path[--length] = '\0';
}

static bool is_output(const char *directory, const char *const *outputs, size_t n_outputs) {
        struct stat ours, theirs;

        for (size_t i = 0; i < n_outputs; i++)
                if (strcmp(directory, outputs[i]) == 0 ||
                    (stat(directory, &ours) == 0 && stat(outputs[i], &theirs) == 0 &&
                     ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino))
                        return true;
        return false;
}

/* Adds BEFORE followed by BELOW, unless it is there already. */
static int add(struct search_path *path, const char *before, size_t before_length, const char *below) {
        char **directories = reallocarray(path->directories, path->n + 1, sizeof(*directories));
        char *directory;

        if (!directories)
                return -ENOMEM;
        path->directories = directories;
        if (format_text(&directory, "%.*s%s", (int) before_length, before, below) < 0)
                return -ENOMEM;
        strip_slashes(directory);
        for (size_t i = 0; i < path->n; i++)
                if (strcmp(path->directories[i], directory) == 0) {
                        free(directory);
                        return 0;
                }
        path->directories[path->n++] = directory;
        return 0;
}

/* Adds every absolute path of a list separated by colons. */
static int add_list(struct search_path *path, const char *list, const char *below) {
        int r = 0;

        for (; r >= 0 && *list != '\0'; list += *list == ':') {
                size_t length = strcspn(list, ":");

                if (*list == '/')
                        r = add(path, list, length, below);
                list += length;
        }
        return r;
}

static int add_user_directory(struct search_path *path, const struct user_directory *directory) {
        const char *value = directory->variable ? getenv(directory->variable) : NULL, *home = getenv("HOME");
        _cleanup_free_ char *below_home = NULL; /* set, though gcc 12's -fanalyzer does not see it */

        if (value && *value != '\0')
                return add_list(path, value, directory->below);
        if (!directory->unset)
                return 0;
        if (directory->unset[0] == '/')
                return add_list(path, directory->unset, directory->below);
        if (!home || home[0] != '/')
                return 0;
        if (format_text(&below_home, "%s/%s", home, directory->unset) < 0)
                return -ENOMEM;
        return add(path, below_home, strlen(below_home), directory->below);
}

static int add_defaults(struct search_path *path, bool user) {
        int r = 0;

        for (size_t i = 0; user && r >= 0 && i < ELEMENTSOF(user_directories); i++)
                r = add_user_directory(path, &user_directories[i]);
        for (size_t i = 0; !user && r >= 0 && i < ELEMENTSOF(system_directories); i++)
                r = add(path, system_directories[i], strlen(system_directories[i]), "");
        return r;
}

/* On a machine with merged /usr, /lib/systemd/system is /usr/lib/systemd/system: one is enough. The same for
 * directories that generators write. */
static void leave_out(struct search_path *path, const char *const *outputs, size_t n_outputs) {
        size_t n = 0;

        for (size_t i = 0; i < path->n; i++) {
                if (is_output(path->directories[i], outputs, n_outputs) ||
                    is_output(path->directories[i], (const char *const *) path->directories, n))
                        free(path->directories[i]);
                else
                        path->directories[n++] = path->directories[i];
        }
        path->n = n;
}

int search_path_read(bool user, const char *const *outputs, size_t n_outputs, struct search_path *ret) {
        const char *value = getenv("SYSTEMD_UNIT_PATH");
        struct search_path path = {.user = user};
        int r = 0;

        if (value && *value != '\0')
                r = add_list(&path, value, "");
        /* "If it ends with an empty component, the usual unit load path will be appended" (systemd(1)) */
        if (r >= 0 && (!value || *value == '\0' || value[strlen(value) - 1] == ':'))
                r = add_defaults(&path, user);
        if (r < 0) {
                search_path_free(&path);
                return r;
        }
        leave_out(&path, outputs, n_outputs);
        *ret = path;
        return 0;
}

void search_path_free(struct search_path *path) {
        for (size_t i = 0; i < path->n; i++)
                free(path->directories[i]);
        free(path->directories);
        *path = (struct search_path){};
}
