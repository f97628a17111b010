/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-name.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS                                                                                     \
        "0123456789"                                                                                        \
        "abcdefghijklmnopqrstuvwxyz"                                                                        \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                                                        \
        ":-_.\\"

enum unit_name_kind unit_name_kind(const char *name, const char *suffix) {
        size_t length = strlen(name), suffix_length = strlen(suffix), stem, prefix;

        if (length > UNIT_NAME_MAX || length <= suffix_length ||
            strcmp(name + length - suffix_length, suffix) != 0)
                return UNIT_NAME_INVALID;
        stem = length - suffix_length;
        prefix = strspn(name, NAME_CHARACTERS);
        if (prefix == 0)
                return UNIT_NAME_INVALID;
        if (prefix >= stem)
                return UNIT_NAME_PLAIN;
        if (name[prefix] != '@' || prefix + 1 + strspn(name + prefix + 1, NAME_CHARACTERS "@") < length)
                return UNIT_NAME_INVALID;
        return prefix + 1 == stem ? UNIT_NAME_TEMPLATE : UNIT_NAME_INSTANCE;
}

void unit_name_template(const char *name, char *ret) {
        (void) snprintf(ret, UNIT_NAME_MAX + 1, "%.*s@%s", (int) strcspn(name, "@"), name,
                        strrchr(name, '.'));
}

void unit_name_instance(const char *name, char *ret) {
        const char *at = strchr(name, '@'), *end = strrchr(name, '.');

        ret[0] = '\0';
        if (at)
                (void) snprintf(ret, UNIT_NAME_MAX + 1, "%.*s", (int) (end - at - 1), at + 1);
}

void unit_name_prefix(const char *name, char *ret) {
        const char *end = strchr(name, '@');

        if (!end)
                end = strrchr(name, '.');
        (void) snprintf(ret, UNIT_NAME_MAX + 1, "%.*s", (int) (end - name), name);
}

bool unit_name_change_suffix(const char *name, const char *suffix, char *ret) {
        return snprintf(ret, UNIT_NAME_MAX + 1, "%.*s%s", (int) (strrchr(name, '.') - name), name, suffix) <=
               UNIT_NAME_MAX;
}

bool unit_name_chop(const char *name, char *ret) {
        char prefix[UNIT_NAME_MAX + 1], instance[UNIT_NAME_MAX + 1];
        const char *rest;
        char *dash;

        unit_name_prefix(name, prefix);
        unit_name_instance(name, instance);
        /* A template is chopped to a plain name, an instance to an instance. */
        rest = instance[0] != '\0' ? name + strlen(prefix) : strrchr(name, '.');
        dash = strrchr(prefix, '-');
        if (dash && dash != prefix && dash[1] == '\0') { /* a dash at the end is chopped off, once */
                *dash = '\0';
                dash = strrchr(prefix, '-');
        }
        if (!dash || dash == prefix)
                return false;
        dash[1] = '\0';
        (void) snprintf(ret, UNIT_NAME_MAX + 1, "%s%s", prefix, rest);
        return true;
}
