/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libseccomp.h"

#include <dlfcn.h>

#include "util.h"

#define LIBRARY "libseccomp.so.2"

/* In the order of struct libseccomp */
static const char *const names[] = {
        "seccomp_init",
        "seccomp_release",
        "seccomp_attr_set",
        "seccomp_arch_native",
        "seccomp_arch_add",
        "seccomp_arch_remove",
        "seccomp_rule_add",
        "seccomp_merge",
        "seccomp_export_bpf",
        "seccomp_syscall_resolve_name",
        "seccomp_syscall_resolve_name_arch",
        "seccomp_syscall_resolve_num_arch",
};

union functions {
        struct libseccomp library;
        void *pointers[sizeof(struct libseccomp) / sizeof(void *)];
};

_Static_assert(ELEMENTSOF(names) == sizeof(union functions) / sizeof(void *), "one name for each function");

const struct libseccomp *libseccomp_load(void) {
        static union functions functions;
        void *library;

        if (functions.library.init)
                return &functions.library;
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_NODELETE);
        for (size_t i = ELEMENTSOF(names); library && i > 0;
             i--) { /* init last: it says that all are there */
                functions.pointers[i - 1] = dlsym(library, names[i - 1]);
                if (!functions.pointers[i - 1])
                        return NULL;
        }
        return library ? &functions.library : NULL;
}
