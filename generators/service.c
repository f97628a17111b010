/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "unit-files.h"
#include "unit-name.h"
#include "unit-reader.h"
#include "util.h"

int parse_boolean(const char *text) {
        static const char *const yes[] = {"1", "yes", "y", "true", "t", "on"};
        static const char *const no[] = {"0", "no", "n", "false", "f", "off"};

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (strcasecmp(text, yes[i]) == 0)
                        return 1;
                if (strcasecmp(text, no[i]) == 0)
                        return 0;
        }
        return -EINVAL;
}

/* --- what they say --- */

struct key {
        const char *name;
        unsigned slot;
};

static const struct key service_keys[] = {
        {"Type", SERVICE_TYPE},
        {"BusName", SERVICE_BUS_NAME},
        {"PIDFile", SERVICE_PID_FILE},
        {"NotifyAccess", SERVICE_NOTIFY_ACCESS},
        {"SyslogIdentifier", SERVICE_SYSLOG_IDENTIFIER},
        {"RootDirectory", SERVICE_ROOT_DIRECTORY},
        {"RootImage", SERVICE_ROOT_IMAGE},
        {"SystemCallErrorNumber", SERVICE_SYSTEM_CALL_ERROR},
        {"User", SERVICE_USER},
        {"DynamicUser", SERVICE_DYNAMIC_USER},
        {"RemainAfterExit", SERVICE_REMAIN_AFTER_EXIT},
        {"KillMode", SERVICE_KILL_MODE},
};

static const struct key service_lists[] = {
        {"ExecStart", LIST_EXEC_START},
        {"SystemCallFilter", LIST_SYSTEM_CALL_FILTER},
        {"RestrictAddressFamilies", LIST_ADDRESS_FAMILIES},
        {"CapabilityBoundingSet", LIST_CAPABILITIES},
        {"ExecPaths", LIST_EXEC_PATHS},
        {"NoExecPaths", LIST_NO_EXEC_PATHS},
        {"InaccessiblePaths", LIST_INACCESSIBLE_PATHS},
        {"InaccessibleDirectories", LIST_INACCESSIBLE_PATHS},
        {"TemporaryFileSystem", LIST_TEMPORARY_FILE_SYSTEM},
};

static const struct key force_bind_keys[] = {
        {"Auto", FORCE_BIND_AUTO},
        {"Ready", FORCE_BIND_READY},
        {"Strict", FORCE_BIND_STRICT},
        {"KeepFds", FORCE_BIND_KEEP_FDS},
        {"Verbose", FORCE_BIND_VERBOSE},
        {"Learn", FORCE_BIND_LEARN},
        {"SocketUser", FORCE_BIND_SOCKET_USER},
        {"SocketGroup", FORCE_BIND_SOCKET_GROUP},
        {"SocketMode", FORCE_BIND_SOCKET_MODE},
};

/* -1: it is none of these */
static int find_slot(const struct key *keys, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(name, keys[i].name) == 0)
                        return (int) keys[i].slot;
        return -1;
}

/* systemd ignores a Type= or KillMode= that it does not know; notify-reload is known from 253 on. */
static const char *const service_types[] = {"simple", "exec", "forking",       "oneshot", "dbus",
                                            "notify", "idle", "notify-reload", NULL};
static const char *const kill_modes[] = {"", "control-group", "process", "mixed", "none", NULL};

static bool is_known_value(enum service_key slot, const char *value) {
        const char *const *known = slot == SERVICE_TYPE        ? service_types
                                   : slot == SERVICE_KILL_MODE ? kill_modes
                                                               : NULL;

        for (; known && *known; known++)
                if (strcmp(value, *known) == 0)
                        return true;
        return !known;
}

static void clear(struct setting *setting) {
        free(setting->value);
        *setting = (struct setting){};
}

static void clear_list(struct setting_list *list) {
        for (size_t i = 0; i < list->n; i++)
                free(list->settings[i].value);
        free(list->settings);
        *list = (struct setting_list){};
}

/* An empty value takes an earlier one back. */
static int set(struct setting *setting, const char *value, struct origin origin) {
        clear(setting);
        if (value[0] == '\0')
                return 0;
        /* service_free() frees it, though gcc 12's -fanalyzer sees a leak here, and below */
        setting->value = strdup(value);
        setting->origin = origin;
        return setting->value ? 0 : -ENOMEM;
}

static int append(struct setting_list *list, const char *value, struct origin origin) {
        struct setting *settings;

        settings = reallocarray(list->settings, list->n + 1, sizeof(*settings));
        if (!settings)
                return -ENOMEM;
        list->settings = settings;
        settings[list->n] = (struct setting){.value = strdup(value), .origin = origin};
        return settings[list->n++].value ? 0 : -ENOMEM;
}

static int add_to_list(struct setting_list *list, const char *value, struct origin origin) {
        if (value[0] != '\0')
                return append(list, value, origin);
        clear_list(list);
        return 0;
}

/* X-ForceBind=: "yes" and "no" are Auto=, everything else Rule=; an empty value resets both. */
static int apply_shorthand(struct service *service, const char *value, struct origin origin) {
        int r;

        if (value[0] == '\0')
                clear(&service->force_bind[FORCE_BIND_AUTO]);
        if (value[0] != '\0' && parse_boolean(value) >= 0)
                r = set(&service->force_bind[FORCE_BIND_AUTO], value, origin);
        else
                r = add_to_list(&service->rules, value, origin);
        return r;
}

static int apply_force_bind(struct service *service, const struct assignment *assignment,
                            struct origin origin) {
        int slot = find_slot(force_bind_keys, ELEMENTSOF(force_bind_keys), assignment->key);

        if (slot >= 0)
                return set(&service->force_bind[slot], assignment->value, origin);
        if (strcmp(assignment->key, "Rule") == 0)
                return add_to_list(&service->rules, assignment->value, origin);
        if (strcmp(assignment->key, "Listen") == 0)
                return add_to_list(&service->listen, assignment->value, origin);
        return service->unknown.value ? 0 : set(&service->unknown, assignment->key, origin);
}

static int apply_service(struct service *service, const struct assignment *assignment,
                         struct origin origin) {
        int slot = find_slot(service_keys, ELEMENTSOF(service_keys), assignment->key), r;

        if (slot >= 0)
                return is_known_value((enum service_key) slot, assignment->value)
                               ? set(&service->keys[slot], assignment->value, origin)
                               : 0;
        slot = find_slot(service_lists, ELEMENTSOF(service_lists), assignment->key);
        if (slot < 0)
                return 0;
        r = add_to_list(&service->lists[slot], assignment->value, origin);
        if (r >= 0 && slot == LIST_CAPABILITIES && service->lists[slot].n == 0)
                r = append(&service->lists[slot], "", origin);
        return r;
}

/* One setting of a service's unit file or drop-in, or (in_socket) of a socket's */
static int apply(struct service *service, const struct assignment *assignment, struct origin origin,
                 bool in_socket) {
        bool ours = strcmp(assignment->section, "X-ForceBind") == 0;
        bool shorthand = strcmp(assignment->section, in_socket ? "Socket" : "Service") == 0 &&
                         strcmp(assignment->key, "X-ForceBind") == 0;

        if ((ours || shorthand) && !service->mark.path)
                service->mark = origin;
        if (ours && in_socket && strcmp(assignment->key, "Listen") == 0)
                return set(&service->unknown, "Listen (in a .socket unit, which has ListenStream= for that)",
                           origin);
        if (ours)
                return apply_force_bind(service, assignment, origin);
        if (shorthand)
                return apply_shorthand(service, assignment->value, origin);
        if (!in_socket && strcmp(assignment->section, "Service") == 0)
                return apply_service(service, assignment, origin);
        return 0;
}

/* Applies a file's settings. Returns 0; -EBADMSG if systemd stops reading in it; or -ENOMEM. */
static int apply_file(struct service *service, struct unit_file *file, bool in_socket) {
        struct unit_reader reader;
        struct assignment assignment;
        int r = unit_file_read(file);

        if (r < 0)
                return r;
        unit_reader_init(&reader, file->text, file->length);
        while ((r = unit_reader_next(&reader, &assignment)) > 0) {
                r = apply(service, &assignment, (struct origin){file->path, assignment.line}, in_socket);
                if (r < 0)
                        break;
        }
        unit_reader_done(&reader);
        return r;
}

/* The settings of ours in a socket's unit file and drop-ins */
static int apply_socket(struct unit_index *index, struct service *service, const char *name) {
        struct unit_entry *fragment = unit_find_fragment(index, name);
        struct dropin_list dropins;
        int r;

        if (fragment && apply_file(service, &fragment->file, true) == -ENOMEM)
                return -ENOMEM;
        r = unit_find_dropins(index, name, &dropins);
        if (r < 0)
                return r;
        for (size_t i = 0; i < dropins.n && r != -ENOMEM; i++)
                r = apply_file(service, &dropins.found[i].entry->file, true);
        free(dropins.found);
        return r == -ENOMEM ? r : 0;
}

static int keep_names(struct service *service, const struct dropin_list *dropins) {
        service->own_dropins = dropins->for_instance;
        service->dropin_names = calloc(dropins->n + 1, sizeof(char *));
        if (!service->dropin_names)
                return -ENOMEM;
        for (size_t i = 0; i < dropins->n; i++)
                if (!dropins->found[i].entry->file.empty)
                        service->dropin_names[service->n_dropins++] = dropins->found[i].entry->name;
                else if (strcmp(dropins->found[i].entry->name, DROPIN_NAME) == 0)
                        service->switched_off = true;
        return 0;
}

/* The settings of the unit that another generator makes from an init script */
static int apply_init_script(struct service *service) {
        struct unit_file unit;
        int r = init_script_read(service->name, &unit);

        if (r < 0)
                return r;
        service->init_script = (enum init_script_state) r;
        if (service->init_script != INIT_SCRIPT_FOUND)
                return 0;
        r = apply_file(service, &unit, false);
        free(unit.text);
        free(unit.path);
        return r;
}

static int read_all(struct unit_index *index, char *const *sockets, size_t n_sockets,
                    struct service *service) {
        struct dropin_list dropins;
        int r = 0;

        for (size_t i = 0; i < n_sockets && r >= 0; i++)
                r = apply_socket(index, service, sockets[i]);
        service->fragment = unit_find_fragment(index, service->name);
        if (r >= 0 && service->fragment) {
                r = apply_file(service, &service->fragment->file, false);
                service->masked = service->fragment->file.empty;
                service->malformed = r == -EBADMSG || service->fragment->file.too_large;
        } else if (r >= 0 && !index->path->user)
                r = apply_init_script(service);
        if (r == -ENOMEM)
                return r;

        r = unit_find_dropins(index, service->name, &dropins);
        if (r < 0)
                return r;
        r = keep_names(service, &dropins);
        /* What systemd cannot read of a drop-in, it leaves out. */
        for (size_t i = 0; i < dropins.n && r != -ENOMEM; i++)
                r = apply_file(service, &dropins.found[i].entry->file, false);
        free(dropins.found);
        return r == -ENOMEM ? r : 0;
}

int service_read(struct unit_index *index, const char *name, char *const *sockets, size_t n_sockets,
                 struct service *ret) {
        int r;

        *ret = (struct service){.name = name};
        r = read_all(index, sockets, n_sockets, ret);
        if (r < 0)
                service_free(ret);
        return r;
}

void service_free(struct service *service) {
        for (size_t i = 0; i < SERVICE_KEYS; i++)
                clear(&service->keys[i]);
        for (size_t i = 0; i < SERVICE_LISTS; i++)
                clear_list(&service->lists[i]);
        for (size_t i = 0; i < FORCE_BIND_KEYS; i++)
                clear(&service->force_bind[i]);
        clear_list(&service->rules);
        clear_list(&service->listen);
        clear(&service->unknown);
        free(service->dropin_names);
        *service = (struct service){};
}

/* --- sockets --- */

static int apply_socket_file(struct unit_file *file, struct socket_unit *socket) {
        struct unit_reader reader;
        struct assignment assignment;
        int r = unit_file_read(file);

        if (r < 0)
                return r;
        unit_reader_init(&reader, file->text, file->length);
        while ((r = unit_reader_next(&reader, &assignment)) > 0) {
                bool in_socket = strcmp(assignment.section, "Socket") == 0;

                if (strcmp(assignment.section, "X-ForceBind") == 0 ||
                    (in_socket && strcmp(assignment.key, "X-ForceBind") == 0))
                        socket->has_settings = true;
                else if (in_socket && strcmp(assignment.key, "Accept") == 0)
                        socket->accepts = parse_boolean(assignment.value) > 0;
                else if (in_socket && strcmp(assignment.key, "Service") == 0) {
                        free(socket->service);
                        socket->service = assignment.value[0] == '\0' ? NULL : strdup(assignment.value);
                        if (assignment.value[0] != '\0' && !socket->service) {
                                r = -ENOMEM;
                                break;
                        }
                }
        }
        unit_reader_done(&reader);
        return r == -EBADMSG ? 0 : r;
}

int socket_unit_read(struct unit_index *index, const char *name, struct socket_unit *ret) {
        struct unit_entry *fragment = unit_find_fragment(index, name);
        char service[UNIT_NAME_MAX + 1], prefix[UNIT_NAME_MAX + 1];
        struct dropin_list dropins;
        bool fits;
        int r = 0;

        *ret = (struct socket_unit){};
        if (!fragment || fragment->file.empty)
                return 0;
        r = apply_socket_file(&fragment->file, ret);
        if (r >= 0)
                r = unit_find_dropins(index, name, &dropins);
        if (r < 0)
                return r;
        for (size_t i = 0; i < dropins.n && r >= 0; i++)
                r = apply_socket_file(&dropins.found[i].entry->file, ret);
        free(dropins.found);
        if (r < 0 || (ret->service && !ret->accepts))
                return r;
        /* For each connection that it accepts, systemd starts an instance of PREFIX@.service. */
        if (ret->accepts) {
                unit_name_prefix(name, prefix);
                fits = (size_t) snprintf(service, sizeof(service), "%s@.service", prefix) < sizeof(service);
        } else
                fits = unit_name_change_suffix(name, ".service", service);
        free(ret->service);
        ret->service = fits ? strdup(service) : NULL;
        return fits && !ret->service ? -ENOMEM : 0;
}
