/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The unit files of a service, without a file system: the drop-in that is planned for them, read as the last
 * one, leaves the service with the same commands behind the helper, and with no settings that are wrong. The
 * first byte of an input chooses the service's name, the rest are its unit file and drop-ins, separated by
 * form feeds. */

#include "commands.h"
#include "plan.h"
#include "report.h"
#include "unit-reader.h"

#define HELPER "/usr/bin/force-bind"
#define DROPINS_MAX 4
#define COMMANDS_MAX 64

/* In the place of the generator's: nobody reads it here. */
void report(int priority, const char *path, unsigned line, const char *format, ...) {
        char text[900];
        va_list arguments;

        (void) priority;
        HOLDS(path != NULL || line == 0);
        va_start(arguments, format);
        HOLDS(vsnprintf(text, sizeof(text), format, arguments) > 0);
        va_end(arguments);
}

/* A unit and its drop-ins, as unit_index_read() would have found them */
struct tree {
        struct search_path path;
        struct unit_index index;
        struct unit_entry unit;
        struct dropin_directory directory;
        struct dropin_entry dropins[DROPINS_MAX + 1];
        char *directories[1];
};

static struct unit_file make_file(char *path, char *text) {
        return (struct unit_file){.path = path, .text = text, .length = strlen(text), .read = true};
}

static void init_tree(struct tree *tree, char *name) {
        *tree = (struct tree){};
        tree->directories[0] = (char *) "/etc/systemd/system";
        tree->path = (struct search_path){.directories = tree->directories, .n = 1, .user = true};
        tree->unit.name = name;
        tree->directory = (struct dropin_directory){.name = name, .path = name, .entries = tree->dropins};
        tree->index = (struct unit_index){.path = &tree->path,
                                          .units = &tree->unit,
                                          .n_units = 1,
                                          .directories = &tree->directory,
                                          .n_directories = 1};
}

static void add_dropin(struct tree *tree, char *text) {
        static const char *const names[DROPINS_MAX + 1] = {"10.conf", "20.conf", "30.conf", "40.conf",
                                                           DROPIN_NAME};
        struct dropin_entry *entry = &tree->dropins[tree->directory.n];

        entry->name = (char *) names[tree->directory.n++];
        entry->file = make_file(entry->name, text);
}

/* Every command of the service that the manager would run. Returns how many. */
static size_t take_commands(const struct service *service, struct exec_command *commands) {
        const struct setting_list *lines = &service->lists[LIST_EXEC_START];
        size_t n = 0;

        for (size_t i = 0; i < lines->n; i++) {
                const char *at = lines->settings[i].value, *message;

                while (n < COMMANDS_MAX && exec_command_take(&at, &commands[n], &message) > 0)
                        n++;
        }
        return n;
}

/* systemd reads it to its end. */
static void check_syntax(const char *text) {
        struct unit_reader reader;
        struct assignment assignment;
        int r;

        unit_reader_init(&reader, text, strlen(text));
        while ((r = unit_reader_next(&reader, &assignment)) > 0)
                HOLDS(assignment.key[0] != '\0');
        HOLDS(r == 0);
        unit_reader_done(&reader);
}

static void check_dropin(struct tree *tree, const struct service *before, const struct plan *plan) {
        struct exec_command old_commands[COMMANDS_MAX], new_commands[COMMANDS_MAX];
        size_t n_old = take_commands(before, old_commands), n_new;
        struct service after;

        check_syntax(plan->dropin);
        for (size_t i = 0; i < ELEMENTSOF(plan->sockets) && plan->sockets[i]; i++)
                check_syntax(plan->sockets[i]);
        tree->directory.n = DROPINS_MAX;
        tree->dropins[DROPINS_MAX].name = (char *) DROPIN_NAME;
        tree->dropins[DROPINS_MAX].file = make_file((char *) DROPIN_NAME, plan->dropin);
        tree->directory.n++;
        HOLDS(service_read(&tree->index, tree->unit.name, NULL, 0, &after) == 0);
        n_new = take_commands(&after, new_commands);
        HOLDS(n_old > 0 && n_new == n_old);
        for (size_t i = 0; i < n_old; i++) {
                check_wrapped(&old_commands[i], &new_commands[i], HELPER, NULL);
                exec_command_free(&old_commands[i]);
                exec_command_free(&new_commands[i]);
        }
        HOLDS(!after.malformed && after.rules.n == before->rules.n && after.listen.n == before->listen.n);
        service_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = {"a.service", "a-b.service", "a@.service", "a@b-c.service"};
        struct input input = {data, size};
        char *texts[DROPINS_MAX + 1] = {};
        struct tree tree;
        struct service service;
        struct plan plan = {};
        size_t n = 0;

        init_tree(&tree, (char *) names[take_byte(&input) % ELEMENTSOF(names)]);
        for (; n <= DROPINS_MAX; n++) {
                texts[n] = take_text(&input, '\f');
                if (n == 0)
                        tree.unit.file = make_file((char *) "unit", texts[n]);
                else
                        add_dropin(&tree, texts[n]);
        }
        HOLDS(service_read(&tree.index, tree.unit.name, NULL, 0, &service) == 0);
        if (service.mark.path && plan_make(&tree.index, &service, HELPER, &plan) > 0)
                check_dropin(&tree, &service, &plan);
        plan_free(&plan);
        service_free(&service);
        for (size_t i = 0; i < n; i++)
                free(texts[i]);
        return 0;
}
