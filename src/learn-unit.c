/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "learn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "log.h"
#include "manager.h"
#include "systemctl.h"
#include "util.h"

/* systemd runs the service itself, so that user, environment, sandbox and type are its own: a drop-in for
 * the time being lets force-bind-generator put "force-bind --learn" before its commands, and a .socket unit
 * gives the supervisor a socket, through whatever sandbox, to report to us over. */

#define RUNTIME_UNITS "/run/systemd/system"
#define DROPIN "force-bind-learn.conf"
#define SOCKET_FILE RUNTIME_UNITS "/" LEARN_SOCKET_UNIT
#define SOCKET_PATH "/run/force-bind-learn.sock"

/* An active service that has bound nothing for so long will not. */
#define PATIENCE_MS 30000
#define LOOK_MS 100

/* For how long to wait for the other news when one of two says that the service has ended */
#define END_MS 3000

#define NAME_MAX_BYTES 256

struct unit {
        char name[NAME_MAX_BYTES]; /* as systemd calls it */
        bool failed;               /* before we came */
        bool has_runtime_directory;
        char runtime_directories[1024];
        char existing_socket[1024]; /* "": none */
        bool existing_accepts;
        char directory[sizeof(RUNTIME_UNITS) + NAME_MAX_BYTES + 8]; /* of the drop-in */
        char dropin[sizeof(RUNTIME_UNITS) + NAME_MAX_BYTES + 40];
};

/* --- whether it may be done --- */

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);

        return length > end_length && strcmp(text + length - end_length, end) == 0;
}

static int check_name(const char *given, struct unit *unit) {
        static const char *const other_types[] = {".socket", ".target", ".timer", ".mount",
                                                  ".path",   ".slice",  ".scope"};

        for (size_t i = 0; i < ELEMENTSOF(other_types); i++)
                if (ends_with(given, other_types[i])) {
                        log_message(LOG_ERR, "--unit=%s: expected the name of a service", given);
                        return -EINVAL;
                }
        if (strpbrk(given, "/*?[") || given[0] == '-' || given[0] == '\0' ||
            (size_t) snprintf(unit->name, sizeof(unit->name), "%s%s", given,
                              ends_with(given, ".service") ? "" : ".service") >= sizeof(unit->name)) {
                log_message(LOG_ERR, "--unit=%s: expected the name of a service", given);
                return -EINVAL;
        }
        if (strstr(unit->name, "@.service")) {
                log_message(LOG_ERR, "%s is a template: name an instance of it, such as %.*s@INSTANCE",
                            unit->name, (int) strcspn(unit->name, "@"), unit->name);
                return -EINVAL;
        }
        return 0;
}

static int check_accepts(const struct unit *unit, const char *trigger, const char *properties) {
        char value[64];

        if (strcmp(systemctl_value(properties, "Accept", value, sizeof(value)), "yes") != 0)
                return 0;
        log_message(
                LOG_ERR,
                "%s serves connections that systemd accepts itself (%s has Accept=yes): it binds nothing",
                unit->name, trigger);
        return -EINVAL;
}

/* Another .socket unit that activates the service */
static int check_trigger(const struct unit *unit, const char *trigger) {
        _cleanup_free_ char *text = ASK("show", "--property=Accept,ActiveState", "--", trigger);
        char value[64];
        int r;

        if (!ends_with(trigger, ".socket") || !text)
                return 0;
        r = check_accepts(unit, trigger, text);
        if (r >= 0 && strcmp(systemctl_value(text, "ActiveState", value, sizeof(value)), "inactive") != 0 &&
            strcmp(value, "failed") != 0) {
                log_message(
                        LOG_ERR,
                        "%s is %s and passes its sockets to %s, which would bind none then; stop it first: "
                        "systemctl stop %s",
                        trigger, value, unit->name, trigger);
                r = -EBUSY;
        }
        return r;
}

/* The .socket unit that starts an instance for each connection does not show before there is one. */
static int check_template(const struct unit *unit) {
        char name[NAME_MAX_BYTES + 8];
        _cleanup_free_ char *text = NULL;

        if (!strchr(unit->name, '@'))
                return 0;
        (void) snprintf(name, sizeof(name), "%.*s.socket", (int) strcspn(unit->name, "@"), unit->name);
        text = ASK("show", "--property=Accept", "--", name);
        return text ? check_accepts(unit, name, text) : 0;
}

/* Neither a typo in it nor its absence matters: whoever has written it has made up their mind. */
static int check_settings(const struct unit *unit) {
        _cleanup_free_ char *text = ASK("cat", "--", unit->name);

        for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                const char *start = line + strspn(line, " \t");

                if (strncmp(start, "X-ForceBind", strlen("X-ForceBind")) == 0 ||
                    strncmp(start, "[X-ForceBind", strlen("[X-ForceBind")) == 0) {
                        log_message(
                                LOG_ERR,
                                "%s has X-ForceBind settings already (systemctl cat %s): take them away, "
                                "with systemctl daemon-reload after it, to learn anew",
                                unit->name, unit->name);
                        return -EEXIST;
                }
        }
        return 0;
}

static void find_existing_socket(struct unit *unit) {
        char name[NAME_MAX_BYTES + 8], value[64];
        _cleanup_free_ char *text = NULL;

        (void) snprintf(name, sizeof(name), "%.*s.socket", (int) (strlen(unit->name) - strlen(".service")),
                        unit->name);
        text = ASK("show", "--property=LoadState,FragmentPath,Accept", "--", name);
        if (!text || strcmp(systemctl_value(text, "LoadState", value, sizeof(value)), "loaded") != 0)
                return;
        (void) systemctl_value(text, "FragmentPath", unit->existing_socket, sizeof(unit->existing_socket));
        unit->existing_accepts = strcmp(systemctl_value(text, "Accept", value, sizeof(value)), "yes") == 0;
}

/* Returns 0, or a negative errno after saying what stands against it. */
static int read_unit(struct unit *unit) {
        static const char properties[] = "--property=Id,LoadState,ActiveState,TriggeredBy,RuntimeDirectory,"
                                         "RuntimeDirectoryPreserve";
        _cleanup_free_ char *text = ASK("show", properties, "--", unit->name);
        char load[64], active[64], triggers[2048], preserve[64];
        char *saved = NULL;
        int r;

        if (!text)
                return -EIO;
        (void) systemctl_value(text, "LoadState", load, sizeof(load));
        (void) systemctl_value(text, "ActiveState", active, sizeof(active));
        if (strcmp(load, "loaded") != 0) {
                if (strcmp(load, "not-found") == 0)
                        log_message(LOG_ERR, "there is no %s", unit->name);
                else
                        log_message(LOG_ERR, "%s cannot be started: systemctl calls it %s", unit->name,
                                    load);
                return -ENOENT;
        }
        (void) systemctl_value(text, "Id", unit->name, sizeof(unit->name));
        if (strcmp(active, "inactive") != 0 && strcmp(active, "failed") != 0) {
                log_message(LOG_ERR,
                            "%s is %s, and learning has to start it: stop it first (systemctl stop %s)",
                            unit->name, active, unit->name);
                return -EBUSY;
        }
        unit->failed = strcmp(active, "failed") == 0;
        (void) systemctl_value(text, "RuntimeDirectory", unit->runtime_directories,
                               sizeof(unit->runtime_directories));
        unit->has_runtime_directory =
                strcmp(systemctl_value(text, "RuntimeDirectoryPreserve", preserve, sizeof(preserve)),
                       "yes") != 0;

        (void) systemctl_value(text, "TriggeredBy", triggers, sizeof(triggers));
        for (char *trigger = strtok_r(triggers, " ", &saved); trigger;
             trigger = strtok_r(NULL, " ", &saved)) {
                r = check_trigger(unit, trigger);
                if (r < 0)
                        return r;
        }
        r = check_template(unit);
        if (r < 0)
                return r;
        find_existing_socket(unit);
        return check_settings(unit);
}

/* --- the units for the time being --- */

static int write_file(const char *path, int flags, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
        size_t length = strlen(text);

        if (fd < 0)
                return -errno;
        return write(fd, text, length) == (ssize_t) length ? 0 : -EIO;
}

static void remove_files(const struct unit *unit) {
        (void) unlink(SOCKET_FILE);
        (void) unlink(unit->dropin);
        (void) rmdir(unit->directory); /* unless there are others in it */
}

/* Returns 0, or a negative errno after saying why. */
static int write_units(struct unit *unit) {
        char text[NAME_MAX_BYTES + 512];
        int r;

        (void) snprintf(unit->directory, sizeof(unit->directory), RUNTIME_UNITS "/%s.d", unit->name);
        (void) snprintf(unit->dropin, sizeof(unit->dropin), "%s/" DROPIN, unit->directory);
        (void) snprintf(text, sizeof(text),
                        "# Made by force-bind --learn, which removes it again\n[Unit]\n"
                        "Description=What force-bind --learn listens to\n\n[Socket]\n"
                        "ListenSequentialPacket=" SOCKET_PATH "\nSocketMode=0600\nRemoveOnStop=yes\n"
                        "Service=%s\n",
                        unit->name);
        (void) mkdir(RUNTIME_UNITS, 0755);
        r = write_file(SOCKET_FILE, O_EXCL, text);
        if (r == -EEXIST) {
                log_message(LOG_ERR, SOCKET_FILE
                            " is there: another force-bind --learn is at work; if none is, remove "
                            "it and " RUNTIME_UNITS "/*.service.d/" DROPIN);
                return r;
        }
        if (r >= 0 && mkdir(unit->directory, 0755) < 0 && errno != EEXIST)
                r = -errno;
        if (r >= 0)
                r = write_file(
                        unit->dropin, O_TRUNC,
                        "# Made by force-bind --learn, which removes it again\n[X-ForceBind]\nLearn=yes\n");
        if (r < 0) {
                log_message(LOG_ERR, "cannot write below " RUNTIME_UNITS ": %s", strerror(-r));
                remove_files(unit);
        }
        return r;
}

static void remove_units(const struct unit *unit) {
        _cleanup_free_ char *text = NULL;

        (void) SYSTEMCTL("stop", "--", LEARN_SOCKET_UNIT, unit->name);
        remove_files(unit);
        (void) SYSTEMCTL("daemon-reload");
        text = ASK("show", "--property=ActiveState", "--", unit->name);
        if (!unit->failed && text && strcmp(text, "ActiveState=failed\n") == 0)
                (void) SYSTEMCTL("reset-failed", "--",
                                 unit->name); /* a daemon that did not like to be stopped */
}

/* Whether the generator has put us before the service's commands. It says in the journal why not. */
static int check_generated(const struct unit *unit) {
        _cleanup_free_ char *text = ASK("show", "--property=ExecStart", "--", unit->name);

        if (text && strstr(text, " --learn "))
                return 0;
        log_message(
                LOG_ERR,
                "force-bind-generator has left %s as it is; journalctl -b -t force-bind-generator says why",
                unit->name);
        return -EINVAL;
}

/* --- learning --- */

static int connect_to_supervisor(struct learning *learning) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_PATH};

        learning->report = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (learning->report < 0 ||
            connect(learning->report, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

/* Whether "systemctl start" has ended, and *ret_started how. */
static bool has_ended(pid_t starting, bool *ret_started) {
        int status;

        if (waitpid(starting, &status, WNOHANG) != starting)
                return false;
        *ret_started = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        return true;
}

/* Until the service is up, has ended, or we are asked to end. Returns whether it was started as it should.
 */
static bool watch(struct learning *learning, const struct unit *unit) {
        pid_t starting = systemctl_start((const char *const[]){"start", "--", unit->name, NULL}, -1);
        bool is_starting = starting > 0, started = true;
        int64_t since_ms = 0;

        while (!learning->interrupted && !learning->ended && started &&
               (is_starting || !learning_is_up(learning, since_ms, PATIENCE_MS))) {
                learning_wait(learning, LOOK_MS);
                if (is_starting && has_ended(starting, &started)) {
                        is_starting = false;
                        since_ms = learning_now_ms();
                }
        }
        /* The service's end reaches us and systemd apart, and what it did before may still be on its way. */
        for (int i = 0; i < END_MS / LOOK_MS && !learning->interrupted &&
                        (is_starting ? learning->ended : !started && !learning->ended);
             i++) {
                learning_wait(learning, LOOK_MS);
                is_starting = is_starting && !has_ended(starting, &started);
        }
        learning_read_owners(learning);
        if (is_starting) {
                (void) kill(starting, SIGTERM);
                (void) waitpid(starting, NULL, 0);
        }
        return started;
}

static int learn(struct learning *learning, const struct unit *unit) {
        struct learned learned = {
                .unit = unit->name,
                .existing_socket = unit->existing_socket[0] != '\0' ? unit->existing_socket : NULL,
                .existing_accepts = unit->existing_accepts,
                .runtime_directories = unit->has_runtime_directory ? unit->runtime_directories : NULL,
        };
        int r;

        if (!SYSTEMCTL("daemon-reload") || check_generated(unit) < 0)
                return EXIT_NOT_ALLOWED;
        if (!SYSTEMCTL("start", "--", LEARN_SOCKET_UNIT))
                return EXIT_NOT_ALLOWED;
        /* It is in the queue before the service starts, and starts it. */
        r = connect_to_supervisor(learning);
        if (r < 0) {
                log_message(LOG_ERR, "cannot connect to " SOCKET_PATH ": %s", strerror(-r));
                return EXIT_NOT_ALLOWED;
        }
        if (!watch(learning, unit))
                log_message(LOG_WARNING, "%s did not start as it should; journalctl -u %s may say why",
                            unit->name, unit->name);
        if (!learning->interrupted && SYSTEMCTL("stop", "--", LEARN_SOCKET_UNIT, unit->name))
                learning_read_directories(learning);
        return learning_print(learning, &learned, unit->name);
}

int learn_unit(const char *name) {
        static struct learning learning;
        struct unit unit = {};
        sigset_t mask;
        int r;

        if (check_name(name, &unit) < 0)
                return EXIT_USAGE;
        if (!manager_has_booted()) {
                log_message(LOG_ERR, "--unit= needs a system that was booted with systemd");
                return EXIT_NOT_ALLOWED;
        }
        if (geteuid() != 0) {
                log_message(LOG_ERR, "--unit= starts a service of the system, and needs root");
                return EXIT_NOT_ALLOWED;
        }
        if (read_unit(&unit) < 0)
                return EXIT_NOT_ALLOWED;
        r = learning_init(&learning, &mask);
        if (r < 0) {
                log_message(LOG_ERR, "cannot watch for signals: %s", strerror(-r));
                return EXIT_NOT_ALLOWED;
        }
        if (write_units(&unit) < 0)
                return EXIT_NOT_ALLOWED;
        r = learn(&learning, &unit);
        remove_units(&unit);
        return r;
}
