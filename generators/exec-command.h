/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One command of an ExecStart= line, and the same command behind the helper. The manager's own view of it
 * stays: path and arguments as they were, behind "--"; the text changes only where that needs it. Pure: no
 * system calls here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct exec_command {
        bool continues;       /* stands behind another one on the same line; the caller's to set */
        char *prefixes;       /* of "-:+!", in their order; "@" is has_argv0 */
        bool ignores_failure; /* "-" */
        bool expands_dollar;  /* no ":" */
        bool has_argv0;       /* "@" */
        char *program;        /* decoded, without prefixes; specifiers and variables as they are */
        char *program_text;   /* as it was written; NULL: has to be written anew, because of its prefixes */
        char *argv0_text;     /* of "@" */
        char *arguments;      /* the rest, as it was written; "" if there is none */
};

/* Takes the next command off a line, up to a lone ";". Returns 1; 0 at the end, also for a broken command
 * that systemd ignores (it has a "-" prefix); -EINVAL and in *ret_message (a constant) why systemd would
 * refuse it, or we do; or -ENOMEM. */
int exec_command_take(const char **at, struct exec_command *ret, const char **ret_message);
void exec_command_free(struct exec_command *command);

/* The last component of the program's path, into which a specifier may still put slashes. */
const char *exec_command_base_name(const struct exec_command *command);

/* Writes the command behind a helper: its path, its options (each a word, as the helper is to get it; NULL
 * ends them), "--", and the command. specifiers: "%" in options means a specifier. */
void exec_command_write(FILE *out, const struct exec_command *command, const char *helper,
                        const char *const *options, bool specifiers);
