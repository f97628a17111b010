/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-command.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "word.h"

#define WHITESPACE " \t\n\r"

/* Takes the prefixes off the decoded first word. Returns the number of characters; each may stand once, of
 * "+",
 * "!" and "!!" one (systemd.service(5), "COMMAND LINES"). */
static size_t take_prefixes(const char *word, struct exec_command *command) {
        char *kept = command->prefixes;
        unsigned bangs = 0;
        bool plus = false;
        size_t n = 0;

        command->expands_dollar = true;
        for (;; n++) {
                if (word[n] == '-' && !command->ignores_failure)
                        command->ignores_failure = true;
                else if (word[n] == '@' && !command->has_argv0) {
                        command->has_argv0 = true;
                        continue;
                } else if (word[n] == ':' && command->expands_dollar)
                        command->expands_dollar = false;
                else if (word[n] == '+' && !plus && bangs == 0)
                        plus = true;
                else if (word[n] == '!' && !plus && bangs < 2)
                        bangs++;
                else
                        break;
                *kept++ = word[n];
        }
        *kept = '\0';
        return n;
}

/* Why systemd does not take this for a program, NULL if it does; a specifier may still bring what is
 * missing. */
static const char *check_program(const char *program) {
        size_t length = strlen(program);

        if (program[0] == '|')
                return "the prefix \"|\" starts a shell, behind which a helper has no place; remove it, or "
                       "leave "
                       "this service as it is";
        if (length == 0)
                return "the command has no program";
        for (const char *at = program; *at != '\0'; at++)
                if ((unsigned char) *at < ' ' || strchr("\"'\\\x7f", *at))
                        return "the program's path has special characters";
        if (program[length - 1] == '/')
                return "the program's path is a directory's";
        if (program[0] != '/' && program[0] != '%' && strchr(program, '/'))
                return "the program is neither a name nor an absolute path";
        if (strcmp(program, ".") == 0 || strcmp(program, "..") == 0 || length >= PATH_MAX ||
            (program[0] != '/' && length > NAME_MAX))
                return "the program has no valid name";
        return NULL;
}

static bool is_lone_semicolon(const char *at) {
        return at[0] == ';' && (at[1] == '\0' || strchr(WHITESPACE, at[1]));
}

/* At the end of a line, a lone backslash means itself; before anything else it would not. */
static bool ends_in_open_backslash(const char *begin, const char *end) {
        bool open_backslash = false;

        for (; begin < end; begin++)
                open_backslash = !open_backslash && *begin == '\\';
        return open_backslash;
}

/* Takes the arguments up to the end, or to a lone ";", which it takes as well. */
static int take_arguments(const char **at, struct exec_command *command, const char **ret_message) {
        const char *begin = *at, *end = begin;
        bool ended = false;

        while (**at != '\0' && !ended) {
                _cleanup_free_ char *word = NULL;
                const char *text;
                size_t length;
                int r;

                ended = is_lone_semicolon(*at);
                if (ended) {
                        *at += 1 + strspn(*at + 1, WHITESPACE);
                        break;
                }
                r = word_take(at, &word, &text, &length);
                if (r == -EINVAL)
                        *ret_message = "the quotes are unbalanced";
                if (r < 0)
                        return r;
                end = text + length;
        }
        /* Where we write it, a lone backslash at the very end would continue the line, and a blank (behind
         * one) be stripped. */
        return format_text(&command->arguments, "%.*s%s", (int) (end - begin), begin,
                           ends_in_open_backslash(begin, end)           ? "\\"
                           : end > begin && strchr(WHITESPACE, end[-1]) ? "\"\""
                                                                        : "") < 0
                       ? -ENOMEM
                       : 0;
}

static int take_argv0(const char **at, struct exec_command *command, const char **ret_message) {
        _cleanup_free_ char *word = NULL;
        const char *text = NULL;
        size_t length = 0;
        int r = is_lone_semicolon(*at) ? 0 : word_take(at, &word, &text, &length);

        if (r == -ENOMEM)
                return r;
        if (r <= 0) {
                *ret_message = r == 0 ? "behind \"@\" there is no argv[0]" : "the quotes are unbalanced";
                return -EINVAL;
        }
        return format_text(&command->argv0_text, "%.*s%s", (int) length, text,
                           ends_in_open_backslash(text, text + length) ? "\\" : "");
}

/* Takes a command whose first word has been read. */
static int take_rest(const char **at, const char *word, const char *text, size_t length,
                     struct exec_command *command, const char **ret_message) {
        size_t n_prefixes;
        int r;

        command->prefixes = malloc(strlen(word) + 1);
        if (!command->prefixes)
                return -ENOMEM;
        n_prefixes = take_prefixes(word, command);
        command->program = strdup(word + n_prefixes);
        if (!command->program)
                return -ENOMEM;
        *ret_message = check_program(command->program);
        if (*ret_message)
                return -EINVAL;
        /* As an argument, the path is expanded, which it was not before (systemd.service(5)), and ";" would
         * be the end. */
        if (length > n_prefixes && memcmp(text, word, n_prefixes) == 0 &&
            strcmp(command->program, ";") != 0 &&
            !(command->expands_dollar && strchr(command->program, '$'))) {
                command->program_text = strndup(text + n_prefixes, length - n_prefixes);
                if (!command->program_text)
                        return -ENOMEM;
        }
        if (command->has_argv0) {
                r = take_argv0(at, command, ret_message);
                if (r < 0)
                        return r;
        }
        return take_arguments(at, command, ret_message);
}

int exec_command_take(const char **at, struct exec_command *ret, const char **ret_message) {
        struct exec_command command = {};
        _cleanup_free_ char *word = NULL;
        const char *text;
        size_t length;
        int r;

        do {
                free(word);
                word = NULL;
                r = word_take(at, &word, &text, &length);
        } while (r > 0 && strcmp(word, ";") == 0);
        if (r == -EINVAL) { /* systemd ignores the rest of the line */
                *at += strlen(*at);
                return 0;
        }
        if (r <= 0)
                return r;

        r = take_rest(at, word, text, length, &command, ret_message);
        if (r >= 0) {
                *ret = command;
                return 1;
        }
        if (r == -EINVAL && command.ignores_failure && command.program[0] != '|') {
                *at += strlen(*at);
                r = 0;
        }
        exec_command_free(&command);
        return r;
}

void exec_command_free(struct exec_command *command) {
        free(command->prefixes);
        free(command->program);
        free(command->program_text);
        free(command->argv0_text);
        free(command->arguments);
        *command = (struct exec_command){};
}

const char *exec_command_base_name(const struct exec_command *command) {
        const char *slash = strrchr(command->program, '/');

        return slash ? slash + 1 : command->program;
}

void exec_command_write(FILE *out, const struct exec_command *command, const char *helper,
                        const char *const *options, bool specifiers) {
        unsigned expanded = (command->expands_dollar ? WORD_DOLLAR_EXPANDED : 0) |
                            (specifiers ? 0 : WORD_PERCENT_EXPANDED);

        fprintf(out, "%s%s", command->prefixes, helper);
        for (; *options; options++) {
                fputc(' ', out);
                word_write(out, *options, expanded);
        }
        if (command->has_argv0) {
                const char *argv0 = command->argv0_text;

                fputs(" --argv0=", out);
                /* "$NAME" is expanded as a word of its own only; in the middle of one it takes braces. */
                if (command->expands_dollar && argv0[0] == '$' &&
                    (isalpha((unsigned char) argv0[1]) || argv0[1] == '_') &&
                    argv0[1 + strspn(argv0 + 1,
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ==
                            '\0')
                        fprintf(out, "${%s}", argv0 + 1);
                else
                        fputs(argv0, out);
        }
        fputs(" -- ", out);
        if (command->program_text)
                fputs(command->program_text, out);
        else
                word_write(out, command->program, command->expands_dollar ? WORD_DOLLAR_EXPANDED : 0);
        if (command->arguments[0] != '\0')
                fprintf(out, " %s", command->arguments);
}
