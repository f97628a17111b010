/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A supervisor ends a moment after its target. Where the service manager does not wait for it, as with
 * KillMode=process and mixed, this does, in ExecStopPost=. */

/* Waits for the supervisors of our control group whose targets are gone; those that still have one (the
 * sessions that sshd leaves behind) are none of our business. */
void await_end(void);
