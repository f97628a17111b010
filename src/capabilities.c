/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "util.h"

int capabilities_bound(uint64_t dropped) {
        for (int capability = 0; capability < 64; capability++)
                if ((dropped & UINT64_C(1) << capability) != 0 &&
                    prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 &&
                    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        return -errno;
        return 0;
}

int capabilities_drop(uint64_t dropped) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];
        uint32_t kept[2] = {~(uint32_t) dropped, ~(uint32_t) (dropped >> 32)};

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                data[i].effective &= kept[i];
                data[i].permitted &= kept[i];
                data[i].inheritable &= kept[i];
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
