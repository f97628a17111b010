/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "closing.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/socket.h>

#include "capabilities.h"
#include "error-name.h"
#include "libseccomp.h"
#include "util.h"

#define CALLS_EXPECTED "expected names of system calls, separated by commas, and perhaps :ERRNO or :kill"
#define LIBRARY_EXPECTED "expected libseccomp.so.2, which knows their numbers, to be installed"
#define FAMILIES_EXPECTED                                                                                   \
        "expected AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET or AF_VSOCK, separated by commas"

static const struct {
        const char *name;
        int family;
} families[] = {
        {"AF_UNIX", AF_UNIX},       {"AF_INET", AF_INET},     {"AF_INET6", AF_INET6},
        {"AF_NETLINK", AF_NETLINK}, {"AF_PACKET", AF_PACKET}, {"AF_VSOCK", AF_VSOCK},
};

#define CAPABILITIES_EXPECTED "expected CAP_SYS_PTRACE or CAP_SETPCAP, separated by commas"

/* What the supervisor needs to look into a target that changes its user, and what it takes to drop that. */
static const struct {
        const char *name;
        int capability;
} capabilities[] = {
        {"CAP_SYS_PTRACE", CAP_SYS_PTRACE},
        {"CAP_SETPCAP", CAP_SETPCAP},
};

/* Takes the next name off a list that ends at end. Returns false if there is none, or it is too long. */
static bool take_name(const char **at, const char *end, char *name, size_t size) {
        size_t length = 0;

        while (*at + length < end && (*at)[length] != ',')
                length++;
        if (length == 0 || length >= size)
                return false;
        memcpy(name, *at, length);
        name[length] = '\0';
        *at += length;
        if (*at < end && *at + 1 < end)
                (*at)++; /* a comma that something follows */
        return true;
}

const char *closing_parse_calls(const char *text, struct closing *closing) {
        const struct libseccomp *library = libseccomp_load();
        const char *end = text + strcspn(text, ":");
        char name[64];

        if (!library)
                return LIBRARY_EXPECTED;

        if (*end == ':' && strcmp(end + 1, "kill") != 0) {
                closing->error = error_from_name(end + 1, strlen(end + 1));
                if (closing->error == 0)
                        return CALLS_EXPECTED;
        }
        do {
                int call;

                if (!take_name(&text, end, name, sizeof(name)) || closing->n_calls == CLOSED_CALLS_MAX)
                        return CALLS_EXPECTED;
                call = library->resolve_name(name);
                if (call == __NR_SCMP_ERROR)
                        return CALLS_EXPECTED;
                closing->calls[closing->n_calls++] = call;
        } while (text < end);
        return NULL;
}

static const int *find_family(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (strcmp(families[i].name, name) == 0)
                        return &families[i].family;
        return NULL;
}

const char *closing_parse_families(const char *text, struct closing *closing) {
        const char *end = text + strlen(text);
        char name[64];

        do {
                const int *family = take_name(&text, end, name, sizeof(name)) ? find_family(name) : NULL;

                if (!family || closing->n_families == CLOSED_FAMILIES_MAX)
                        return FAMILIES_EXPECTED;
                closing->families[closing->n_families++] = *family;
        } while (text < end);
        return NULL;
}

const char *closing_parse_capabilities(const char *text, struct closing *closing) {
        const char *end = text + strlen(text);
        char name[64];

        do {
                uint64_t found = 0;

                if (take_name(&text, end, name, sizeof(name)))
                        for (size_t i = 0; i < ELEMENTSOF(capabilities); i++)
                                if (strcmp(capabilities[i].name, name) == 0)
                                        found = UINT64_C(1) << capabilities[i].capability;
                if (found == 0)
                        return CAPABILITIES_EXPECTED;
                closing->capabilities |= found;
        } while (text < end);
        return NULL;
}

int closing_drop_capabilities(const struct closing *closing) {
        int r = 0;

        if (closing->capabilities != 0)
                r = capabilities_bound(closing->capabilities);
        if (r >= 0 && closing->capabilities != 0)
                r = capabilities_drop(closing->capabilities);
        return r;
}
