/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "real-bind.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "in-child.h"
#include "notification.h"
#include "util.h"

/* What the kernel starts with (ip(7)), and vsock's limit for good */
#define PRIVILEGED_PORTS_DEFAULT 1024

static int plain_bind(int fd, const void *sockaddr, socklen_t length) {
        return bind(fd, sockaddr, length) < 0 ? -errno : 0;
}

int bind_as_supervisor(int fd, const struct address *address) {
        struct sockaddr_storage storage;
        socklen_t length = address_to_sockaddr(address, &storage);

        return plain_bind(fd, &storage, length);
}

/* The first port that needs no privilege. Read once: it belongs to the machine's set-up. */
static unsigned first_unprivileged_port(void) {
        static unsigned port = PRIVILEGED_PORTS_DEFAULT;
        static bool known;
        FILE *file;

        if (known)
                return port;
        known = true;
        file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
        if (!file)
                return port;
        if (fscanf(file, "%u", &port) != 1)
                port = PRIVILEGED_PORTS_DEFAULT;
        (void) fclose(file);
        return port;
}

static bool get_network_cookie(int fd, uint64_t *ret) {
        socklen_t length = sizeof(*ret);

        return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &length) == 0;
}

/* Returns -1 where that cannot be told. */
static int compare_networks(int fd) {
        static uint64_t own;
        uint64_t cookie;

        if (own == 0) {
                _cleanup_close_ int ours = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

                if (ours < 0 || !get_network_cookie(ours, &own))
                        return -1;
        }
        return get_network_cookie(fd, &cookie) ? cookie != own : -1;
}

bool may_be_in_other_network(int fd) {
        return compare_networks(fd) != 0;
}

bool is_in_other_network(int fd) {
        return compare_networks(fd) > 0;
}

/* What a child does in the target's stead */
struct task {
        const struct target *target;
        struct target_rights rights;
        int fd; /* the socket, or the directory of a path */
        const void *sockaddr;
        socklen_t length;
        const char *path;
};

/* Keeps of our capabilities those that are in mask. */
static int limit_capabilities(uint64_t mask) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].effective &= (uint32_t) mask;
        data[1].effective &= (uint32_t) (mask >> 32);
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* A target in a user namespace of its own has its capabilities there only. */
static int enter_user_namespace(const struct task *task) {
        _cleanup_close_ int fd = -1;

        if (!task->rights.foreign_user_namespace)
                return 0;
        fd = target_open_proc(task->target, "ns/user", O_RDONLY);
        if (fd < 0)
                return fd;
        return setns(fd, CLONE_NEWUSER) < 0 ? -errno : 0;
}

static int bind_with_capabilities(void *argument) {
        const struct task *task = argument;
        int r = enter_user_namespace(task);

        if (r >= 0)
                r = limit_capabilities(task->rights.effective_capabilities);
        if (r < 0)
                return -EACCES;
        return plain_bind(task->fd, task->sockaddr, task->length);
}

/* Goes where the target is, and only as far as it is elsewhere: each step may need a privilege. */
static int enter_root_and_directory(const struct task *task) {
        _cleanup_close_ int root = target_open_proc(task->target, "root", O_PATH | O_DIRECTORY);
        _cleanup_close_ int directory = target_open_proc(task->target, "cwd", O_PATH | O_DIRECTORY);
        struct stat ours, theirs;

        if (root < 0)
                return root;
        if (directory < 0)
                return directory;
        if (!listener_call_waits(task->target->listener, task->target->id))
                return -ENOENT; /* they may be another's by now */
        if (stat("/", &ours) < 0 || fstat(root, &theirs) < 0)
                return -errno;
        /* /proc/TID/root leads into another mount namespace, too; its root may be the same directory with
         * other things mounted below. */
        if ((task->rights.foreign_mount_namespace || ours.st_dev != theirs.st_dev ||
             ours.st_ino != theirs.st_ino) &&
            (fchdir(root) < 0 || chroot(".") < 0))
                return -errno;
        return fchdir(directory) < 0 ? -errno : 0;
}

/* Whether we are in exactly these groups, which the kernel sorts. That very many are the same is not found
 * out. */
static bool has_groups(const gid_t *groups, size_t n_groups) {
        gid_t own[128];
        int n = getgroups(ELEMENTSOF(own), own);

        return n >= 0 && (size_t) n == n_groups &&
               (n == 0 || (groups && memcmp(own, groups, n_groups * sizeof(*own)) == 0));
}

static int take_credentials(const struct target_rights *rights, const gid_t *groups, size_t n_groups) {
        if (rights->fsuid == 0 && rights->fsgid == getegid() && has_groups(groups, n_groups))
                return 0;
        if (setgroups(n_groups, groups) < 0 || setresgid(rights->fsgid, rights->fsgid, rights->fsgid) < 0 ||
            setresuid(rights->fsuid, rights->fsuid, rights->fsuid) < 0)
                return -errno;
        return 0;
}

/* Root, directory, user and capabilities become the target's. */
static int become_target(const struct task *task) {
        _cleanup_free_ gid_t *groups = NULL;
        bool is_root = geteuid() == 0;
        size_t n_groups = 0;
        int r;

        if (is_root) /* before the root changes: there may be no /proc in it */
                r = target_read_groups(task->target, &groups, &n_groups);
        else /* Without privileges of ours, those of its owner in the target's namespace change the root. */
                r = enter_user_namespace(task);
        if (r >= 0)
                r = enter_root_and_directory(task);
        if (r >= 0 && is_root)
                r = take_credentials(&task->rights, groups, n_groups);
        if (r < 0)
                return -EACCES;
        if (geteuid() == 0)
                (void) limit_capabilities(task->rights.effective_capabilities);
        (void) umask(task->rights.umask);
        return 0;
}

static int bind_path(void *argument) {
        const struct task *task = argument;
        int r = become_target(task);

        return r < 0 ? r : plain_bind(task->fd, task->sockaddr, task->length);
}

static void answer_late(void *argument, int result) {
        const struct task *task = argument;

        (void) listener_answer(task->target->listener, task->target->id, result);
}

static int unlink_path(void *argument) {
        const struct task *task = argument;
        int r = become_target(task);

        if (r >= 0 && unlinkat(task->fd, task->path, 0) < 0)
                r = -errno;
        return r;
}

/* Of a family that we do not know, or an address that we cannot read, the kernel may ask for any. */
static bool may_need_capability(int fd, int domain, const void *sockaddr, socklen_t length) {
        struct address address;

        if (domain == AF_UNIX)
                return false;
        if (address_from_sockaddr(sockaddr, length, domain, &address) < 0)
                return true;
        if (domain == AF_VSOCK)
                return address.port < PRIVILEGED_PORTS_DEFAULT;
        /* A network namespace that the target made has limits of its own. */
        return !address_is_ip(&address) || (address.port != 0 && (address.port < first_unprivileged_port() ||
                                                                  may_be_in_other_network(fd)));
}

int bind_as_target(const struct target *target, int fd, int domain, const void *sockaddr, socklen_t length) {
        struct task task = {.target = target, .fd = fd, .sockaddr = sockaddr, .length = length};
        struct address address;
        bool is_path;
        int r;

        is_path = domain == AF_UNIX && address_from_sockaddr(sockaddr, length, domain, &address) >= 0 &&
                  address_is_unix_path(&address);
        if (!is_path && !may_need_capability(fd, domain, sockaddr, length))
                return plain_bind(fd, sockaddr, length);

        r = target_read_rights(target, &task.rights);
        if (r < 0)
                return r == -ENOENT ? r : -EACCES;
        if (is_path)
                return run_in_child_for_now(bind_path, answer_late, &task);
        if (!task.rights.foreign_user_namespace && (domain == AF_INET || domain == AF_INET6) &&
            (task.rights.effective_capabilities & (1 << CAP_NET_BIND_SERVICE)) != 0)
                return plain_bind(fd, sockaddr, length);
        return run_in_child(bind_with_capabilities, &task);
}

int unlink_as_target(const struct target *target, int directory_fd, const char *path) {
        _cleanup_close_ int directory =
                directory_fd == AT_FDCWD || path[0] == '/' ? -1 : target_get_fd(target, directory_fd);
        struct task task = {.target = target, .fd = directory < 0 ? AT_FDCWD : directory, .path = path};
        int r = target_read_rights(target, &task.rights);

        return r < 0 ? r : run_in_child_for_now(unlink_path, NULL, &task);
}

/* What a child listens on in the target's stead */
struct listening {
        struct task task;
        int backlog;
};

static int listen_with_credentials(void *argument) {
        const struct listening *listening = argument;
        const struct task *task = &listening->task;
        _cleanup_free_ gid_t *groups = NULL;
        size_t n_groups = 0;
        int r = 0;

        if (geteuid() == 0)
                r = target_read_groups(task->target, &groups, &n_groups);
        if (r >= 0 && geteuid() == 0)
                r = take_credentials(&task->rights, groups, n_groups);
        if (r < 0)
                return -EACCES;
        return listen(task->fd, listening->backlog) < 0 ? -errno : 0;
}

int listen_as_target(const struct target *target, int fd, int backlog) {
        struct listening listening = {{.target = target, .fd = fd}, backlog};
        int r = target_read_rights(target, &listening.task.rights);

        return r < 0 ? -EACCES : run_in_child(listen_with_credentials, &listening);
}

/* A path that nobody answers on any more is left over from a program that is gone. */
static void remove_if_stale(int type, const struct sockaddr_storage *storage, socklen_t length) {
        const struct sockaddr_un *un = (const struct sockaddr_un *) storage;
        _cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        if (fd < 0 || lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return;
        if (connect(fd, (const struct sockaddr *) storage, length) < 0 && errno == ECONNREFUSED)
                (void) unlink(un->sun_path);
}

/* Bound but not listening yet, a socket refuses connections as one does that is gone. */
static bool is_open(const struct made_path *made) {
        FILE *sockets = fopen("/proc/self/net/unix", "re");
        char line[512];
        bool found = false;

        if (!sockets)
                return false;
        /* Num RefCount Protocol Flags Type St Inode Path */
        while (!found && fgets(line, sizeof(line), sockets)) {
                uint64_t inode;

                found = sscanf(line, "%*s %*s %*s %*s %*s %*s %" SCNu64, &inode) == 1 &&
                        inode == (uint64_t) made->socket_inode;
        }
        (void) fclose(sockets);
        return found;
}

int bind_to_made_path(int fd, int type, const struct address *address, const struct made_path *earlier,
                      struct made_path *ret) {
        struct sockaddr_storage storage;
        const struct sockaddr_un *un = (const struct sockaddr_un *) &storage;
        socklen_t length = address_to_sockaddr(address, &storage);
        struct stat st;
        int r;

        if (address_is_unix_path(address) && !(earlier && is_open(earlier)))
                remove_if_stale(type, &storage, length);
        r = plain_bind(fd, &storage, length);
        if (r < 0)
                return r;
        *ret = (struct made_path){.address = *address};
        if (fstat(fd, &st) == 0)
                ret->socket_inode = st.st_ino;
        if (address_is_unix_path(address) && lstat(un->sun_path, &st) == 0) {
                ret->device = st.st_dev;
                ret->inode = st.st_ino;
        }
        return 0;
}

void remove_made_path(const struct made_path *made) {
        struct sockaddr_storage storage;
        const struct sockaddr_un *un = (const struct sockaddr_un *) &storage;
        struct stat st;

        (void) address_to_sockaddr(&made->address, &storage);
        if (made->inode != 0 && lstat(un->sun_path, &st) == 0 && st.st_dev == made->device &&
            st.st_ino == made->inode)
                (void) unlink(un->sun_path);
}
