/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A service's effective settings, as the manager would compute them from its unit file and drop-ins, as far
 * as they concern us; and what X-ForceBind settings say about it. */

#include <stdbool.h>
#include <stddef.h>

#include "init-script.h"
#include "unit-index.h"

/* The name of the drop-in that we write, unless another one sorts behind it */
#define DROPIN_NAME "zzz-force-bind.conf"

/* Where a setting was made */
struct origin {
        const char *path; /* belongs to the index; NULL: nowhere */
        unsigned line;
};

struct setting {
        char *value;
        struct origin origin;
};

/* A setting that adds up */
struct setting_list {
        struct setting *settings;
        size_t n;
};

/* Settings of [Service] that a later one replaces */
enum service_key {
        SERVICE_TYPE,
        SERVICE_BUS_NAME,
        SERVICE_PID_FILE,
        SERVICE_NOTIFY_ACCESS,
        SERVICE_SYSLOG_IDENTIFIER,
        SERVICE_ROOT_DIRECTORY,
        SERVICE_ROOT_IMAGE,
        SERVICE_SYSTEM_CALL_ERROR,
        SERVICE_USER,
        SERVICE_DYNAMIC_USER,
        SERVICE_REMAIN_AFTER_EXIT,
        SERVICE_KILL_MODE,
        SERVICE_KEYS,
};

/* Settings of [Service] that add up */
enum service_list {
        LIST_EXEC_START,
        LIST_SYSTEM_CALL_FILTER,
        LIST_ADDRESS_FAMILIES,
        LIST_CAPABILITIES, /* an empty value counts: it takes all of them */
        LIST_EXEC_PATHS,
        LIST_NO_EXEC_PATHS,
        LIST_INACCESSIBLE_PATHS,
        LIST_TEMPORARY_FILE_SYSTEM,
        SERVICE_LISTS,
};

/* Settings of ours that a later one replaces */
enum force_bind_key {
        FORCE_BIND_AUTO,
        FORCE_BIND_READY,
        FORCE_BIND_STRICT,
        FORCE_BIND_KEEP_FDS,
        FORCE_BIND_VERBOSE,
        FORCE_BIND_LEARN,
        FORCE_BIND_SOCKET_USER,
        FORCE_BIND_SOCKET_GROUP,
        FORCE_BIND_SOCKET_MODE,
        FORCE_BIND_KEYS,
};

struct service {
        const char *name;
        struct unit_entry *fragment;        /* NULL: has no unit file */
        enum init_script_state init_script; /* where it has none */
        bool masked;
        bool malformed; /* systemd refuses to load the unit */
        struct setting keys[SERVICE_KEYS];
        struct setting_list lists[SERVICE_LISTS];

        struct origin mark; /* of the first of our settings; path NULL: none */
        struct setting force_bind[FORCE_BIND_KEYS];
        struct setting_list rules;
        struct setting_list listen;
        struct setting unknown; /* the first setting of ours that nobody knows */

        char **dropin_names; /* file names of its drop-ins, sorted; belong to the index */
        size_t n_dropins;
        bool switched_off; /* by a drop-in of our own name that is empty or leads to /dev/null */
        bool own_dropins;  /* some of them are for this very instance of a template */
};

/* Reads the settings of the service of this name: its own, a template's for an instance, and those of
 * aliases. sockets: names of the socket units that activate it and have settings of ours. Returns 0 or
 * -ENOMEM. */
int service_read(struct unit_index *index, const char *name, char *const *sockets, size_t n_sockets,
                 struct service *ret);
void service_free(struct service *service);

/* What a socket unit activates, and whether it starts an instance for each connection */
struct socket_unit {
        bool has_settings; /* of ours */
        bool accepts;      /* Accept=yes */
        char *service;     /* the caller's to free() */
};

/* Returns 0, or -ENOMEM. */
int socket_unit_read(struct unit_index *index, const char *name, struct socket_unit *ret);

/* yes, true, y, t, on, 1 and their opposites, in any case. Returns 1, 0, or -EINVAL. */
int parse_boolean(const char *text);
