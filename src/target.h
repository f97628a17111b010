/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A thread of the target that waits for the answer to one notification: its memory, descriptors, rights.
 * Reading another process needs ptrace access to it (ptrace(2), PTRACE_MODE_ATTACH_REALCREDS): -EPERM where
 * it is refused, see target_access_hint(). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The thread that was opened last, kept open: most programs make all their binds in one. */
struct known_thread {
        pid_t tid;
        int pidfd; /* -1: none yet */
};

struct target {
        int listener;
        uint64_t id;
        pid_t tid;
        int pidfd;                  /* -1: known, or not opened; memory can be read all the same */
        struct known_thread *known; /* NULL: nobody keeps it */
};

/* Opens the thread, for its descriptors. Returns 0; -ENOENT if the call is gone; another errno. Close it
 * with target_close(). */
int target_open(struct target *target);
void target_close(struct target *target);

/* Copies exactly size bytes. -EFAULT: not all of it is mapped. */
int target_read(const struct target *target, uint64_t address, void *buffer, size_t size);

/* The same without a look whether the call still waits: for what is only acted on after target_open() has
 * looked, or answered by a call that fails if it does not. */
int target_peek(const struct target *target, uint64_t address, void *buffer, size_t size);

/* Copies a NUL-terminated string. -ENAMETOOLONG if there is no NUL within size bytes. */
int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size);

/* A copy of a descriptor of the target, FD_CLOEXEC set. -EBADF: it has none of that number. */
int target_get_fd(const struct target *target, int fd);

/* A copy of the target's descriptor of the socket that has this inode in sockfs. -EBADF: it has none. */
int target_find_socket(const struct target *target, ino_t inode);

/* Whether FD_CLOEXEC is set; false where /proc does not tell. */
bool target_fd_closes_on_exec(const struct target *target, int fd);

/* What the kernel would check a bind against */
struct target_rights {
        uid_t fsuid;
        gid_t fsgid;
        mode_t umask;
        uint64_t effective_capabilities;
        bool foreign_user_namespace;  /* not the supervisor's */
        bool foreign_mount_namespace; /* not the supervisor's */
};

int target_read_rights(const struct target *target, struct target_rights *ret);

/* The supplementary groups; the array is the caller's to free. */
int target_read_groups(const struct target *target, gid_t **ret, size_t *ret_n);

/* The process that the thread belongs to, or 0. */
pid_t process_of_thread(pid_t tid);

/* The name in /proc/TID/comm, "?" if there is none; control characters replaced. */
const char *thread_name(pid_t tid, char buffer[static 17]);

/* Opens a file below /proc/TID/. */
int target_open_proc(const struct target *target, const char *name, int flags);

/* Ends the process (SIGKILL). */
int target_kill(const struct target *target);

/* One sentence on what to do about -EPERM. */
const char *target_access_hint(void);
