/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-index.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "directory.h"
#include "unit-name.h"
#include "util.h"

/* --- files --- */

/* Most unit files fit, and then their size need not be asked for. */
#define FIRST_READ ((size_t) 32 * 1024)

/* Reads all of an open file behind what is in text already. Returns 0 or -ENOMEM. */
static int read_rest(int fd, struct unit_file *file, size_t room) {
        for (;;) {
                ssize_t n;

                if (file->length == room) {
                        char *text;

                        if (room >= UNIT_FILE_MAX) {
                                file->too_large = true;
                                return 0;
                        }
                        room = room * 4 > UNIT_FILE_MAX ? UNIT_FILE_MAX : room * 4;
                        text = realloc(file->text, room);
                        if (!text)
                                return -ENOMEM;
                        file->text = text;
                }
                n = read(fd, file->text + file->length, room - file->length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return shortage(errno);
                file->length += (size_t) n;
                if (file->length < room) /* the end, of a regular file */
                        return 0;
        }
}

/* Reads a file that is there. A FIFO would block, a directory is none: is_regular says that readdir(3) told
 * what it is. Returns 0 or -ENOMEM. */
static int read_text(int directory_fd, const char *name, bool is_regular, struct unit_file *file) {
        _cleanup_close_ int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        int r;

        file->read = true;
        file->length = 0;
        if (fd < 0 || (!is_regular && fstat(fd, &st) < 0))
                return shortage(errno);
        if (!is_regular && !S_ISREG(st.st_mode)) {
                file->empty = true;
                return 0;
        }
        file->text = malloc(FIRST_READ);
        if (!file->text)
                return -ENOMEM;
        r = read_rest(fd, file, FIRST_READ);
        file->empty = file->length == 0;
        return r;
}

/* Gives back the room that the text does not need. */
static void shrink_text(struct unit_file *file) {
        char *text = file->length > 0 ? realloc(file->text, file->length) : NULL;

        if (text)
                file->text = text;
}

static void drop_text(struct unit_file *file) {
        free(file->text);
        file->text = NULL;
        file->length = 0;
}

/* Reads for the first time: looks for the mark, and keeps the text only if it is there. */
static int look_into(int directory_fd, const char *name, bool is_regular, struct unit_file *file) {
        int r = read_text(directory_fd, name, is_regular, file);

        if (r < 0)
                return r;
        file->has_mark = file->length > 0 &&
                         memmem(file->text, file->length, FORCE_BIND_MARK, strlen(FORCE_BIND_MARK));
        if (file->has_mark)
                shrink_text(file);
        else {
                drop_text(file);
                file->read = file->empty;
        }
        return 0;
}

int unit_file_read(struct unit_file *file) {
        return file->read ? 0 : read_text(AT_FDCWD, file->path, false, file);
}

/* --- lists --- */

/* Makes room for one more element of this size; doubles it when it is full. */
static void *grow(void *array, size_t n, size_t size) {
        if (n != 0 && (n & (n - 1)) != 0)
                return array;
        return reallocarray(array, n == 0 ? 1 : n * 2, size);
}

static int compare_units(const void *a, const void *b) {
        const struct unit_entry *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

static int compare_directories(const void *a, const void *b) {
        const struct dropin_directory *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool is_unit_name(const char *name) {
        return unit_name_kind(name, ".service") != UNIT_NAME_INVALID ||
               unit_name_kind(name, ".socket") != UNIT_NAME_INVALID;
}

/* The last component of a path that lies directly below a directory of the search path; *ret is NULL if it
 * does not. Returns 0 or -ENOMEM. */
static int name_in_search_path(const struct search_path *path, const char *target, const char **ret) {
        *ret = NULL;
        for (size_t i = 0; i < path->n; i++) {
                char resolved[PATH_MAX];
                size_t length = strlen(path->directories[i]);

                if (strncmp(target, path->directories[i], length) != 0 || target[length] != '/') {
                        if (!realpath(path->directories[i], resolved)) {
                                if (shortage(errno) < 0)
                                        return -ENOMEM;
                                continue;
                        }
                        length = strlen(resolved);
                        if (strncmp(target, resolved, length) != 0 || target[length] != '/')
                                continue;
                }
                *ret = strrchr(target, '/') + 1;
                return 0;
        }
        return 0;
}

/* Takes "." and ".." out of an absolute path, by its text. */
static void simplify(char *path) {
        char *to = path;

        for (const char *from = path; *from != '\0';) {
                size_t length;

                from += strspn(from, "/");
                length = strcspn(from, "/");
                if (length == 2 && memcmp(from, "..", 2) == 0)
                        while (to > path && *--to != '/')
                                ;
                else if (length > 0 && (length != 1 || *from != '.')) {
                        *to++ = '/';
                        memmove(to, from, length);
                        to += length;
                }
                from += length;
        }
        *to = '\0';
}

/* What a link to a unit means: another name for the unit it leads to, or a unit file outside of the search
 * path. Returns 1: an alias; 0: a file; -EINVAL: a link that systemd ignores; or -ENOMEM. */
static int resolve_link(const struct search_path *path, int directory_fd, const char *directory,
                        const char *name, char **ret_alias_of) {
        char link[PATH_MAX], target[PATH_MAX * 2];
        const char *alias, *suffix = strrchr(name, '.');
        enum unit_name_kind kind, alias_kind;
        ssize_t n = readlinkat(directory_fd, name, link, sizeof(link) - 1);

        if (n < 0)
                return shortage(errno) < 0 ? -ENOMEM : -EINVAL;
        link[n] = '\0';
        (void) snprintf(target, sizeof(target), "%s%s%s", link[0] == '/' ? "" : directory,
                        link[0] == '/' ? "" : "/", link);
        simplify(target);
        if (name_in_search_path(path, target, &alias) < 0)
                return -ENOMEM;
        if (!alias)
                return 0;

        kind = unit_name_kind(name, suffix);
        alias_kind = unit_name_kind(alias, suffix);
        if (strcmp(alias, name) == 0 || alias_kind == UNIT_NAME_INVALID)
                return -EINVAL;
        if (kind != alias_kind && !(kind == UNIT_NAME_INSTANCE && alias_kind == UNIT_NAME_TEMPLATE))
                return -EINVAL;
        /* gcc 12's -fanalyzer does not see that instances have an "@" */
        if (alias_kind == UNIT_NAME_INSTANCE && strcmp(strchr(name, '@'), strchr(alias, '@')) != 0)
                return -EINVAL;
        *ret_alias_of = strdup(alias);
        return *ret_alias_of ? 1 : -ENOMEM;
}

static void free_unit(struct unit_entry *entry) {
        free(entry->name);
        free(entry->alias_of);
        free(entry->file.path);
        free(entry->file.text);
}

static int add_unit(struct unit_index *index, size_t rank, int directory_fd, const char *name,
                    bool is_link) {
        const char *directory = index->path->directories[rank];
        struct unit_entry *units = grow(index->units, index->n_units, sizeof(*units));
        struct unit_entry entry = {.rank = rank};
        int r = 0;

        if (!units)
                return -ENOMEM;
        index->units = units;
        if (is_link)
                r = resolve_link(index->path, directory_fd, directory, name, &entry.alias_of);
        if (r == -EINVAL)
                return 0;
        if (r >= 0) {
                entry.name = strdup(name);
                if (!entry.name || format_text(&entry.file.path, "%s/%s", directory, name) < 0)
                        r = -ENOMEM;
        }
        if (r == 0)
                r = look_into(directory_fd, name, !is_link, &entry.file);
        if (r < 0) {
                free_unit(&entry);
                return r;
        }
        index->units[index->n_units++] = entry;
        return 0;
}

static bool has_suffix(const char *name, const char *suffix) {
        size_t length = strlen(name), suffix_length = strlen(suffix);

        return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

static int read_dropins(struct dropin_directory *directory, DIR *stream) {
        const struct dirent *de;
        int r;

        while ((r = directory_next(stream, &de)) > 0) {
                struct dropin_entry *entries, entry = {};

                if (de->d_name[0] == '.' || !has_suffix(de->d_name, ".conf"))
                        continue;
                entries = grow(directory->entries, directory->n, sizeof(*entries));
                if (!entries)
                        return -ENOMEM;
                directory->entries = entries;
                entry.name = strdup(de->d_name);
                if (!entry.name || format_text(&entry.file.path, "%s/%s", directory->path, de->d_name) < 0)
                        r = -ENOMEM;
                else
                        r = look_into(dirfd(stream), de->d_name, de->d_type == DT_REG, &entry.file);
                directory->entries[directory->n++] = entry;
                if (r < 0)
                        return r;
        }
        return r;
}

static int add_directory(struct unit_index *index, size_t rank, int directory_fd, const char *name) {
        struct dropin_directory *directories, *directory;
        _cleanup_(close_directory) DIR *stream = NULL;
        int r;

        directories = grow(index->directories, index->n_directories, sizeof(*directories));
        if (!directories)
                return -ENOMEM;
        index->directories = directories;
        r = directory_open(directory_fd, name, &stream);
        if (!stream)
                return r;

        directory = &index->directories[index->n_directories++];
        *directory = (struct dropin_directory){.rank = rank};
        /* unit_index_free() frees it, though gcc 12's -fanalyzer sees a leak here, and below */
        directory->name = strndup(name, strlen(name) - strlen(".d"));
        if (!directory->name ||
            format_text(&directory->path, "%s/%s", index->path->directories[rank], name) < 0)
                return -ENOMEM;
        return read_dropins(directory, stream);
}

static int add_wanted(struct unit_index *index, int directory_fd, const char *name) {
        _cleanup_(close_directory) DIR *stream = NULL;
        const struct dirent *de;
        int r = directory_open(directory_fd, name, &stream);

        while (stream && (r = directory_next(stream, &de)) > 0) {
                char **wanted;

                if (!is_unit_name(de->d_name))
                        continue;
                wanted = grow(index->wanted, index->n_wanted, sizeof(*wanted));
                if (!wanted)
                        return -ENOMEM;
                index->wanted = wanted;
                index->wanted[index->n_wanted] = strdup(de->d_name);
                if (!index->wanted[index->n_wanted++])
                        return -ENOMEM;
        }
        return r;
}

static bool is_dropin_directory(const char *name) {
        char unit[UNIT_NAME_MAX + 1];

        if (!has_suffix(name, ".d"))
                return false;
        if (strcmp(name, "service.d") == 0 || strcmp(name, "socket.d") == 0)
                return true;
        return snprintf(unit, sizeof(unit), "%.*s", (int) (strlen(name) - strlen(".d")), name) <=
                       UNIT_NAME_MAX &&
               is_unit_name(unit);
}

static int add_entry(struct unit_index *index, size_t rank, DIR *stream, const struct dirent *de) {
        unsigned char type = de->d_type;

        if (de->d_name[0] == '.')
                return 0;
        if (type == DT_UNKNOWN) {
                struct stat st;

                if (fstatat(dirfd(stream), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return shortage(errno);
                type = S_ISREG(st.st_mode)   ? DT_REG
                       : S_ISLNK(st.st_mode) ? DT_LNK
                       : S_ISDIR(st.st_mode) ? DT_DIR
                                             : DT_UNKNOWN;
        }
        if (type != DT_DIR && type != DT_LNK && type != DT_REG)
                return 0;
        if (type != DT_DIR && is_unit_name(de->d_name))
                return add_unit(index, rank, dirfd(stream), de->d_name, type == DT_LNK);
        if (type == DT_REG)
                return 0;
        if (is_dropin_directory(de->d_name))
                return add_directory(index, rank, dirfd(stream), de->d_name);
        if (has_suffix(de->d_name, ".wants") || has_suffix(de->d_name, ".requires") ||
            has_suffix(de->d_name, ".upholds"))
                return add_wanted(index, dirfd(stream), de->d_name);
        return 0;
}

static int collect_aliases(struct unit_index *index) {
        for (size_t i = 0; i < index->n_units; i++) {
                struct unit_entry **aliases;

                if (!index->units[i].alias_of ||
                    (i > 0 && strcmp(index->units[i].name, index->units[i - 1].name) == 0))
                        continue;
                aliases = grow(index->aliases, index->n_aliases, sizeof(struct unit_entry *));
                if (!aliases)
                        return -ENOMEM;
                index->aliases = aliases;
                index->aliases[index->n_aliases++] = &index->units[i];
        }
        return 0;
}

int unit_index_read(const struct search_path *path, struct unit_index *ret) {
        struct unit_index index = {.path = path};
        int r = 0;

        for (size_t rank = 0; rank < path->n && r >= 0; rank++) {
                _cleanup_(close_directory) DIR *stream = NULL;
                const struct dirent *de;

                r = directory_open(AT_FDCWD, path->directories[rank], &stream);
                while (stream && r >= 0 && (r = directory_next(stream, &de)) > 0)
                        r = add_entry(&index, rank, stream, de);
        }
        if (r >= 0 && index.n_units > 0) {
                qsort(index.units, index.n_units, sizeof(*index.units), compare_units);
                r = collect_aliases(&index);
        }
        if (r < 0) {
                unit_index_free(&index);
                return r;
        }
        if (index.n_directories > 0)
                qsort(index.directories, index.n_directories, sizeof(*index.directories),
                      compare_directories);
        if (index.n_wanted > 0)
                qsort(index.wanted, index.n_wanted, sizeof(*index.wanted), compare_names);
        *ret = index;
        return 0;
}

void unit_index_free(struct unit_index *index) {
        for (size_t i = 0; i < index->n_units; i++)
                free_unit(&index->units[i]);
        for (size_t i = 0; i < index->n_directories; i++) {
                struct dropin_directory *directory = &index->directories[i];

                for (size_t j = 0; j < directory->n; j++) {
                        free(directory->entries[j].name);
                        free(directory->entries[j].file.path);
                        free(directory->entries[j].file.text);
                }
                free(directory->entries);
                free(directory->name);
                free(directory->path);
        }
        for (size_t i = 0; i < index->n_wanted; i++)
                free(index->wanted[i]);
        free(index->aliases);
        free(index->units);
        free(index->directories);
        free(index->wanted);
        *index = (struct unit_index){};
}

struct unit_entry *unit_index_find(const struct unit_index *index, const char *name) {
        size_t low = 0, high = index->n_units;

        while (low < high) { /* the first that is not below */
                size_t middle = low + (high - low) / 2;

                if (strcmp(index->units[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < index->n_units && strcmp(index->units[low].name, name) == 0 ? &index->units[low] : NULL;
}

struct unit_entry *unit_index_find_or_template(const struct unit_index *index, const char *name) {
        struct unit_entry *entry = unit_index_find(index, name);
        char template[UNIT_NAME_MAX + 1];

        if (entry || unit_name_kind(name, strrchr(name, '.')) != UNIT_NAME_INSTANCE)
                return entry;
        unit_name_template(name, template);
        return unit_index_find(index, template);
}

struct dropin_directory *unit_index_find_directories(const struct unit_index *index, const char *name) {
        size_t low = 0, high = index->n_directories;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(index->directories[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < index->n_directories && strcmp(index->directories[low].name, name) == 0
                       ? &index->directories[low]
                       : NULL;
}

bool unit_index_is_wanted(const struct unit_index *index, const char *name) {
        return index->n_wanted > 0 &&
               bsearch(&name, index->wanted, index->n_wanted, sizeof(*index->wanted), compare_names);
}
