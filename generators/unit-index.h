/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is on disk: the unit files, drop-ins and enabling links of services and sockets in the search
 * path, by name. Files are read once, and their text is kept only where it may be needed. */

#include <stdbool.h>
#include <stddef.h>

#include "search-path.h"

/* A larger file than this is not a unit file; read no further. */
#define UNIT_FILE_MAX ((size_t) 16 * 1024 * 1024)

/* What marks files that are about us */
#define FORCE_BIND_MARK "X-ForceBind"

/* A unit file or drop-in */
struct unit_file {
        char *path;
        char *text; /* NULL: not kept, see unit_file_read(); or nothing in it (empty, /dev/null, no file) */
        size_t length;
        bool read;
        bool empty;     /* of a fragment: masks the unit */
        bool has_mark;  /* FORCE_BIND_MARK is in it */
        bool too_large; /* only UNIT_FILE_MAX of it was read */
};

/* NAME in a directory of the search path: a fragment, or a link to one */
struct unit_entry {
        char *name;
        size_t rank;           /* of the directory; 0 is the highest */
        struct unit_file file; /* unless it is an alias */
        char *alias_of;        /* the name it leads to, NULL: it is a fragment, or linked from elsewhere */
};

/* A file in NAME.d */
struct dropin_entry {
        char *name; /* without the directory */
        struct unit_file file;
};

struct dropin_directory {
        char *name; /* what stands before ".d": a unit's name, or "service", "socket" */
        size_t rank;
        char *path;
        struct dropin_entry *entries;
        size_t n;
};

struct unit_index {
        const struct search_path *path;
        struct unit_entry *units; /* sorted by name, then rank */
        size_t n_units;
        struct unit_entry **aliases; /* those of them that are other names of units, of the highest rank */
        size_t n_aliases;
        struct dropin_directory *directories; /* sorted by name, then rank */
        size_t n_directories;
        char **wanted; /* names linked in .wants, .requires and .upholds directories, sorted */
        size_t n_wanted;
};

/* Lists and reads. What cannot be read is left out. Returns 0 or -ENOMEM. */
int unit_index_read(const struct search_path *path, struct unit_index *ret);
void unit_index_free(struct unit_index *index);

/* The entry of the highest rank with this name. NULL: there is none. */
struct unit_entry *unit_index_find(const struct unit_index *index, const char *name);

/* The same; for an instance that has none, its template's. */
struct unit_entry *unit_index_find_or_template(const struct unit_index *index, const char *name);

/* The first of the drop-in directories of this name, in the order of ranks; the next ones with the same name
 * follow it. NULL: there is none. */
struct dropin_directory *unit_index_find_directories(const struct unit_index *index, const char *name);

bool unit_index_is_wanted(const struct unit_index *index, const char *name);

/* Reads the file's text again, if it was not kept. Returns 0 or -ENOMEM; a file that is gone has no text. */
int unit_file_read(struct unit_file *file);
