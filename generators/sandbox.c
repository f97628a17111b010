/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "manager-groups.h"
#include "text.h"
#include "util.h"
#include "word.h"

/* What the helper does and ordinary daemons do not, and the groups that have it (systemd-analyze
 * syscall-filter), in any version of systemd. */
static const struct {
        const char *name;
        const char *const groups[4];
        bool strict_only;
} needed_calls[] = {
        {"seccomp", {"@sandbox", "@known"}, false}, /* those of @sandbox: see amend_calls() */
        {"pidfd_open", {"@process", "@system-service", "@known"}, false},
        {"pidfd_getfd", {"@debug", "@known"}, false},
        {"process_vm_readv", {"@ipc", "@system-service", "@known"}, false},
        {"epoll_create1", {"@io-event", "@system-service", "@known"}, false},
        {"epoll_ctl", {"@io-event", "@system-service", "@known"}, false},
#ifdef SYS_epoll_wait
        {"epoll_wait", {"@io-event", "@system-service", "@known"}, false},
#else
        {"epoll_pwait", {"@io-event", "@system-service", "@known"}, false},
#endif
        {"openat2", {"@file-system", "@system-service", "@known"}, false},
        {"statx", {"@file-system", "@system-service", "@known"}, false},
        {"landlock_create_ruleset", {"@sandbox", "@known"}, true},
        {"landlock_restrict_self", {"@sandbox", "@known"}, true},
};

/* --- lists of words --- */

/* The value of a setting whose words are added to or, behind "~", taken out of a list. */
static bool is_inverted(const struct setting *setting) {
        return setting->value[0] == '~';
}

/* Calls matches() for every word of the setting; a word's ":ERRNO" is left out. Returns whether one matches,
 * or -ENOMEM. */
static int any_word(const struct setting *setting, bool (*matches)(const char *word, const void *argument),
                    const void *argument) {
        const char *at = setting->value + is_inverted(setting), *text;
        size_t length;
        char *word;
        int r;

        while ((r = word_take(&at, &word, &text, &length)) > 0) {
                bool found;

                word[strcspn(word, ":")] = '\0';
                found = matches(word, argument);
                free(word);
                if (found)
                        return 1;
        }
        return r == -ENOMEM ? r : 0;
}

/* Whether the list, an allow-list unless its first setting begins with "~", lets through what matches() says
 * is meant; or -ENOMEM. by_default: an allow-list does, unless it says otherwise. */
static int list_allows(const struct setting_list *list, bool by_default,
                       bool (*matches)(const char *word, const void *argument), const void *argument) {
        bool allowed = list->n == 0 || is_inverted(&list->settings[0]) || by_default;

        for (size_t i = 0; i < list->n; i++) {
                int r = any_word(&list->settings[i], matches, argument);

                if (r < 0)
                        return r;
                if (r > 0)
                        allowed = !is_inverted(&list->settings[i]);
        }
        return allowed;
}

static bool is_same_word(const char *word, const void *wanted) {
        return strcmp(word, wanted) == 0;
}

static bool means_call(const char *word, const void *argument) {
        size_t call = *(const size_t *) argument;

        if (strcmp(word, needed_calls[call].name) == 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(needed_calls[call].groups) && needed_calls[call].groups[i]; i++)
                if (strcmp(word, needed_calls[call].groups[i]) == 0)
                        return true;
        return false;
}

/* --- amendments --- */

/* Of an allow-list, "@default" is part in any case, and of that, "@sandbox" in newer versions. */
static int amend_calls(const struct service *service, bool strict, FILE *settings, FILE *closed) {
        const struct setting_list *filter = &service->lists[LIST_SYSTEM_CALL_FILTER];
        const char *error = service->keys[SERVICE_SYSTEM_CALL_ERROR].value, *separator = "";
        bool allow_list = filter->n > 0 && !is_inverted(&filter->settings[0]), some = false;
        int has_sandbox_group = filter->n > 0 ? manager_has_sandbox_group() : 0;

        if (has_sandbox_group < 0)
                return has_sandbox_group;
        for (size_t i = 0; i < ELEMENTSOF(needed_calls) && filter->n > 0; i++) {
                bool is_default = strcmp(needed_calls[i].groups[0], "@sandbox") == 0 && has_sandbox_group;
                int allowed = list_allows(filter, is_default, means_call, &i);

                if (needed_calls[i].strict_only && !strict)
                        continue;

                if (allowed < 0)
                        return allowed;
                /* In an allow-list all are named: a group may not have the call in this version. */
                if (allowed && !allow_list)
                        continue;
                fprintf(settings, "%s%s", some ? " " : "SystemCallFilter=", needed_calls[i].name);
                some = true;
                if (!allowed) {
                        fprintf(closed, "%s%s", separator, needed_calls[i].name);
                        separator = ",";
                }
        }
        if (some)
                fputc('\n', settings);
        if (separator[0] != '\0' && error && strcmp(error, "kill") != 0)
                fprintf(closed, ":%s", error);
        return 0;
}

/* Whether the bounding set has this capability; or -ENOMEM. An empty value takes all, "~" alone gives all,
 * and a list stands in the place of all that there was before the first (systemd.exec(5)). */
static int has_capability(const struct setting_list *set, const char *capability) {
        bool has = true, is_full = true;

        for (size_t i = 0; i < set->n; i++) {
                int listed = any_word(&set->settings[i], is_same_word, capability);
                bool inverted = is_inverted(&set->settings[i]);

                if (listed < 0)
                        return listed;
                if (inverted && set->settings[i].value[1] == '\0')
                        has = is_full = true;
                else {
                        has = inverted ? has && !listed : listed || (has && !is_full);
                        is_full = false;
                }
        }
        return has;
}

/* A service that starts as root may change its user and bind then. The supervisor can look into it all the
 * same with CAP_SYS_PTRACE, which the target loses again, for which it takes CAP_SETPCAP. */
static int amend_capabilities(const struct service *service, bool keeps_root, FILE *settings,
                              struct amendments *amendments) {
        const struct setting_list *set = &service->lists[LIST_CAPABILITIES];
        const char *user = service->keys[SERVICE_USER].value,
                   *dynamic = service->keys[SERVICE_DYNAMIC_USER].value;
        bool has_user = (user && strcmp(user, "root") != 0 && strcmp(user, "0") != 0) ||
                        (dynamic && parse_boolean(dynamic) > 0);
        int sees = has_capability(set, "CAP_SYS_PTRACE"), drops = has_capability(set, "CAP_SETPCAP");

        if (sees < 0 || drops < 0)
                return -ENOMEM;
        if ((has_user && !keeps_root) || sees)
                return 0;
        if (drops) {
                fputs("CapabilityBoundingSet=CAP_SYS_PTRACE\n", settings);
                amendments->close_capabilities = "CAP_SYS_PTRACE";
        } else {
                fputs("CapabilityBoundingSet=CAP_SYS_PTRACE CAP_SETPCAP\n", settings);
                amendments->close_capabilities = "CAP_SYS_PTRACE,CAP_SETPCAP";
        }
        return 0;
}

int sandbox_allows_family(const struct service *service, const char *family) {
        const struct setting_list *families = &service->lists[LIST_ADDRESS_FAMILIES];

        return list_allows(families, false, is_same_word, family);
}

/* The directory that the setting names hides the helper: it is the helper's path, or leads to it.
 * "TYPE:OPTIONS" behind a colon, and prefixes, do not count. */
static bool hides(const char *word, const void *helper) {
        size_t length;

        word += strspn(word, "-+");
        length = strcspn(word, ":");
        while (length > 1 && word[length - 1] == '/')
                length--;
        return length > 0 && strncmp(word, helper, length) == 0 &&
               (length == 1 || ((const char *) helper)[length] == '/' ||
                ((const char *) helper)[length] == '\0');
}

static int is_hidden(const struct setting_list *list, const char *helper) {
        int r = 0;

        for (size_t i = 0; i < list->n && r == 0; i++)
                r = any_word(&list->settings[i], hides, helper);
        return r;
}

/* Returns why the helper cannot be found by the service, NULL if it can. */
static const char *check_paths(const struct service *service, const char *helper) {
        const char *root = service->keys[SERVICE_ROOT_DIRECTORY].value;
        _cleanup_free_ char *path = NULL;
        int hidden = is_hidden(&service->lists[LIST_INACCESSIBLE_PATHS], helper);

        if (hidden < 0)
                return "out of memory";
        if (service->keys[SERVICE_ROOT_IMAGE].value)
                return "the service has RootImage=, into which the generator cannot look for the helper";
        if (hidden)
                return "the service has InaccessiblePaths=, which hide the helper";
        if (!root || root[strspn(root, "/")] == '\0')
                return NULL;
        if (format_text(&path, "%s%s", root[0] == '-' ? root + 1 : root, helper) < 0)
                return "out of memory";
        return access(path, X_OK) == 0
                       ? NULL
                       : "the service has RootDirectory=, and force-bind is not installed below it";
}

/* Returns 0 or -ENOMEM. */
static int amend(const struct service *service, const char *helper, bool notifies, bool keeps_root,
                 bool strict, FILE *settings, FILE *calls, struct amendments *amendments) {
        int reaches_manager = sandbox_allows_family(service, "AF_UNIX");
        int hidden = is_hidden(&service->lists[LIST_TEMPORARY_FILE_SYSTEM], helper);

        if (reaches_manager < 0 || hidden < 0 || amend_calls(service, strict, settings, calls) < 0 ||
            amend_capabilities(service, keeps_root, settings, amendments) < 0)
                return -ENOMEM;
        if (notifies && !reaches_manager) {
                fputs("RestrictAddressFamilies=AF_UNIX\n", settings);
                amendments->close_families = "AF_UNIX";
        }
        if (service->lists[LIST_NO_EXEC_PATHS].n > 0)
                fprintf(settings, "ExecPaths=%s\n", helper);
        if (hidden)
                fprintf(settings, "BindReadOnlyPaths=%s\n", helper);
        return 0;
}

int sandbox_amend(const struct service *service, const char *helper, bool notifies, bool keeps_root,
                  bool strict, struct amendments *ret, const char **ret_message) {
        struct amendments amendments = {};
        struct text settings, calls;
        int r;

        *ret_message = check_paths(service, helper);
        if (*ret_message)
                return -EINVAL;

        r = text_open(&settings);
        if (text_open(&calls) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = amend(service, helper, notifies, keeps_root, strict, settings.out, calls.out,
                          &amendments);
        if (text_close(&settings, &amendments.settings) < 0)
                r = -ENOMEM;
        if (text_close(&calls, &amendments.close_calls) < 0)
                r = -ENOMEM;
        if (r < 0) {
                amendments_free(&amendments);
                return -ENOMEM;
        }
        if (amendments.close_calls[0] == '\0') {
                free(amendments.close_calls);
                amendments.close_calls = NULL;
        }
        *ret = amendments;
        return 0;
}

void amendments_free(struct amendments *amendments) {
        free(amendments->settings);
        free(amendments->close_calls);
        *amendments = (struct amendments){};
}
