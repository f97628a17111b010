/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line of ExecStart= put behind the helper: the manager reads the same prefixes, program and arguments,
 * and the line is one that a unit file can have. The first line of an input is an option for the helper. */

#include "commands.h"
#include "unit-reader.h"
#include "utf8.h"

/* What a unit file's reader makes of KEY=line. NULL: it is no setting. The caller's to free(). */
static char *read_back(const char *line) {
        struct unit_reader reader;
        struct assignment assignment;
        char *text, *value = NULL;

        HOLDS(format_text(&text, "[S]\nK=%s\n[E]\nEnd=1\n", line) == 0);
        unit_reader_init(&reader, text, strlen(text));
        if (unit_reader_next(&reader, &assignment) == 1 && strcmp(assignment.key, "K") == 0) {
                value = strdup(assignment.value);
                HOLDS(value && unit_reader_next(&reader, &assignment) == 1 &&
                      strcmp(assignment.key, "End") == 0);
        }
        unit_reader_done(&reader);
        free(text);
        return value;
}

static void check_command(const struct exec_command *command, const char *option) {
        const char *options[] = {option, NULL}, *at, *message;
        struct exec_command wrapped;
        char *written = NULL, *value;
        size_t size;
        FILE *out = open_memstream(&written, &size);

        HOLDS(out);
        exec_command_write(out, command, "/usr/bin/force-bind", options, true);
        HOLDS(fclose(out) == 0);
        value = read_back(written);
        HOLDS(value && strcmp(written, value) == 0);
        at = value;
        HOLDS(exec_command_take(&at, &wrapped, &message) == 1);
        HOLDS(*at == '\0');
        check_wrapped(command, &wrapped, "/usr/bin/force-bind", options);
        exec_command_free(&wrapped);
        free(value);
        free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = {data, size};
        _cleanup_free_ char *option = take_text(&input, '\n'), *line = take_text(&input, '\n'),
                            *value = NULL;
        struct exec_command command;
        const char *at, *message = NULL;
        int r;

        if (!utf8_is_valid(option) || strchr(option, '\r') || strchr(line, '\r'))
                return 0; /* it stands on a line of a unit file, too */
        value = read_back(line);
        if (!value)
                return 0;
        at = value;
        while ((r = exec_command_take(&at, &command, &message)) > 0) {
                check_command(&command, option);
                exec_command_free(&command);
        }
        HOLDS(r == 0 ? *at == '\0' : message != NULL);
        return 0;
}
