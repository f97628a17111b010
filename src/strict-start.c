/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "strict-start.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "capabilities.h"
#include "landlock.h"
#include "listen-fds.h"
#include "log.h"
#include "socket-info.h"
#include "strict-filter.h"
#include "strict.h"
#include "util.h"

/* Newer than the headers that this is built with */
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define BIT(capability) (UINT64_C(1) << (capability))

/* What needs no bind() to do harm: addresses, routes and firewalls (NET_ADMIN), packets without a socket
 * address (NET_RAW), kernel code (SYS_MODULE, BPF, PERFMON), kernel memory (SYS_RAWIO), another kernel
 * (SYS_BOOT), namespaces, mounts and much more (SYS_ADMIN), other processes' sockets (SYS_PTRACE,
 * CHECKPOINT_RESTORE), security modules (MAC_*). */
static const uint64_t harmful_capabilities =
        BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_MODULE) | BIT(CAP_BPF) | BIT(CAP_PERFMON) |
        BIT(CAP_SYS_RAWIO) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) |
        BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_MAC_ADMIN) | BIT(CAP_MAC_OVERRIDE);

static int failed(const char *what, int error) {
        log_message(LOG_ERR, "--strict: cannot %s: %s", what, strerror(-error));
        return error;
}

int strict_lower_target(const struct policy *policy) {
        int r;

        /* No program that is executed gets back what is given up here (setuid, file capabilities); so the
         * bounding set, which only CAP_SETPCAP can change, is the second lock. */
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return failed("set no_new_privs", -errno);
        r = capabilities_bound(harmful_capabilities);
        if (r < 0 && r != -EPERM)
                return failed("bound the capabilities", r);
        r = capabilities_drop(harmful_capabilities);
        if (r < 0)
                return failed("drop capabilities", r);
        r = landlock_confine();
        if (r < 0)
                log_message(LOG_INFO,
                            "--strict: no Landlock here (%s): the program can signal the supervisor if it "
                            "runs as the same user, and look into other processes of its user through /proc",
                            strerror(-r));
        r = strict_filter_install(policy);
        return r < 0 ? failed("install the filter", r) : 0;
}

/* --- descriptors --- */

/* Ways to sockets and memory that are no sockets */
static const char *const harmful_files[] = {"anon_inode:[io_uring]", "anon_inode:[userfaultfd]",
                                            "anon_inode:seccomp notify"};

static bool is_harmful_file(int fd) {
        char path[64], link[64];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, link, sizeof(link) - 1);
        if (n < 0)
                return false;
        link[n] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(harmful_files); i++)
                if (strcmp(link, harmful_files[i]) == 0)
                        return true;
        return false;
}

static bool is_harmless_kind(const struct policy *policy, const struct socket_kind *kind) {
        switch (kind->protocol) {
        case IPPROTO_TCP:
                return kind->type == SOCK_STREAM;
        case IPPROTO_UDP:
        case IPPROTO_UDPLITE:
                return kind->type == SOCK_DGRAM;
        default:
                return protocol_name(kind->protocol) && strict_names_protocol(policy, kind->protocol);
        }
}

/* A socket without an address is one that the program could have made. */
static bool is_given(const struct policy *policy, int fd, const struct socket_info *info) {
        struct bind_request socket = {.kind = info->kind, .v6only = info->v6only};

        switch (info->kind.domain) {
        case AF_UNIX:
        case AF_NETLINK:
        case AF_ALG:
                return true;
        case AF_INET:
        case AF_INET6:
                return is_harmless_kind(policy, &info->kind) &&
                       socket_address_read(fd, info->kind.domain, &socket.address) >= 0 &&
                       ((socket.address.port == 0 && policy->strict != STRICT_DATAGRAM) ||
                        strict_gives(policy, &socket, true));
        case AF_VSOCK:
                return socket_address_read(fd, info->kind.domain, &socket.address) >= 0 &&
                       strict_gives(policy, &socket, false);
        default:
                return false;
        }
}

/* A passed socket that the program gets is given by the rule that names it. */
static bool is_given_passed(const struct policy *policy, const struct socket_info *info) {
        for (size_t i = 0; i < policy->n_passed; i++)
                if (policy->passed[i].cookie == info->cookie)
                        return strict_gives_passed(policy, &policy->passed[i]);
        return false;
}

static bool may_stay(const struct policy *policy, int fd) {
        int flags = fcntl(fd, F_GETFD);
        struct socket_info info;

        if (flags < 0 || (flags & FD_CLOEXEC) != 0)
                return true; /* it does not stay anyway */
        if (socket_info_read(fd, &info) < 0)
                return !is_harmful_file(fd);
        return is_given_passed(policy, &info) || is_given(policy, fd, &info);
}

static int close_inherited(int fd, bool fill) {
        _cleanup_close_ int null = -1;

        log_message(LOG_WARNING, "--strict: closing inherited descriptor %d, which no rule gives", fd);
        if (!fill)
                return close(fd) < 0 ? -errno : 0;
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        return null < 0 || dup2(null, fd) < 0 ? -errno : 0;
}

int strict_close_descriptors(const struct policy *policy, const struct passed_sockets *passed,
                             bool keep_fds) {
        DIR *directory = opendir("/proc/self/fd");
        int first_unpassed = LISTEN_FDS_START + (keep_fds ? (int) passed->n_passed : 0), r = 0;
        const struct dirent *entry;

        if (!directory)
                return failed("look at the descriptors in /proc/self/fd", -errno);
        while (r >= 0 && (entry = readdir(directory))) {
                int fd = (int) strtol(entry->d_name, NULL, 10);

                if (entry->d_name[0] != '.' && fd != dirfd(directory) && !may_stay(policy, fd))
                        r = close_inherited(fd, fd < first_unpassed);
        }
        (void) closedir(directory);
        return r < 0 ? failed("close inherited descriptors", r) : 0;
}
