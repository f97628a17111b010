/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libseccomp, which knows the number of every call in every ABI. It is loaded when it is first needed, by
 * --close-calls= and --close-families= alone: to load it takes as long as a third of all the rest of our
 * start, and memory of every supervisor. */

#include <seccomp.h>

struct libseccomp {
        typeof(&seccomp_init) init;
        typeof(&seccomp_release) release;
        typeof(&seccomp_attr_set) attr_set;
        typeof(&seccomp_arch_native) arch_native;
        typeof(&seccomp_arch_add) arch_add;
        typeof(&seccomp_arch_remove) arch_remove;
        typeof(&seccomp_rule_add) rule_add;
        typeof(&seccomp_merge) merge;
        typeof(&seccomp_export_bpf) export_bpf;
        typeof(&seccomp_syscall_resolve_name) resolve_name;
        typeof(&seccomp_syscall_resolve_name_arch) resolve_name_arch;
        typeof(&seccomp_syscall_resolve_num_arch) resolve_num_arch;
};

/* NULL if it cannot be loaded; dlerror(3) tells why. It stays loaded. */
const struct libseccomp *libseccomp_load(void);
