/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "unit-name.h"
#include "unit-reader.h"
#include "util.h"

/* Aliases are followed as far as this (systemd's FOLLOW_MAX). */
#define ALIASES_MAX 8

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

/* --- which files --- */

/* The name that an alias leads to: of an instance and a template, the template's instance. */
static bool follow(const char *name, const char *alias_of, char *ret) {
        const char *suffix = strrchr(name, '.');
        char instance[UNIT_NAME_MAX + 1];

        if (unit_name_kind(name, suffix) != UNIT_NAME_INSTANCE ||
            unit_name_kind(alias_of, suffix) != UNIT_NAME_TEMPLATE)
                return snprintf(ret, UNIT_NAME_MAX + 1, "%s", alias_of) <= UNIT_NAME_MAX;
        unit_name_instance(name, instance);
        return snprintf(ret, UNIT_NAME_MAX + 1, "%.*s%s%s", (int) (strchr(alias_of, '@') + 1 - alias_of),
                        alias_of, instance, suffix) <= UNIT_NAME_MAX;
}

bool unit_resolve(const struct unit_index *index, const char *name, char *ret) {
        char next[UNIT_NAME_MAX + 1];

        (void) snprintf(ret, UNIT_NAME_MAX + 1, "%s", name);
        for (unsigned i = 0; i < ALIASES_MAX; i++) {
                const struct unit_entry *entry = unit_index_find_or_template(index, ret);

                if (!entry || !entry->alias_of)
                        return true;
                if (!follow(ret, entry->alias_of, next))
                        return false;
                memcpy(ret, next, sizeof(next));
        }
        return false;
}

/* The unit file of this name, or of its template */
static struct unit_entry *find_fragment(const struct unit_index *index, const char *name) {
        char id[UNIT_NAME_MAX + 1];
        struct unit_entry *entry =
                unit_resolve(index, name, id) ? unit_index_find_or_template(index, id) : NULL;

        return entry && !entry->alias_of ? entry : NULL;
}

/* A drop-in, and how many were found before it: of equal names, the first holds. */
struct found_dropin {
        struct dropin_entry *entry;
        size_t order;
};

struct dropin_list {
        struct found_dropin *found; /* sorted by name, one of each name, once find_dropins() is done */
        size_t n;
        bool for_instance;
};

/* Adds the files of NAME.d in the directory of this rank. */
static int add_named(const struct unit_index *index, const char *name, size_t rank,
                     struct dropin_list *list) {
        const struct dropin_directory *directory = unit_index_find_directories(index, name);
        const struct dropin_directory *end = index->directories + index->n_directories;

        for (; directory && directory < end && strcmp(directory->name, name) == 0; directory++) {
                struct found_dropin *found;

                if (directory->rank != rank || directory->n == 0)
                        continue;
                found = reallocarray(list->found, list->n + directory->n, sizeof(*found));
                if (!found)
                        return -ENOMEM;
                list->found = found;
                for (size_t i = 0; i < directory->n; i++, list->n++)
                        found[list->n] = (struct found_dropin){&directory->entries[i], list->n};
                if (unit_name_kind(name, strrchr(name, '.') ? strrchr(name, '.') : "") == UNIT_NAME_INSTANCE)
                        list->for_instance = true;
        }
        return 0;
}

/* Adds what one directory of the search path has for a name: NAME.d, its template's, and those of its
 * shorter prefixes. */
static int add_for_name(const struct unit_index *index, const char *name, size_t rank,
                        struct dropin_list *list) {
        char shorter[UNIT_NAME_MAX + 1];
        int r = add_named(index, name, rank, list);

        if (r >= 0 && unit_name_kind(name, strrchr(name, '.')) == UNIT_NAME_INSTANCE) {
                unit_name_template(name, shorter);
                r = add_for_name(index, shorter, rank, list);
        }
        if (r >= 0 && unit_name_chop(name, shorter))
                r = add_for_name(index, shorter, rank, list);
        return r;
}

static int compare_found(const void *a, const void *b) {
        const struct found_dropin *x = a, *y = b;
        int r = strcmp(x->entry->name, y->entry->name);

        return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static void sort_found(struct dropin_list *list) {
        size_t n = 0;

        if (list->n == 0)
                return;
        qsort(list->found, list->n, sizeof(*list->found), compare_found);
        for (size_t i = 0; i < list->n; i++)
                if (n == 0 || strcmp(list->found[n - 1].entry->name, list->found[i].entry->name) != 0)
                        list->found[n++] = list->found[i];
        list->n = n;
}

/* All drop-ins of a unit, in the order in which they hold. The rank of the directory counts for more than
 * how well its name fits; an alias's, and the type's, come behind the name's own (systemd.unit(5)). */
static int find_dropins(const struct unit_index *index, const char *name, struct dropin_list *ret) {
        struct dropin_list list = {};
        char id[UNIT_NAME_MAX + 1];
        int r = 0;

        for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                r = add_for_name(index, name, rank, &list);
        for (size_t i = 0; i < index->n_aliases && r >= 0; i++) {
                const char *alias = index->aliases[i]->name;

                if (strcmp(alias, name) == 0 || !unit_resolve(index, alias, id) || strcmp(id, name) != 0)
                        continue;
                for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                        r = add_for_name(index, alias, rank, &list);
        }
        for (size_t rank = 0; rank < index->path->n && r >= 0; rank++)
                r = add_named(index, strrchr(name, '.') + 1, rank, &list);
        if (r < 0) {
                free(list.found);
                return r;
        }
        sort_found(&list);
        *ret = list;
        return 0;
}

/* --- what they say --- */

static const struct {
        const char *key;
        enum service_key slot;
} service_keys[] = {
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

static const struct {
        const char *key;
        enum service_list slot;
} service_lists[] = {
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

static const struct {
        const char *key;
        enum force_bind_key slot;
} force_bind_keys[] = {
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
        for (size_t i = 0; i < ELEMENTSOF(force_bind_keys); i++)
                if (strcmp(assignment->key, force_bind_keys[i].key) == 0)
                        return set(&service->force_bind[force_bind_keys[i].slot], assignment->value, origin);
        if (strcmp(assignment->key, "Rule") == 0)
                return add_to_list(&service->rules, assignment->value, origin);
        if (strcmp(assignment->key, "Listen") == 0)
                return add_to_list(&service->listen, assignment->value, origin);
        return service->unknown.value ? 0 : set(&service->unknown, assignment->key, origin);
}

static int apply_service(struct service *service, const struct assignment *assignment,
                         struct origin origin) {
        for (size_t i = 0; i < ELEMENTSOF(service_keys); i++)
                if (strcmp(assignment->key, service_keys[i].key) == 0) {
                        if (!is_known_value(service_keys[i].slot, assignment->value))
                                return 0;
                        return set(&service->keys[service_keys[i].slot], assignment->value, origin);
                }
        for (size_t i = 0; i < ELEMENTSOF(service_lists); i++)
                if (strcmp(assignment->key, service_lists[i].key) == 0) {
                        struct setting_list *list = &service->lists[service_lists[i].slot];
                        int r = add_to_list(list, assignment->value, origin);

                        return r >= 0 && list->n == 0 && service_lists[i].slot == LIST_CAPABILITIES
                                       ? append(list, "", origin)
                                       : r;
                }
        return 0;
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
        struct unit_entry *fragment = find_fragment(index, name);
        struct dropin_list dropins;
        int r;

        if (fragment && apply_file(service, &fragment->file, true) == -ENOMEM)
                return -ENOMEM;
        r = find_dropins(index, name, &dropins);
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
        service->fragment = find_fragment(index, service->name);
        if (r >= 0 && service->fragment) {
                r = apply_file(service, &service->fragment->file, false);
                service->masked = service->fragment->file.empty;
                service->malformed = r == -EBADMSG || service->fragment->file.too_large;
        } else if (r >= 0 && !index->path->user)
                r = apply_init_script(service);
        if (r == -ENOMEM)
                return r;

        r = find_dropins(index, service->name, &dropins);
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
        struct unit_entry *fragment = find_fragment(index, name);
        char service[UNIT_NAME_MAX + 1], prefix[UNIT_NAME_MAX + 1];
        struct dropin_list dropins;
        bool fits;
        int r = 0;

        *ret = (struct socket_unit){};
        if (!fragment || fragment->file.empty)
                return 0;
        r = apply_socket_file(&fragment->file, ret);
        if (r >= 0)
                r = find_dropins(index, name, &dropins);
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
