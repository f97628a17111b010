/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of Listen=: each is said by exactly one line of exactly one .socket unit, as it was written. */

#include "fuzz.h"
#include "listen.h"
#include "specifiers.h"

#define LINES_MAX 4

static size_t count(const char *text, const char *word) {
        size_t n = 0;

        for (; (text = strstr(text, word)); text++)
                n++;
        return n;
}

static char *write_unit(const struct listen_address *addresses, size_t n, bool second) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        HOLDS(out);
        listen_write(out, addresses, n, second);
        HOLDS(fclose(out) == 0);
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        struct listen_address addresses[LINES_MAX];
        char *lines[LINES_MAX], *first, *second;
        size_t n = 0;

        while (n < LINES_MAX && input.left > 0) {
                bool certain;
                char *line = take_text(&input, '\n'),
                     *checked = specifiers_try(line, "a-b@c-d.service", &certain);

                HOLDS(checked);
                if (listen_parse(line, checked, &addresses[n])) {
                        free(line);
                } else {
                        const struct listen_address *address = &addresses[n];

                        HOLDS(address->address >= line && address->address <= line + strlen(line));
                        HOLDS(!address->dual_stack || (address->ip && !address->only_ipv6));
                        lines[n++] = line;
                }
                free(checked);
        }
        first = write_unit(addresses, n, false);
        second = write_unit(addresses, n, true);
        for (size_t i = 0; i < n; i++) {
                char *line;

                HOLDS(format_text(&line, "Listen%s=%s\n", addresses[i].datagram ? "Datagram" : "Stream",
                                  addresses[i].address) == 0);
                if (listen_needs_second_unit(addresses, n))
                        HOLDS(!strstr(first, line) == !!strstr(second, line));
                else
                        HOLDS(strstr(first, line));
                free(line);
        }
        HOLDS(count(first, "BindIPv6Only=") <= 1 && count(second, "BindIPv6Only=") <= 1);
        free(first);
        free(second);
        for (size_t i = 0; i < n; i++)
                free(lines[i]);
        return 0;
}
