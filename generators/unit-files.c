/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit-name.h"

/* Aliases are followed as far as this (systemd's FOLLOW_MAX). */
#define ALIASES_MAX 8

/* The name that an alias leads to: of an instance and a template, the template's instance. */
static bool follow(const char *name, const char *alias_of, char *ret) {
        const char *suffix = strrchr(name, '.');
        char instance[UNIT_NAME_MAX + 1];

        if (unit_name_kind(name, suffix) != UNIT_NAME_INSTANCE ||
            unit_name_kind(alias_of, suffix) != UNIT_NAME_TEMPLATE)
                return snprintf(ret, UNIT_NAME_MAX + 1, "%s", alias_of) <= UNIT_NAME_MAX;
        unit_name_instance(name, instance);
        return snprintf(ret, UNIT_NAME_MAX + 1, "%.*s%s%s", (int) (strchr(alias_of, '@') + 1 - alias_of),
                        alias_of, instance, suffix) <= UNIT_NAME_MAX;
}

bool unit_resolve(const struct unit_index *index, const char *name, char *ret) {
        char next[UNIT_NAME_MAX + 1];

        (void) snprintf(ret, UNIT_NAME_MAX + 1, "%s", name);
        for (unsigned i = 0; i < ALIASES_MAX; i++) {
                const struct unit_entry *entry = unit_index_find_or_template(index, ret);

                if (!entry || !entry->alias_of)
                        return true;
                if (!follow(ret, entry->alias_of, next))
                        return false;
                memcpy(ret, next, sizeof(next));
        }
        return false;
}

struct unit_entry *unit_find_fragment(const struct unit_index *index, const char *name) {
        char id[UNIT_NAME_MAX + 1];
        struct unit_entry *entry =
                unit_resolve(index, name, id) ? unit_index_find_or_template(index, id) : NULL;

        return entry && !entry->alias_of ? entry : NULL;
}

/* Adds the files of NAME.d in the directory of this rank. */
static int add_named(const struct unit_index *index, const char *name, size_t rank,
                     struct dropin_list *list) {
        const struct dropin_directory *directory = unit_index_find_directories(index, name);
        const struct dropin_directory *end = index->directories + index->n_directories;

        for (; directory && directory < end && strcmp(directory->name, name) == 0; directory++) {
                struct found_dropin *found;

                if (directory->rank != rank || directory->n == 0)
                        continue;
                found = reallocarray(list->found, list->n + directory->n, sizeof(*found));
                if (!found)
                        return -ENOMEM;
                list->found = found; /* the caller frees it, though gcc 12's -fanalyzer sees a leak here */
                for (size_t i = 0; i < directory->n; i++, list->n++)
                        found[list->n] = (struct found_dropin){&directory->entries[i], list->n};
                if (unit_name_kind(name, strrchr(name, '.') ? strrchr(name, '.') : "") == UNIT_NAME_INSTANCE)
                        list->for_instance = true;
        }
        return 0;
}

/* Adds what one directory of the search path has for a name: NAME.d, its template's, and those of its
 * shorter prefixes. */
static int add_for_name(const struct unit_index *index, const char *name, size_t rank,
                        struct dropin_list *list) {
        char shorter[UNIT_NAME_MAX + 1];
        int r = add_named(index, name, rank, list);

        if (r >= 0 && unit_name_kind(name, strrchr(name, '.')) == UNIT_NAME_INSTANCE) {
                unit_name_template(name, shorter);
                r = add_for_name(index, shorter, rank, list);
        }
        if (r >= 0 && unit_name_chop(name, shorter))
                r = add_for_name(index, shorter, rank, list);
        return r;
}

static int compare_found(const void *a, const void *b) {
        const struct found_dropin *x = a, *y = b;
        int r = strcmp(x->entry->name, y->entry->name);

        return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static void sort_found(struct dropin_list *list) {
        size_t n = 0;

        if (list->n == 0)
                return;
        qsort(list->found, list->n, sizeof(*list->found), compare_found);
        for (size_t i = 0; i < list->n; i++)
                if (n == 0 || strcmp(list->found[n - 1].entry->name, list->found[i].entry->name) != 0)
                        list->found[n++] = list->found[i];
        list->n = n;
}

int unit_find_dropins(const struct unit_index *index, const char *name, struct dropin_list *ret) {
        struct dropin_list list = {};
        char id[UNIT_NAME_MAX + 1];
        int r = 0;

        for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                r = add_for_name(index, name, rank, &list);
        for (size_t i = 0; i < index->n_aliases && r >= 0; i++) {
                const char *alias = index->aliases[i]->name;

                if (strcmp(alias, name) == 0 || !unit_resolve(index, alias, id) || strcmp(id, name) != 0)
                        continue;
                for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                        r = add_for_name(index, alias, rank, &list);
        }
        for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                r = add_named(index, strrchr(name, '.') + 1, rank, &list);
        if (r < 0) {
                free(list.found);
                return r;
        }
        sort_found(&list);
        *ret = list;
        return 0;
}
