/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* force-bind-generator: puts force-bind before the commands of services that have X-ForceBind settings. See
 * force-bind-generator(8). Whatever it meets, it ends with 0: it must not keep a machine from booting. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "output.h"
#include "plan.h"
#include "report.h"
#include "search-path.h"
#include "service.h"
#include "unit-files.h"
#include "unit-index.h"
#include "unit-name.h"
#include "util.h"

struct names {
        char **names;
        size_t n;
};

static int add_name(struct names *names, const char *name) {
        if ((names->n & (names->n - 1)) == 0) { /* 0, 1, 2, 4 ...: full */
                char **grown = reallocarray(names->names, names->n == 0 ? 1 : names->n * 2, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                names->names = grown;
        }
        /* free_names() frees it, though gcc 12's -fanalyzer sees a leak here */
        names->names[names->n] = strdup(name);
        return names->names[names->n++] ? 0 : -ENOMEM;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static void sort_names(struct names *names) {
        size_t n = 0;

        if (names->n == 0)
                return;
        qsort(names->names, names->n, sizeof(*names->names), compare_names);
        for (size_t i = 0; i < names->n; i++)
                if (n > 0 && strcmp(names->names[n - 1], names->names[i]) == 0)
                        free(names->names[i]);
                else
                        names->names[n++] = names->names[i];
        names->n = n;
}

static void free_names(struct names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->names[i]);
        free(names->names);
        *names = (struct names){};
}

/* A socket unit with settings of ours, and the service they are for */
struct socket_link {
        char *socket;
        char *service;
        bool accepts;
};

struct generator {
        struct unit_index index;
        const char *output;
        struct socket_link *links;
        size_t n_links;
};

/* --- which services --- */

static bool has_mark(const struct dropin_directory *directory) {
        for (size_t i = 0; i < directory->n; i++)
                if (directory->entries[i].file.has_mark)
                        return true;
        return false;
}

static bool named_dropins_have_mark(const struct unit_index *index, const char *name) {
        const struct dropin_directory *directory = unit_index_find_directories(index, name);
        const struct dropin_directory *end = index->directories + index->n_directories;

        for (; directory && directory < end && strcmp(directory->name, name) == 0; directory++)
                if (has_mark(directory))
                        return true;
        return false;
}

/* Some drop-in that holds for this name is about us. */
static bool dropins_have_mark(const struct unit_index *index, const char *name) {
        char shorter[UNIT_NAME_MAX + 1];

        if (named_dropins_have_mark(index, name))
                return true;
        if (unit_name_kind(name, strrchr(name, '.')) == UNIT_NAME_INSTANCE) {
                unit_name_template(name, shorter);
                if (dropins_have_mark(index, shorter))
                        return true;
        }
        return unit_name_chop(name, shorter) && dropins_have_mark(index, shorter);
}

static bool fragment_has_mark(const struct unit_index *index, const char *name) {
        const struct unit_entry *entry = unit_index_find_or_template(index, name);

        return entry && entry->file.has_mark;
}

/* Adds every name with this suffix that there is a file, a drop-in folder or an enabling link of. */
static int collect_names(const struct unit_index *index, const char *suffix, struct names *ret) {
        int r = 0;

        for (size_t i = 0; i < index->n_units && r >= 0; i++)
                if ((i == 0 || strcmp(index->units[i].name, index->units[i - 1].name) != 0) &&
                    unit_name_kind(index->units[i].name, suffix) != UNIT_NAME_INVALID)
                        r = add_name(ret, index->units[i].name);
        for (size_t i = 0; i < index->n_directories && r >= 0; i++)
                if (unit_name_kind(index->directories[i].name, suffix) != UNIT_NAME_INVALID &&
                    (unit_name_kind(index->directories[i].name, suffix) == UNIT_NAME_INSTANCE ||
                     named_dropins_have_mark(index, index->directories[i].name)))
                        r = add_name(ret, index->directories[i].name);
        for (size_t i = 0; i < index->n_wanted && r >= 0; i++)
                if (unit_name_kind(index->wanted[i], suffix) == UNIT_NAME_INSTANCE)
                        r = add_name(ret, index->wanted[i]);
        if (r >= 0)
                sort_names(ret);
        return r;
}

/* Of all names with this suffix, those of units about which there are settings of ours, aliases resolved. A
 * folder foo-.service.d of the prefix foo- is no unit's. */
static int select_names(const struct unit_index *index, const char *suffix, struct names *ret) {
        struct names all = {};
        bool type_wide = named_dropins_have_mark(index, suffix + 1);
        int r = collect_names(index, suffix, &all);

        for (size_t i = 0; i < all.n && r >= 0; i++) {
                const char *name = all.names[i];
                char id[UNIT_NAME_MAX + 1], prefix[UNIT_NAME_MAX + 1];

                if (!unit_resolve(index, name, id) ||
                    (!type_wide && !fragment_has_mark(index, name) && !dropins_have_mark(index, name) &&
                     !(strcmp(id, name) != 0 &&
                       (fragment_has_mark(index, id) || dropins_have_mark(index, id)))))
                        continue;
                unit_name_prefix(id, prefix);
                if (prefix[strlen(prefix) - 1] == '-' && !unit_index_find(index, id))
                        continue;
                r = add_name(ret, id);
        }
        free_names(&all);
        if (r >= 0)
                sort_names(ret);
        return r;
}

/* --- settings in .socket units --- */

static int add_link(struct generator *generator, const char *name) {
        struct socket_link *links;
        struct socket_unit unit;
        int r = socket_unit_read(&generator->index, name, &unit);

        if (r < 0 || !unit.has_settings || !unit.service) {
                free(unit.service);
                return r;
        }
        links = reallocarray(generator->links, generator->n_links + 1, sizeof(*links));
        if (!links) {
                free(unit.service);
                return -ENOMEM;
        }
        generator->links = links;
        links[generator->n_links] = (struct socket_link){strdup(name), unit.service, unit.accepts};
        return links[generator->n_links++].socket ? 0 : -ENOMEM;
}

static int read_sockets(struct generator *generator) {
        struct names names = {};
        int r = select_names(&generator->index, ".socket", &names);

        for (size_t i = 0; i < names.n && r >= 0; i++)
                r = add_link(generator, names.names[i]);
        free_names(&names);
        return r;
}

/* --- one service --- */

/* The link speaks of this service, or of the template that it is an instance of. */
static bool link_concerns(const struct socket_link *link, const char *service) {
        char template[UNIT_NAME_MAX + 1];

        if (strcmp(link->service, service) == 0)
                return true;
        if (unit_name_kind(service, ".service") != UNIT_NAME_INSTANCE)
                return false;
        unit_name_template(service, template);
        return strcmp(link->service, template) == 0;
}

/* Some socket with settings of ours accepts connections itself. */
static bool is_accepted_by_link(const struct generator *generator, const char *service) {
        for (size_t i = 0; i < generator->n_links; i++)
                if (generator->links[i].accepts && link_concerns(&generator->links[i], service))
                        return true;
        return false;
}

static int read_service(struct generator *generator, const char *name, struct service *ret) {
        char **sockets = calloc(generator->n_links + 1, sizeof(*sockets));
        size_t n = 0;
        int r;

        if (!sockets)
                return -ENOMEM;
        for (size_t i = 0; i < generator->n_links; i++)
                if (link_concerns(&generator->links[i], name))
                        sockets[n++] = generator->links[i].socket;
        r = service_read(&generator->index, name, sockets, n, ret);
        free(sockets);
        return r;
}

/* Whether systemd itself accepts the connections of this service: foo.socket with Accept=yes starts an
 * instance of foo@.service for each, which binds nothing. */
static int is_accepted_for(struct generator *generator, const char *service, bool *ret) {
        char socket[UNIT_NAME_MAX + 1], prefix[UNIT_NAME_MAX + 1];
        struct socket_unit unit;
        int r;

        *ret = is_accepted_by_link(generator, service);
        unit_name_prefix(service, prefix);
        if (*ret || unit_name_kind(service, ".service") == UNIT_NAME_PLAIN ||
            (size_t) snprintf(socket, sizeof(socket), "%s.socket", prefix) >= sizeof(socket))
                return 0;
        r = socket_unit_read(&generator->index, socket, &unit);
        if (r >= 0)
                *ret = unit.accepts;
        free(unit.service);
        return r < 0 ? r : 0;
}

/* Returns as plan_make(). */
static int plan_service(struct generator *generator, const struct service *service, struct plan *ret) {
        bool accepted;
        int r;

        *ret = (struct plan){};
        if (service->masked || service->switched_off || !service->mark.path)
                return 0;
        r = is_accepted_for(generator, service->name, &accepted);
        if (r < 0)
                return r;
        if (accepted) {
                report(LOG_WARNING, service->mark.path, service->mark.line,
                       "%s serves connections that systemd accepts itself (Accept=yes), and binds nothing; "
                       "leaving it "
                       "as it is",
                       service->name);
                return 0;
        }
        return plan_make(&generator->index, service, HELPER_PATH, ret);
}

/* What a template and its instances have in common: the name of the drop-in */
struct family {
        struct service *services; /* the template first, if there is one; the names sort so */
        struct plan *plans;
        size_t n;
};

static int write_plan(const struct generator *generator, const struct service *service,
                      const struct plan *plan, const char *dropin_name, bool masks) {
        char *path;
        int r = 0;

        if (format_text(&path, "%s.d/%s", service->name, dropin_name) < 0)
                return -ENOMEM;
        if (masks)
                r = output_link(generator->output, path, "/dev/null");
        else if (plan->dropin)
                r = output_file(generator->output, path, plan->dropin);
        free(path);
        return r;
}

/* The .socket unit starts with the machine; a template's, for each instance that something wants. */
static int write_sockets(const struct generator *generator, const struct service *service,
                         const struct plan *plan, bool is_instance_of_plan) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(plan->sockets) && plan->sockets[i] && r >= 0; i++) {
                const char *name = plan->socket_names[i];
                char link[UNIT_NAME_MAX + 64], target[UNIT_NAME_MAX + 8], unit[UNIT_NAME_MAX + 1];

                (void) snprintf(unit, sizeof(unit), "%s", name);
                if (is_instance_of_plan)
                        unit_name_template(name, unit);
                else
                        r = output_file(generator->output, name, plan->sockets[i]);
                if (r < 0 || unit_name_kind(name, ".socket") == UNIT_NAME_TEMPLATE ||
                    (unit_name_kind(name, ".socket") == UNIT_NAME_INSTANCE &&
                     !unit_index_is_wanted(&generator->index, service->name)))
                        continue;
                (void) snprintf(link, sizeof(link), "sockets.target.wants/%s", name);
                (void) snprintf(target, sizeof(target), "../%s", unit);
                r = output_link(generator->output, link, target);
        }
        return r;
}

/* Writes what was planned for a template and its instances. An instance has what its template has, unless it
 * has something of its own; then it gets a drop-in of the same name, which counts in the template's place.
 */
static int write_family(const struct generator *generator, const struct family *family) {
        struct names dropins = {};
        char *name;
        bool has_template = unit_name_kind(family->services[0].name, ".service") == UNIT_NAME_TEMPLATE &&
                            family->plans[0].dropin;
        int r = 0;

        for (size_t i = 0; i < family->n && r >= 0; i++)
                for (size_t j = 0; j < family->services[i].n_dropins && r >= 0; j++)
                        r = add_name(&dropins, family->services[i].dropin_names[j]);
        name = r < 0 ? NULL : plan_dropin_name(dropins.names, dropins.n);
        free_names(&dropins);
        if (!name)
                return -ENOMEM;
        if (strlen(name) > 255) {
                report(LOG_WARNING, family->services[0].mark.path, family->services[0].mark.line,
                       "no drop-in can sort behind those that %s has; leaving it as it is",
                       family->services[0].name);
                free(name);
                return 0;
        }
        for (size_t i = 0; i < family->n && r != -ENOMEM; i++) {
                const struct service *service = &family->services[i];
                const struct plan *plan = &family->plans[i];
                bool is_instance = i > 0 || !has_template;
                bool inherits = has_template && is_instance && plan->dropin && !service->own_dropins &&
                                service->fragment == family->services[0].fragment &&
                                (strcmp(plan->dropin, family->plans[0].dropin) == 0 || plan->sockets[0]);

                if (!inherits)
                        r = write_plan(generator, service, plan, name,
                                       has_template && is_instance && !plan->dropin);
                if (r >= 0)
                        r = write_sockets(generator, service, plan, inherits);
        }
        free(name);
        return r == -ENOMEM ? r : 0; /* every other failure was reported, and is one service's only */
}

static bool same_family(const char *a, const char *b) {
        size_t length = strcspn(a, "@");

        return a[length] == '@' && strncmp(a, b, length + 1) == 0;
}

static int generate_family(struct generator *generator, char *const *names, size_t n) {
        struct family family = {.services = calloc(n, sizeof(struct service)),
                                .plans = calloc(n, sizeof(struct plan))};
        int r = family.services && family.plans ? 0 : -ENOMEM;

        for (; r >= 0 && family.n < n; family.n++) {
                r = read_service(generator, names[family.n], &family.services[family.n]);
                if (r >= 0)
                        r = plan_service(generator, &family.services[family.n], &family.plans[family.n]);
        }
        if (r >= 0)
                r = write_family(generator, &family);
        for (size_t i = 0; i < family.n; i++) {
                service_free(&family.services[i]);
                plan_free(&family.plans[i]);
        }
        free(family.services);
        free(family.plans);
        return r;
}

/* --- all of them --- */

static int generate(struct generator *generator) {
        struct names names = {};
        int r = read_sockets(generator);

        if (r >= 0)
                r = select_names(&generator->index, ".service", &names);
        for (size_t i = 0; i < generator->n_links && r >= 0; i++) {
                char id[UNIT_NAME_MAX + 1];

                if (unit_resolve(&generator->index, generator->links[i].service, id) &&
                    unit_name_kind(id, ".service") != UNIT_NAME_INVALID)
                        r = add_name(&names, id);
        }
        if (r >= 0)
                sort_names(&names);
        for (size_t i = 0, n; i < names.n && r >= 0; i += n) {
                for (n = 1; i + n < names.n && same_family(names.names[i], names.names[i + n]);)
                        n++;
                r = generate_family(generator, names.names + i, n);
        }
        free_names(&names);
        return r;
}

static int run(bool user, const char *const *outputs, size_t n_outputs) {
        struct generator generator = {.output = outputs[0]};
        struct search_path path = {};
        int r;

        r = search_path_read(user, outputs, n_outputs, &path);
        if (r >= 0)
                r = unit_index_read(&path, &generator.index);
        if (r >= 0)
                r = generate(&generator);
        if (r == -ENOMEM)
                report(LOG_ERR, NULL, 0, "out of memory; some services are left as they are");

        for (size_t i = 0; i < generator.n_links; i++) {
                free(generator.links[i].socket);
                free(generator.links[i].service);
        }
        free(generator.links);
        unit_index_free(&generator.index);
        search_path_free(&path);
        return r;
}

static void print_help(void) {
        printf("force-bind-generator NORMAL-DIR [EARLY-DIR LATE-DIR]\n"
               "\n"
               "Puts force-bind before the commands of services that have X-ForceBind settings.\n"
               "It is run by the service manager at boot and at each daemon-reload; by hand, it\n"
               "shows in a folder what it would do:\n"
               "\n"
               "  mkdir /tmp/look && /usr/lib/systemd/system-generators/force-bind-generator /tmp/look\n"
               "\n"
               "  -h, --help      this text\n"
               "  -V, --version   the version\n"
               "\n"
               "SYSTEMD_SCOPE=user takes the user manager's units, SYSTEMD_UNIT_PATH other folders.\n"
               "See force-bind-generator(8), force-bind.unit(5).\n");
}

int main(int argc, char **argv) {
        const char *scope = getenv("SYSTEMD_SCOPE");
        bool user = scope ? strcmp(scope, "user") == 0 : getuid() != 0;

        if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
                print_help();
                return EXIT_SUCCESS;
        }
        if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
                printf("force-bind-generator %s\n", FORCE_BIND_VERSION);
                return EXIT_SUCCESS;
        }
        if ((argc != 2 && argc != 4) || argv[1][0] == '-') {
                fprintf(stderr, "force-bind-generator: expected one or three folders; see --help\n");
                return EXIT_FAILURE;
        }
        report_open(user);
        (void) umask(0022);
        (void) run(user, (const char *const *) argv + 1, (size_t) argc - 1);
        return EXIT_SUCCESS;
}
