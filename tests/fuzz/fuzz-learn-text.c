/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The drop-in that follows from any sockets: a unit file that the generator takes, with as many lines of
 * Listen= as were counted. */

#include "fuzz.h"
#include "learn-text.h"
#include "listen.h"
#include "policy.h"
#include "specifiers.h"
#include "unit-reader.h"

#define SOCKETS_MAX 6

static void take_socket(struct input *input, struct observed_socket *ret) {
        static const char *const names[] = {"root", "www-data", ""};
        struct bind_request request = take_request(input);
        uint8_t flags = take_byte(input), owner = take_byte(input);

        *ret = (struct observed_socket){.kind = request.kind,
                                        .v6only = request.v6only,
                                        .asked = request.address,
                                        .bound = request.address,
                                        .path_too_long = (flags & 0x01) != 0,
                                        .listened = (flags & 0x02) != 0,
                                        .open = (flags & 0x04) != 0,
                                        .dropped = (flags & 0x08) != 0,
                                        .has_owner = (flags & 0x10) != 0,
                                        .mode = take_byte(input)};
        if (flags & 0x20)
                strcpy(ret->device, "eth0");
        strcpy(ret->user, names[owner % ELEMENTSOF(names)]);
        strcpy(ret->group, names[owner / 16 % 2]);
        if ((flags & 0xc0) == 0xc0) { /* bytes of the input's own for an address or a name */
                uint8_t *to = request.kind.domain == AF_UNIX ? (uint8_t *) ret->asked.unix_name
                                                             : (uint8_t *) &ret->asked.ipv6;
                size_t room = request.kind.domain == AF_UNIX ? ADDRESS_UNIX_MAX : 16,
                       length = take_byte(input) % (room + 1);

                if (request.kind.domain == AF_UNIX)
                        ret->asked.unix_length = (uint16_t) length;
                for (size_t i = 0; i < length; i++)
                        to[i] = take_byte(input);
                /* as address_from_sockaddr() gives it, and made absolute */
                if (address_is_unix_path(&ret->asked)) {
                        if (!ret->path_too_long)
                                ret->asked.unix_name[0] = '/';
                        ret->asked.unix_length = (uint16_t) strnlen(ret->asked.unix_name, length);
                }
        }
}

static void check_text(const char *text, size_t length, size_t expected) {
        struct unit_reader reader;
        struct assignment assignment;
        size_t n = 0;
        int r;

        HOLDS(strlen(text) == length);
        unit_reader_init(&reader, text, length);
        while ((r = unit_reader_next(&reader, &assignment)) > 0) {
                if (strcmp(assignment.key, "Listen") == 0) {
                        struct listen_address address;
                        bool certain;
                        char *checked = specifiers_try(assignment.value, "a.service", &certain);

                        HOLDS(strcmp(assignment.section, "X-ForceBind") == 0);
                        HOLDS(checked && certain && !listen_parse(assignment.value, checked, &address));
                        free(checked);
                        n++;
                } else if (strcmp(assignment.key, "Rule") == 0) {
                        struct rule_error error;
                        struct rule rule;

                        HOLDS(rule_parse(assignment.value, &rule, &error) == 0);
                        rule_free(&rule);
                } else
                        HOLDS(strncmp(assignment.key, "Socket", 6) == 0 ||
                              strcmp(assignment.key, "Auto") == 0 ||
                              strcmp(assignment.key, "RuntimeDirectoryPreserve") == 0);
        }
        HOLDS(r == 0 && n == expected);
        unit_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct observed_socket sockets[SOCKETS_MAX];
        struct input input = {data, size};
        uint8_t flags = take_byte(&input);
        struct learned learned = {.unit = flags & 1 ? "a-b.service" : NULL,
                                  .program = "/usr/bin/program\n",
                                  .existing_socket = flags & 2 ? "/etc/systemd/system/a-b.socket" : NULL,
                                  .runtime_directories = flags & 4 ? "a a/b" : NULL,
                                  .sockets = sockets,
                                  .more = (flags & 8) != 0,
                                  .running = (flags & 16) != 0};
        char *text = NULL;
        size_t length, n;
        FILE *out = open_memstream(&text, &length);

        HOLDS(out);
        while (input.left > 0 && learned.n_sockets < SOCKETS_MAX)
                take_socket(&input, &sockets[learned.n_sockets++]);
        n = learn_write(out, &learned);
        HOLDS(fclose(out) == 0);
        HOLDS(n <= learned.n_sockets);
        check_text(text, length, learned.existing_socket ? 0 : n);
        free(text);
        return 0;
}
