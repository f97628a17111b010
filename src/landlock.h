/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A second wall for --strict: a Landlock domain (landlock(7)) around the target. Who is in it can neither
 * trace nor look into processes outside, the supervisor among them, nor (Linux 6.12) signal them; and cannot
 * bind a TCP socket at all, because the supervisor does that. */

/* Puts this process, and all that it will start, into a domain. Needs no_new_privs. Returns 0; or a negative
 * errno where the kernel has no Landlock that helps (before 6.7) or a sandbox forbids it. */
int landlock_confine(void);
