/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* --strict: the supervisor's own walls. It answers a hostile program, as root perhaps, and should be of
 * little use to whom gets into it. A Landlock domain of its own it cannot have: who is in one may not look
 * into processes outside, and the target has to be in another. */

/* Keeps others of our user from tracing us, reading our memory, and taking the listener. For the beginning.
 */
void strict_hide_supervisor(void);

/* Gives up the capabilities and system calls that answering does not need. For after the listener has come.
 */
void strict_lower_supervisor(void);
