/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error-name.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util.h"

/* What the kernel can return (MAX_ERRNO) */
#define ERROR_MAX 4095

/* errno(3): other names of errors */
static const struct {
        const char *name;
        int error;
} aliases[] = {
        {"EWOULDBLOCK", EWOULDBLOCK},
        {"EDEADLOCK", EDEADLOCK},
        {"ENOTSUP", ENOTSUP},
};

static bool is(const char *text, size_t length, const char *name) {
        return strlen(name) == length && memcmp(text, name, length) == 0;
}

int error_from_name(const char *text, size_t length) {
        int number = 0;
        size_t digits = 0;

        while (digits < length && text[digits] >= '0' && text[digits] <= '9' && number <= ERROR_MAX)
                number = number * 10 + (text[digits++] - '0');
        if (digits == length)
                return number <= ERROR_MAX && text[0] != '0' ? number : 0;

        for (int error = 1; error <= ERROR_MAX; error++) {
                const char *name = strerrorname_np(error);

                if (name && is(text, length, name))
                        return error;
        }
        for (size_t i = 0; i < ELEMENTSOF(aliases); i++)
                if (is(text, length, aliases[i].name))
                        return aliases[i].error;
        return 0;
}
