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
        uint32_t lost[2] = {(uint32_t) dropped, (uint32_t) (dropped >> 32)}, had = 0;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(data); i++) {
                had |= (data[i].effective | data[i].permitted | data[i].inheritable) & lost[i];
                data[i].effective &= ~lost[i];
                data[i].permitted &= ~lost[i];
                data[i].inheritable &= ~lost[i];
        }
        if (had == 0) /* a sandbox may forbid the call to who has none anyway (~@privileged) */
                return 0;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
