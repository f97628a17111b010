/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Specifiers in our settings (systemd.unit(5), "SPECIFIERS"). The manager expands them, because the settings
 * end up in ExecStart= and ListenStream=; here they are expanded only to check what comes out. Pure: no
 * system calls here. */

#include <stdbool.h>

/* Expands those that follow from the unit's name; each other one becomes "1" (which may
 * be a port, or a part of an address), and *ret_certain false.
 * Returns the text, the caller's to free(); NULL without memory. */
char *specifiers_try(const char *text, const char *unit, bool *ret_certain);
