/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Work that needs a descriptor table, credentials, a root or namespaces of its own is done in a short-lived
 * child of the supervisor. If a sandbox kills it for a system call, the supervisor lives on. */

/* Runs function(argument) in a child and waits for it. The function returns 0 or a negative errno, and that
 * is what is returned; -EPERM if the child was killed; -errno if it could not be made. */
int run_in_child(int (*function)(void *argument), void *argument);

/* The same for work that may take for ever (a dead file server). -EINPROGRESS: it goes on without us, and
 * the child calls finish(argument, result), unless that is NULL, when it is done. */
int run_in_child_for_now(int (*function)(void *argument), void (*finish)(void *argument, int result),
                         void *argument);

/* Runs function(argument) in a child, and waits for it for so long only: -EINPROGRESS, and a pidfd to wait
 * for it or to kill it by, the caller's to close. As run_in_child() otherwise. */
int run_in_child_for(int patience_ms, int (*function)(void *argument), void *argument, int *ret_pidfd);
