/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The same command before and after it was put behind the helper: the manager must see the same words. */

#include <ctype.h>

#include "exec-command.h"
#include "fuzz.h"
#include "word.h"

/* Both lists of words are the same, up to the end or the lone ";" that ends a command. */
static inline void check_same_words(const char *a, const char *b) {
        for (;;) {
                char *word_a = NULL, *word_b = NULL;
                const char *text_a = NULL, *text_b = NULL;
                size_t length_a, length_b;
                int r = word_take(&a, &word_a, &text_a, &length_a);
                bool ends;

                HOLDS(r >= 0 && word_take(&b, &word_b, &text_b, &length_b) == r);
                ends = r == 0;
                if (!ends) {
                        HOLDS(strcmp(word_a, word_b) == 0);
                        HOLDS(length_a != 1 || *text_a != ';'); /* or it would end the command there */
                        HOLDS(length_b != 1 || *text_b != ';');
                }
                free(word_a);
                free(word_b);
                if (ends)
                        return;
        }
}

/* Takes one word that must be there. The caller's to free(). */
static inline char *expect_word(const char **at) {
        const char *text;
        size_t length;
        char *word;

        HOLDS(word_take(at, &word, &text, &length) == 1);
        return word;
}

/* wrapped is the command that original became, with these options (without --argv0=). */
static inline void check_wrapped(const struct exec_command *original, const struct exec_command *wrapped,
                                 const char *helper, const char *const *options) {
        const char *at = wrapped->arguments;
        char *word, *expected = NULL;

        HOLDS(strcmp(wrapped->program, helper) == 0 && !wrapped->has_argv0);
        HOLDS(strcmp(wrapped->prefixes, original->prefixes) == 0);
        for (; options && *options; options++) {
                word = expect_word(&at);
                if (original->expands_dollar) { /* "$$" is what the manager makes "$" of */
                        char *to = word;

                        for (const char *from = word; *from != '\0'; from++) {
                                if (*from == '$')
                                        HOLDS(*++from == '$');
                                *to++ = *from;
                        }
                        *to = '\0';
                }
                HOLDS(strcmp(word, *options) == 0);
                free(word);
        }
        while (strcmp(word = expect_word(&at), "--") != 0) {
                expected = word; /* the last option is --argv0= */
                if (options)
                        HOLDS(strncmp(word, "--argv0=", 8) == 0 && original->has_argv0);
                free(word);
        }
        free(word);
        HOLDS(options == NULL || !original->has_argv0 || expected);
        word = expect_word(&at);
        for (const char *a = original->program, *b = word;; a++, b++) {
                if (*a == '$' && original->expands_dollar)
                        HOLDS(*b++ == '$');
                HOLDS(*a == *b);
                if (*a == '\0')
                        break;
        }
        free(word);
        check_same_words(original->arguments, at);
}
