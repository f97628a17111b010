/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "specifiers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "unit-name.h"

static int hex_digit(char c) {
        return isdigit((unsigned char) c) ? c - '0' : tolower((unsigned char) c) - 'a' + 10;
}

/* Undoes the escaping of unit names: "-" is "/", "\x2d" a byte (systemd-escape(1)). */
static void write_unescaped(FILE *out, const char *text) {
        for (; *text != '\0'; text++)
                if (text[0] == '\\' && text[1] == 'x' && isxdigit((unsigned char) text[2]) &&
                    isxdigit((unsigned char) text[3])) {
                        fputc(hex_digit(text[2]) * 16 + hex_digit(text[3]), out);
                        text += 3;
                } else
                        fputc(*text == '-' ? '/' : *text, out);
}

static const char *behind_last_dash(const char *text) {
        const char *dash = strrchr(text, '-');

        return dash ? dash + 1 : text;
}

/* Returns false for a specifier that does not follow from the unit's name. */
static bool expand(FILE *out, char specifier, const char *unit) {
        char prefix[UNIT_NAME_MAX + 1], instance[UNIT_NAME_MAX + 1];
        bool is_template = unit_name_kind(unit, strrchr(unit, '.')) == UNIT_NAME_TEMPLATE;

        unit_name_prefix(unit, prefix);
        unit_name_instance(unit, instance);
        if (is_template && strchr("iInN", specifier))
                return false;
        switch (specifier) {
        case 'i':
                fputs(instance, out);
                return true;
        case 'I':
                write_unescaped(out, instance);
                return true;
        case 'n':
                fputs(unit, out);
                return true;
        case 'N':
                fprintf(out, "%.*s", (int) (strrchr(unit, '.') - unit), unit);
                return true;
        case 'p':
                fputs(prefix, out);
                return true;
        case 'P':
                write_unescaped(out, prefix);
                return true;
        case 'j':
                fputs(behind_last_dash(prefix), out);
                return true;
        case 'J':
                write_unescaped(out, behind_last_dash(prefix));
                return true;
        default:
                return false;
        }
}

char *specifiers_try(const char *text, const char *unit, bool *ret_certain) {
        char *expanded = NULL;
        struct text into;
        bool certain = true;

        if (text_open(&into) < 0)
                return NULL;
        for (; *text != '\0'; text++) {
                if (text[0] != '%' || text[1] == '\0')
                        fputc(*text, into.out);
                else if (*++text == '%')
                        fputc('%', into.out);
                else if (!expand(into.out, *text, unit)) {
                        fputc('1', into.out);
                        certain = false;
                }
        }
        *ret_certain = certain;
        return text_close(&into, &expanded) < 0 ? NULL : expanded;
}
