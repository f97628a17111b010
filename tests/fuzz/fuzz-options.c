/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command line, an argument a line: it is refused with a message, or what was read of it is sound. */

#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>

#include "fuzz.h"
#include "log.h"
#include "options.h"

#define ARGUMENTS_MAX 32

static unsigned n_errors;

/* In the place of the real ones: nobody reads them here, and no name is looked up. */
void log_message(int priority, const char *format, ...) {
        char text[2048];
        va_list arguments;

        va_start(arguments, format);
        HOLDS(vsnprintf(text, sizeof(text), format, arguments) > 0);
        va_end(arguments);
        n_errors += priority == LOG_ERR;
}

void log_set_level(int level) {
        HOLDS(level >= LOG_EMERG && level <= LOG_DEBUG);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret) {
        static struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f};
        static struct addrinfo found = {.ai_family = AF_INET,
                                        .ai_addr = (struct sockaddr *) &address,
                                        .ai_addrlen = sizeof(address)};

        (void) service;
        (void) hints;
        *ret = &found;
        return strlen(name) % 8 == 7 ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *list) {
        HOLDS(list);
}

static void check_options(const struct options *options) {
        for (size_t i = 0; i < options->n_rules; i++) {
                HOLDS(options->rules[i].n_steps > 0 && options->rules[i].text);
                for (size_t j = 0; j < options->rules[i].n_steps; j++)
                        HOLDS(options->rules[i].steps[j].kind != STEP_HOST ||
                              options->rules[i].steps[j].n_addresses == 1);
        }
        HOLDS(options->closing.n_calls <= CLOSED_CALLS_MAX &&
              options->closing.n_families <= CLOSED_FAMILIES_MAX);
        HOLDS(options->argv[0] || options->explain || options->unit || options->await_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        char *arguments[ARGUMENTS_MAX + 2] = {strdup("force-bind")}, *permuted[ARGUMENTS_MAX + 2];
        struct options options;
        int n = 1, r;

        while (input.left > 0 && n <= ARGUMENTS_MAX) {
                arguments[n++] = take_text(&input, '\n');
                if (strncmp(arguments[n - 1], "--h", 3) == 0 || strncmp(arguments[n - 1], "--vers", 6) == 0)
                        arguments[n - 1][2] = 'x'; /* much text, and nothing to find */
        }
        memcpy(permuted, arguments, sizeof(permuted));
        optind = 0; /* begin anew (getopt(3)) */
        opterr = 0;
        n_errors = 0;
        r = options_parse(n, permuted, &options);
        HOLDS(r <= 1);
        if (r == 1) {
                HOLDS(n_errors == 0);
                check_options(&options);
                options_free(&options);
        }
        for (int i = 0; i < n; i++)
                free(arguments[i]);
        return 0;
}
