/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Services that exist only as an init script. systemd-sysv-generator(8) makes their units, at the same time
 * as we run and of the lowest rank: a drop-in of ours holds for them, too. Here is what we have to know of
 * such a unit. */

#include "unit-index.h"

enum init_script_state {
        INIT_SCRIPT_NONE,
        INIT_SCRIPT_FOUND,
        INIT_SCRIPT_IGNORED, /* there is one, but no systemd-sysv-generator */
};

/* The script of this service, in SYSTEMD_SYSVINIT_PATH or /etc/init.d. ret gets what systemd-sysv-generator
 * writes for it, as far as it concerns us, in the place of a unit file's text; the caller's to free(), with
 * its path, the script's. Returns the state or -ENOMEM. */
int init_script_read(const char *service, struct unit_file *ret);
