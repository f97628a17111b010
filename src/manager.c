/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util.h"

bool manager_listens(void) {
        return getenv("NOTIFY_SOCKET") != NULL;
}

bool manager_has_booted(void) {
        struct stat st;

        return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

/* "@" stands for the zero byte of an abstract name. */
static int notify_address(struct sockaddr_un *ret, socklen_t *ret_length) {
        const char *path = getenv("NOTIFY_SOCKET");
        size_t length = path ? strlen(path) : 0;

        if (!path)
                return -ENOENT;
        if (path[0] != '/' && path[0] != '@')
                return -EAFNOSUPPORT;
        if (length < 2 || length >= sizeof(ret->sun_path))
                return -EINVAL;
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(ret->sun_path, path, length);
        if (path[0] == '@')
                ret->sun_path[0] = '\0';
        *ret_length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '/'));
        return 0;
}

int manager_notify(pid_t in_the_name_of, const char *state) {
        union {
                struct cmsghdr header; /* aligns */
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control = {};
        struct ucred sender = {in_the_name_of, getuid(), getgid()};
        struct iovec text = {(void *) state, strlen(state)};
        struct sockaddr_un address;
        struct msghdr message = {.msg_name = &address, .msg_iov = &text, .msg_iovlen = 1};
        _cleanup_close_ int fd = -1;
        int r;

        r = notify_address(&address, &message.msg_namelen);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (in_the_name_of != 0 && in_the_name_of != getpid()) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                control.header = (struct cmsghdr){CMSG_LEN(sizeof(sender)), SOL_SOCKET, SCM_CREDENTIALS};
                memcpy(CMSG_DATA(&control.header), &sender, sizeof(sender));
                if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
                        return 0;
                message.msg_control = NULL; /* without the privilege, in our own */
                message.msg_controllen = 0;
        }
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static FILE *open_own_cgroup(void) {
        char line[4096], path[4200];
        FILE *file = fopen("/proc/self/cgroup", "re");
        bool found = false;
        size_t length;

        if (!file)
                return NULL;
        /* cgroup v2: one line, "0::/PATH" (cgroups(7)) */
        while (!found && fgets(line, sizeof(line), file))
                found = strncmp(line, "0::", 3) == 0;
        (void) fclose(file);
        if (!found)
                return NULL;
        line[strcspn(line, "\n")] = '\0';
        /* Where ExecStopPost= of a service with Delegate=yes runs, beside the service */
        length = strlen(line);
        if (length >= strlen("/.control") && strcmp(line + length - strlen("/.control"), "/.control") == 0)
                line[length - strlen("/.control")] = '\0';
        (void) snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.procs", line + 3);
        return fopen(path, "re");
}

size_t manager_find_members(pid_t members[static MANAGER_MEMBERS_MAX]) {
        FILE *file = open_own_cgroup();
        size_t n = 0;

        if (!file)
                return 0;
        while (n < MANAGER_MEMBERS_MAX && fscanf(file, "%d", &members[n]) == 1)
                if (members[n] != getpid())
                        n++;
        (void) fclose(file);
        return n;
}

/* The parent and the start time (in clock ticks) from /proc/PID/stat; false if the process is gone or a
 * zombie. */
static bool read_stat(pid_t pid, pid_t *ret_parent, unsigned long long *ret_start) {
        char path[64], text[1024], state;
        const char *behind_name;
        FILE *file;
        size_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = fopen(path, "re");
        if (!file)
                return false;
        n = fread(text, 1, sizeof(text) - 1, file);
        (void) fclose(file);
        text[n] = '\0';
        behind_name = strrchr(text, ')'); /* the name may hold anything */
        return behind_name &&
               sscanf(behind_name + 1,
                      " %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                      &state, ret_parent, ret_start) == 3 &&
               state != 'Z' && state != 'X';
}

static bool is_member(const pid_t *members, size_t n, pid_t pid) {
        for (size_t i = 0; i < n; i++)
                if (members[i] == pid)
                        return true;
        return false;
}

pid_t manager_find_main_process(bool *ret_has_child) {
        pid_t members[MANAGER_MEMBERS_MAX];
        unsigned long long start, first_start = 0;
        pid_t parent, found = 0;
        size_t n = manager_find_members(members);

        for (size_t i = 0; i < n; i++)
                if (read_stat(members[i], &parent, &start) && !is_member(members, n, parent) &&
                    (found == 0 || start < first_start)) {
                        found = members[i];
                        first_start = start;
                }
        *ret_has_child = false;
        for (size_t i = 0; i < n && !*ret_has_child; i++)
                *ret_has_child = read_stat(members[i], &parent, &start) && parent == found;
        return found;
}
