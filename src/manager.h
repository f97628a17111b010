/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager is told (sd_notify(3)): READY=1, STATUS=, MAINPID=; and the control group that it
 * made for the service. */

#include <stdbool.h>
#include <sys/types.h>

/* Processes of one control group that are looked at */
#define MANAGER_MEMBERS_MAX 4096

/* There is a service manager that wants to know. */
bool manager_listens(void);

/* This system runs systemd (sd_booted(3)). */
bool manager_has_booted(void);

/* Sends a message in the name of this process, if we may speak for others (with CAP_SYS_ADMIN
 * NotifyAccess=main is enough then), else in our own. Returns 0, also where nobody listens, or a
 * negative errno. */
int manager_notify(pid_t in_the_name_of, const char *state);

/* The main process of a service whose first process is gone (Type=forking without PIDFile=), and that which
 * called listen() as well: the oldest process of our cgroup whose parent is not in it. 0: none found.
 * *ret_has_child: it has started another one, which lives. */
pid_t manager_find_main_process(bool *ret_has_child);

/* The other processes of our control group. Returns how many there are, 0 if that cannot be found out. */
size_t manager_find_members(pid_t members[static MANAGER_MEMBERS_MAX]);
