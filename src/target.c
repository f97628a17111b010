/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "notification.h"
#include "util.h"

/* Linux 6.9: a pidfd of one thread, which may have a descriptor table of its own. */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

static int open_proc(pid_t tid, const char *name, int flags) {
        char path[64];
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int target_open_proc(const struct target *target, const char *name, int flags) {
        return open_proc(target->tid, name, flags);
}

/* Reads a file of /proc from its beginning. Returns the number of bytes; the text ends with a NUL. */
static int read_proc(pid_t tid, const char *name, char *buffer, size_t size) {
        _cleanup_close_ int fd = open_proc(tid, name, O_RDONLY);
        size_t used = 0;

        if (fd < 0)
                return fd;
        while (used < size - 1) {
                ssize_t n = read(fd, buffer + used, size - 1 - used);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t) n;
        }
        buffer[used] = '\0';
        return (int) used;
}

/* What follows "\nNAME:\t" in /proc/TID/status or fdinfo; NULL if there is no such line */
static const char *find_field(const char *text, const char *name) {
        size_t length = strlen(name);

        for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, name, length) == 0 && line[length] == ':')
                        return line + length + 1 + strspn(line + length + 1, " \t");
        return NULL;
}

pid_t process_of_thread(pid_t tid) {
        char status[4096];
        const char *field;

        if (read_proc(tid, "status", status, sizeof(status)) < 0)
                return 0;
        field = find_field(status, "Tgid");
        return field ? (pid_t) strtol(field, NULL, 10) : 0;
}

/* *ret_of_thread: it is no other thread's either. */
static int open_pidfd(pid_t tid, bool *ret_of_thread) {
        static bool no_thread_pidfd;
        int fd;

        *ret_of_thread = false;
        if (!no_thread_pidfd) {
                fd = pidfd_open(tid, PIDFD_THREAD);
                *ret_of_thread = fd >= 0;
                if (fd >= 0)
                        return fd;
                if (errno != EINVAL)
                        return -errno;
                no_thread_pidfd = true;
        }
        fd = pidfd_open(process_of_thread(tid), 0);
        return fd < 0 ? -errno : fd;
}

static bool is_known(const struct target *target) {
        return target->pidfd < 0 && target->known && target->known->tid == target->tid &&
               target->known->pidfd >= 0;
}

static int pidfd_of(const struct target *target) {
        return is_known(target) ? target->known->pidfd : target->pidfd;
}

int target_open(struct target *target) {
        bool of_thread;
        int pidfd;

        /* If the number is another thread's by now, the known one is gone, and says so: see target_get_fd().
         */
        if (!is_known(target)) {
                pidfd = open_pidfd(target->tid, &of_thread);
                if (pidfd < 0)
                        return pidfd == -ESRCH ? -ENOENT : pidfd;
                if (target->known && of_thread) {
                        replace_fd(&target->known->pidfd, pidfd);
                        target->known->tid = target->tid;
                } else
                        target->pidfd = pidfd;
        }
        if (listener_call_waits(target->listener, target->id))
                return 0;
        target_close(target);
        return -ENOENT;
}

void target_close(struct target *target) {
        close_fd(&target->pidfd);
        target->pidfd = -1;
}

/* A sandbox may forbid process_vm_readv(2), a kernel lack it; /proc/PID/mem needs the same rights. */
static ssize_t read_memory(const struct target *target, uint64_t address, void *buffer, size_t size) {
        struct iovec local = {buffer, size};
        struct iovec remote = {(void *) (uintptr_t) address, size}; /* NOLINT(performance-no-int-to-ptr) */
        _cleanup_close_ int fd = -1;
        ssize_t n;

        n = process_vm_readv(target->tid, &local, 1, &remote, 1, 0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
                return n < 0 ? -errno : n;

        fd = target_open_proc(target, "mem", O_RDONLY);
        if (fd < 0)
                return fd == -EACCES ? -EPERM : fd;
        n = pread(fd, buffer, size, (off_t) address);
        return n < 0 ? (errno == EIO ? -EFAULT : -errno) : n;
}

int target_peek(const struct target *target, uint64_t address, void *buffer, size_t size) {
        ssize_t n = size > 0 ? read_memory(target, address, buffer, size) : 0;

        if (n < 0)
                return (int) n;
        return (size_t) n == size ? 0 : -EFAULT;
}

int target_read(const struct target *target, uint64_t address, void *buffer, size_t size) {
        int r = target_peek(target, address, buffer, size);

        return listener_call_waits(target->listener, target->id) ? r : -ENOENT;
}

int target_read_string(const struct target *target, uint64_t address, char *buffer, size_t size) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), used = 0;

        /* Page by page, because what lies behind the string may not be mapped. */
        while (used < size) {
                size_t chunk = page - (size_t) ((address + used) % page);
                int r;

                if (chunk > size - used)
                        chunk = size - used;
                r = target_read(target, address + used, buffer + used, chunk);
                if (r < 0)
                        return r;
                if (memchr(buffer + used, '\0', chunk))
                        return 0;
                used += chunk;
        }
        return -ENAMETOOLONG;
}

int target_get_fd(const struct target *target, int fd) {
        int copy = pidfd_getfd(pidfd_of(target), fd, 0);
        bool of_thread;

        if (copy < 0 && errno == ESRCH && is_known(target)) {
                replace_fd(&target->known->pidfd, open_pidfd(target->tid, &of_thread));
                if (!listener_call_waits(target->listener, target->id))
                        return -ENOENT;
                copy = pidfd_getfd(pidfd_of(target), fd, 0);
        }
        return copy < 0 ? -errno : copy;
}

int target_find_socket(const struct target *target, ino_t inode) {
        int directory_fd = target_open_proc(target, "fd", O_RDONLY | O_DIRECTORY), found = -EBADF;
        DIR *directory = directory_fd < 0 ? NULL : fdopendir(directory_fd);
        const struct dirent *entry;
        char link[64], wanted[64];

        if (!directory) {
                close_fd(&directory_fd);
                return -EBADF;
        }
        (void) snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", (uint64_t) inode);
        while (found < 0 && (entry = readdir(directory))) {
                ssize_t n = readlinkat(directory_fd, entry->d_name, link, sizeof(link) - 1);

                if (n < 0)
                        continue;
                link[n] = '\0';
                if (strcmp(link, wanted) == 0)
                        found = target_get_fd(target, (int) strtol(entry->d_name, NULL, 10));
        }
        (void) closedir(directory);
        return found;
}

bool target_fd_closes_on_exec(const struct target *target, int fd) {
        char name[32], text[512];
        const char *field;

        (void) snprintf(name, sizeof(name), "fdinfo/%d", fd);
        if (read_proc(target->tid, name, text, sizeof(text)) < 0)
                return false;
        field = find_field(text, "flags");
        return field && (strtoul(field, NULL, 8) & O_CLOEXEC) != 0;
}

/* The four numbers of Uid: and Gid: are real, effective, saved, file system (proc(5)). */
static unsigned fourth_number(const char *field) {
        unsigned long number = 0;
        char *end = (char *) field;

        for (int i = 0; i < 4; i++)
                number = strtoul(end, &end, 10);
        return (unsigned) number;
}

static bool shares_namespace(pid_t tid, const char *kind) {
        struct stat own, theirs;
        char own_path[64], path[64];

        (void) snprintf(own_path, sizeof(own_path), "/proc/self/ns/%s", kind);
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/%s", tid, kind);
        return stat(own_path, &own) < 0 || stat(path, &theirs) < 0 || own.st_ino == theirs.st_ino;
}

/* Reads all of /proc/TID/status, however many groups it names. Checks that the call still waits. */
static int read_status(const struct target *target, char **ret) {
        _cleanup_close_ int fd = target_open_proc(target, "status", O_RDONLY);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file;
        ssize_t n;

        if (fd < 0)
                return fd;
        file = fdopen(fd, "r");
        if (!file)
                return -errno;
        (void) take_fd(&fd);
        n = getdelim(&text, &size, '\0', file); /* there is none: to the end */
        (void) fclose(file);
        if (!listener_call_waits(target->listener, target->id))
                return -ENOENT;
        if (n < 0)
                return -EIO;
        *ret = text;
        text = NULL;
        return 0;
}

int target_read_rights(const struct target *target, struct target_rights *ret) {
        static const char *const names[] = {"Uid", "Gid", "Umask", "CapEff"};
        const char *fields[ELEMENTSOF(names)];
        _cleanup_free_ char *status = NULL;
        int r;

        r = read_status(target, &status);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                fields[i] = find_field(status, names[i]);
                if (!fields[i])
                        return -EINVAL;
        }
        *ret = (struct target_rights){
                .fsuid = fourth_number(fields[0]),
                .fsgid = fourth_number(fields[1]),
                .umask = (mode_t) strtoul(fields[2], NULL, 8),
                .effective_capabilities = strtoull(fields[3], NULL, 16),
                .foreign_user_namespace = !shares_namespace(target->tid, "user"),
                .foreign_mount_namespace = !shares_namespace(target->tid, "mnt"),
        };
        return 0;
}

int target_read_groups(const struct target *target, gid_t **ret, size_t *ret_n) {
        _cleanup_free_ char *status = NULL;
        const char *field;
        gid_t *groups;
        size_t n = 0;
        int r;

        r = read_status(target, &status);
        if (r < 0)
                return r;
        field = find_field(status, "Groups");
        if (!field)
                return -EINVAL;
        groups = calloc(strcspn(field, "\n") + 1, sizeof(*groups)); /* each takes a digit at least */
        if (!groups)
                return -ENOMEM;
        /* strtoul() would skip the end of the line. */
        for (char *at = (char *) field; *at >= '0' && *at <= '9'; at += strspn(at, " "))
                groups[n++] = (gid_t) strtoul(at, &at, 10);
        *ret = groups;
        *ret_n = n;
        return 0;
}

int target_kill(const struct target *target) {
        return pidfd_send_signal(pidfd_of(target), SIGKILL, NULL, 0) < 0 ? -errno : 0;
}

const char *thread_name(pid_t tid, char buffer[static 17]) {
        int n = read_proc(tid, "comm", buffer, 17);

        if (n <= 0)
                (void) snprintf(buffer, 17, "?");
        for (char *at = buffer; *at != '\0'; at++)
                if ((unsigned char) *at < 0x20 || *at == 0x7f)
                        *at = at[1] == '\0' && *at == '\n' ? '\0' : '?';
        return buffer;
}

const char *target_access_hint(void) {
        return "the kernel does not let the supervisor look into this process, which changed its user or is "
               "not "
               "dumpable: give the service CAP_SYS_PTRACE (CapabilityBoundingSet=), or let it bind before "
               "it "
               "changes its user";
}
