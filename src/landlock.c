/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "landlock.h"

#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "in-child.h"
#include "util.h"

/* Newer than the headers that this is built with */
#define ACCESS_NET_BIND_TCP (UINT64_C(1) << 0) /* ABI 4, Linux 6.7 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)        /* ABI 6, Linux 6.12 */

struct ruleset {
        uint64_t handled_access_fs, handled_access_net, scoped;
};

static int confine(void *argument) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        struct ruleset ruleset = {.handled_access_net = ACCESS_NET_BIND_TCP,
                                  .scoped = abi >= 6 ? SCOPE_SIGNAL : 0};
        _cleanup_close_ int fd = -1;

        (void) argument;
        if (abi < 0)
                return -errno;
        if (abi < 4)
                return -EOPNOTSUPP;
        fd = (int) syscall(SYS_landlock_create_ruleset, &ruleset,
                           abi >= 6 ? sizeof(ruleset) : offsetof(struct ruleset, scoped), 0);
        if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return -errno;
        return 0;
}

int landlock_confine(void) {
        /* A sandbox may kill for these calls: then it is a child that is killed. */
        int r = run_in_child(confine, NULL);

        return r < 0 ? r : confine(NULL);
}
