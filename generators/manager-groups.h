/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What differs between versions of systemd in its groups of system calls. */

/* Whether this machine's systemd has the group "@sandbox" (seccomp and Landlock calls), which then is part
 * of
 * "@default" and so of every allow-list; or -ENOMEM. True where its library is not found. */
int manager_has_sandbox_group(void);
