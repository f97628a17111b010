/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan-private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "report.h"
#include "rule-parse.h"
#include "specifiers.h"
#include "unit-reader.h"
#include "util.h"

/* Reports what is wrong with a setting. Always 0, for plan_make() to return. */
PRINTF(3, 4)
static int refuse(const struct planning *planning, const struct setting *setting, const char *format, ...) {
        struct origin origin = setting && setting->origin.path ? setting->origin : planning->service->mark;
        char text[512];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        report(LOG_WARNING, origin.path, origin.line, "%s; leaving %s as it is", text,
               planning->service->name);
        return 0;
}

/* --- reading the settings --- */

/* A boolean of ours. Returns 1 and the value; 0 if it is wrong. */
static int read_boolean(const struct planning *planning, enum force_bind_key key, const char *name,
                        bool by_default, bool *ret) {
        const struct setting *setting = &planning->service->force_bind[key];
        int r = setting->value ? parse_boolean(setting->value) : by_default;

        if (r < 0)
                return refuse(planning, setting, "%s=%s: expected yes or no", name, setting->value);
        *ret = r;
        return 1;
}

static int read_strict(struct planning *planning) {
        const struct setting *setting = &planning->service->force_bind[FORCE_BIND_STRICT];
        int r = setting->value ? parse_boolean(setting->value) : 0;

        if (setting->value && strcmp(setting->value, "datagram") == 0)
                planning->strict = "--strict=datagram";
        else if (r < 0)
                return refuse(planning, setting, "Strict=%s: expected yes, no or datagram", setting->value);
        else if (r > 0)
                planning->strict = "--strict";
        return 1;
}

static int read_rules(struct planning *planning) {
        const struct setting_list *rules = &planning->service->rules;

        for (size_t i = 0; i < rules->n; i++) {
                struct rule_error error;
                struct rule rule;
                bool certain;
                char *text = specifiers_try(rules->settings[i].value, planning->service->name, &certain);
                int r = text ? rule_parse(text, &rule, &error) : -ENOMEM;

                if (r < 0 && r != -ENOMEM && !certain) /* nobody knows before the manager has expanded it */
                        planning->some_rule_adopts = planning->some_rule_adopts || strstr(text, "sd");
                free(text);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && certain)
                        return refuse(planning, &rules->settings[i], "rule \"%s\", column %zu: %s",
                                      rules->settings[i].value, error.column, error.message);
                if (r >= 0) {
                        planning->some_rule_adopts = planning->some_rule_adopts || rule_adopts(&rule);
                        rule_free(&rule);
                }
        }
        return 1;
}

static int read_listen(struct planning *planning) {
        const struct setting_list *listen = &planning->service->listen;
        int ipv4 = sandbox_allows_family(planning->service, "AF_INET"),
            ipv6 = sandbox_allows_family(planning->service, "AF_INET6");

        if (ipv4 < 0 || ipv6 < 0)
                return -ENOMEM;
        planning->listen = calloc(listen->n + 1, sizeof(*planning->listen));
        if (!planning->listen)
                return -ENOMEM;
        for (size_t i = 0; i < listen->n; i++) {
                bool certain;
                char *text = specifiers_try(listen->settings[i].value, planning->service->name, &certain);
                const char *message;

                if (!text)
                        return -ENOMEM;
                message = listen_parse(listen->settings[i].value, text, &planning->listen[i]);
                free(text);
                if (message && certain)
                        return refuse(planning, &listen->settings[i], "Listen=%s: %s",
                                      listen->settings[i].value, message);
                if (planning->listen[i].ip && !ipv4 && !ipv6)
                        return refuse(
                                planning, &listen->settings[i],
                                "Listen=%s: RestrictAddressFamilies= does not let the program make the "
                                "socket in whose place it would get this one; it needs AF_INET or AF_INET6",
                                listen->settings[i].value);
        }
        return 1;
}

/* What the .socket unit says of the paths that it makes; systemd looks the names up. */
static int read_socket_owner(const struct planning *planning) {
        static const struct {
                enum force_bind_key key;
                const char *name, *bytes, *expected;
        } keys[] = {
                {FORCE_BIND_SOCKET_USER, "SocketUser", NULL, "the name of a user"},
                {FORCE_BIND_SOCKET_GROUP, "SocketGroup", NULL, "the name of a group"},
                {FORCE_BIND_SOCKET_MODE, "SocketMode", "01234567", "up to four octal digits"},
        };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const struct setting *setting = &planning->service->force_bind[keys[i].key];
                const char *value = setting->value;
                size_t length;

                if (!value)
                        continue;
                length = keys[i].bytes ? strspn(value, keys[i].bytes) : strcspn(value, " \t");
                if (value[length] != '\0' || (keys[i].bytes && length > 4))
                        return refuse(planning, setting, "%s=%s: expected %s", keys[i].name, value,
                                      keys[i].expected);
                if (planning->service->listen.n == 0)
                        return refuse(planning, setting, "%s=%s: there is no Listen= with a path to own",
                                      keys[i].name, value);
        }
        return 1;
}

static const char *effective_type(const struct service *service) {
        if (service->keys[SERVICE_TYPE].value)
                return service->keys[SERVICE_TYPE].value;
        return service->keys[SERVICE_BUS_NAME].value ? "dbus" : "simple";
}

static int read_ready(struct planning *planning) {
        static const char *const values[] = {"auto", "listen", "bind", "exec", "no", NULL};
        static const char *const plain_types[] = {"simple", "exec", NULL};
        static const char *const notifying_types[] = {"simple", "exec", "notify", "notify-reload", NULL};
        const struct setting *setting = &planning->service->force_bind[FORCE_BIND_READY];
        const char *value = setting->value ? setting->value : "auto";

        if (!is_one_of(value, values))
                return refuse(planning, setting, "Ready=%s: expected auto, listen, bind, exec or no", value);
        if (strcmp(value, "auto") == 0)
                value = !planning->adopts                            ? "no"
                        : is_one_of(planning->type, plain_types)     ? "listen"
                        : is_one_of(planning->type, notifying_types) ? "no" /* has a status of its own */
                                                                     : "status";
        else if (strcmp(value, "no") != 0 && !is_one_of(planning->type, notifying_types))
                return refuse(planning, setting,
                              "Ready=%s: a service of Type=%s tells by other means when it is ready", value,
                              planning->type);
        else if ((strcmp(value, "listen") == 0 || strcmp(value, "bind") == 0) && !planning->adopts)
                return refuse(planning, setting,
                              "Ready=%s: it waits for sockets of rules with sd= or fd=, or of Auto=yes, and "
                              "there is none",
                              value);
        planning->ready = value;
        return 1;
}

static int read_commands(struct planning *planning) {
        const struct setting_list *lines = &planning->service->lists[LIST_EXEC_START];

        for (size_t i = 0; i < lines->n; i++) {
                const char *at = lines->settings[i].value, *message = NULL;
                struct exec_command command, *commands;
                bool at_first = true;
                int r;

                while ((r = exec_command_take(&at, &command, &message)) > 0) {
                        commands = reallocarray(planning->commands, planning->n_commands + 1,
                                                sizeof(*commands));
                        if (!commands) {
                                exec_command_free(&command);
                                return -ENOMEM;
                        }
                        planning->commands = commands;
                        command.continues = !at_first;
                        at_first = false;
                        planning->commands[planning->n_commands++] = command;
                }
                if (r == -EINVAL)
                        return refuse(planning, &lines->settings[i], "ExecStart=: %s", message);
                if (r < 0)
                        return r;
        }
        if (planning->n_commands == 0)
                return refuse(planning, NULL, "the service has no ExecStart= to put force-bind before");
        return 1;
}

/* Whether the unit may be touched at all */
static int check_unit(const struct planning *planning) {
        const struct service *service = planning->service;

        if (service->unknown.value)
                return refuse(planning, &service->unknown,
                              "unknown setting %s: expected Rule, Auto, Listen, Ready, Strict, KeepFds, "
                              "Verbose, SocketUser, SocketGroup or SocketMode",
                              service->unknown.value);
        if (service->init_script == INIT_SCRIPT_IGNORED)
                return refuse(
                        planning, NULL,
                        "%s has an init script, but no systemd-sysv-generator makes a service of it here; "
                        "give it a unit file in /etc/systemd/system",
                        service->name);
        if (!service->fragment && service->init_script == INIT_SCRIPT_NONE)
                return refuse(planning, NULL, "%s has no unit file", service->name);
        if (service->malformed)
                return refuse(planning, NULL, "systemd refuses to load %s",
                              service->fragment ? service->fragment->file.path : service->name);
        return 1;
}

static int read_settings(struct planning *planning) {
        const struct service *service = planning->service;
        int r;

        planning->type = effective_type(service);
        r = check_unit(planning);
        if (r > 0)
                r = read_rules(planning);
        if (r > 0)
                r = read_boolean(planning, FORCE_BIND_AUTO, "Auto", !planning->some_rule_adopts,
                                 &planning->automatic);
        if (r > 0)
                r = read_boolean(planning, FORCE_BIND_KEEP_FDS, "KeepFds", false, &planning->keep_fds);
        if (r > 0)
                r = read_boolean(planning, FORCE_BIND_VERBOSE, "Verbose", false, &planning->verbose);
        if (r > 0)
                r = read_strict(planning);
        planning->adopts = planning->some_rule_adopts || planning->automatic;
        if (r > 0)
                r = read_listen(planning);
        if (r > 0)
                r = read_socket_owner(planning);
        if (r > 0)
                r = read_boolean(planning, FORCE_BIND_LEARN, "Learn", false, &planning->learn);
        if (r > 0 && planning->learn) {
                if (service->rules.n > 0 || service->listen.n > 0)
                        return refuse(
                                planning, &service->force_bind[FORCE_BIND_LEARN],
                                "Learn=yes: the service runs as it is, and Rule= or Listen= ask for more");
                planning->strict = NULL;
                planning->automatic = planning->adopts = false;
        }
        /* X-ForceBind=no, or Auto=no: nothing is left to do. But a fence without rules stands. */
        if (r > 0 && !planning->automatic && !planning->learn && !planning->strict && service->rules.n == 0)
                return 0;
        if (r > 0 && !planning->adopts && service->listen.n > 0)
                return refuse(planning, &service->listen.settings[0],
                              "Listen=%s: nothing adopts its socket, with Auto=no and no Rule= with sd=",
                              service->listen.settings[0].value);
        if (r > 0)
                r = read_ready(planning);
        if (r > 0)
                r = read_commands(planning);
        return r;
}

/* A line that systemd would refuse, because the helper's words make it too long */
static bool has_long_line(const char *text) {
        while (*text != '\0') {
                size_t length = strcspn(text, "\n");

                if (length >= UNIT_LINE_MAX)
                        return true;
                text += length + (text[length] == '\n');
        }
        return false;
}

/* A unit of the name that we would write, wherever it is; a masked one stays masked. */
static const struct unit_entry *find_existing(const struct unit_index *index, const char *name) {
        const struct unit_entry *entry = unit_index_find_or_template(index, name);

        return entry && !entry->file.empty ? entry : NULL;
}

/* NAME.socket, and NAME-ipv6.socket for what the first cannot say */
static int write_sockets(const struct planning *planning, struct plan *plan) {
        const struct service *service = planning->service;
        size_t n = service->listen.n == 0                                          ? 0
                   : listen_needs_second_unit(planning->listen, service->listen.n) ? 2
                                                                                   : 1;
        char prefix[UNIT_NAME_MAX + 1];

        for (size_t i = 0; i < n; i++) {
                const struct unit_entry *existing;
                bool fits = unit_name_change_suffix(service->name, ".socket", plan->socket_names[i]);
                int r;

                if (i == 1) {
                        const char *rest;

                        unit_name_prefix(service->name, prefix);
                        rest = plan->socket_names[0] + strlen(prefix);
                        fits = (size_t) snprintf(plan->socket_names[1], sizeof(plan->socket_names[1]),
                                                 "%s-ipv6%s", prefix, rest) < sizeof(plan->socket_names[1]);
                }
                if (!fits)
                        return refuse(planning, &service->listen.settings[0],
                                      "Listen=%s: the name of the service is too long for its .socket unit",
                                      service->listen.settings[0].value);
                existing = find_existing(planning->index, plan->socket_names[i]);
                if (existing)
                        return refuse(planning, &service->listen.settings[0],
                                      "Listen=%s: %s exists already (%s); to adopt its sockets, have "
                                      "Auto=yes here "
                                      "in the place of Listen=",
                                      service->listen.settings[0].value, plan->socket_names[i],
                                      existing->file.path);
                r = plan_write_socket(planning, i == 1, plan->socket_names[0], &plan->sockets[i]);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* The prefix "!" leaves a change of the user to the program. */
static bool keeps_root(const struct planning *planning) {
        for (size_t i = 0; i < planning->n_commands; i++)
                if (strchr(planning->commands[i].prefixes, '!'))
                        return true;
        return false;
}

int plan_make(const struct unit_index *index, const struct service *service, const char *helper,
              struct plan *ret) {
        struct planning planning = {.index = index, .service = service, .helper = helper, .ready = "no"};
        struct plan plan = {};
        const char *message;
        int r;

        r = read_settings(&planning);
        if (r > 0) {
                r = sandbox_amend(service, helper, strcmp(planning.ready, "no") != 0, keeps_root(&planning),
                                  planning.strict, &planning.amendments, &message);
                r = r == -EINVAL ? refuse(&planning, NULL, "%s", message) : r < 0 ? r : 1;
        }
        if (r > 0)
                r = write_sockets(&planning, &plan);
        if (r > 0)
                r = plan_write_dropin(&planning, &plan);
        if (r > 0 && has_long_line(plan.dropin))
                r = refuse(&planning, NULL,
                           "with force-bind before it, a command would be longer than systemd reads");

        for (size_t i = 0; i < planning.n_commands; i++)
                exec_command_free(&planning.commands[i]);
        free(planning.commands);
        free(planning.listen);
        amendments_free(&planning.amendments);
        if (r > 0)
                *ret = plan;
        else
                plan_free(&plan);
        return r;
}

void plan_free(struct plan *plan) {
        free(plan->dropin);
        for (size_t i = 0; i < ELEMENTSOF(plan->sockets); i++)
                free(plan->sockets[i]);
        *plan = (struct plan){};
}

char *plan_dropin_name(char *const *names, size_t n) {
        const char *last = "";
        char *name;

        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], last) > 0)
                        last = names[i];
        if (strcmp(last, DROPIN_NAME) < 0)
                return strdup(DROPIN_NAME);
        /* What begins with another name sorts behind it. */
        return format_text(&name, "%s-force-bind.conf", last) < 0 ? NULL : name;
}
