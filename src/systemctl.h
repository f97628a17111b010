/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd is asked to do, and says of its units, by way of systemctl(1). Arguments end with NULL, and
 * are five at most. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SYSTEMCTL(...) systemctl_run((const char *const[]){__VA_ARGS__, NULL})
#define ASK(...) systemctl_ask((const char *const[]){__VA_ARGS__, NULL})

/* Starts it; the terminal's ^C does not reach it. Its standard output is output, or, if that is -1, our
 * stderr. Returns its process ID, the caller's to wait for, or -1. */
pid_t systemctl_start(const char *const *arguments, int output);

/* Returns whether it has succeeded. Where it has not, it has said why. */
bool systemctl_run(const char *const *arguments);

/* What it prints, the caller's to free; NULL after it has said why. */
char *systemctl_ask(const char *const *arguments);

/* The value of "KEY=VALUE" among the lines of text, in buffer; "" if there is no such line */
const char *systemctl_value(const char *text, const char *key, char *buffer, size_t size);
