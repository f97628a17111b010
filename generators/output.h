/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing into the directory that the manager gave us (systemd.generator(7)). Each file is complete or not
 * there. A failure is reported. */

/* Writes DIRECTORY/NAME, which may have one folder before its last component; makes that. Returns 0 or a
 * negative errno. */
int output_file(const char *directory, const char *name, const char *text);

/* The same with a symbolic link. */
int output_link(const char *directory, const char *name, const char *target);
