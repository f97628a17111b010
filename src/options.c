/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "resolve.h"
#include "rule-parse.h"
#include "util.h"

static void print_help(void) {
        printf("force-bind [OPTIONS] [--] PROGRAM [ARGUMENT...]\n"
               "force-bind --learn [--] PROGRAM [ARGUMENT...]\n"
               "force-bind --learn --unit=SERVICE\n"
               "\n"
               "Makes a program that binds its own sockets socket-activated: it gets the sockets that\n"
               "systemd passed in the place of its own, binds elsewhere, or is refused.\n"
               "\n"
               "Rules; the last one that matches a bind decides:\n"
               "  -m, --map=RULE        add MATCH=ACTION, such as :80=sd=http\n"
               "  -b, --bind=ACTION     add a rule for every bind of ACTION's own family\n"
               "  -d, --deny            add *=deny\n"
               "  -a, --auto            adopt each passed socket for the bind that asks for its address,\n"
               "                        where no other rule matches\n"
               "\n"
               "  MATCH   *  [PROTO:]:PORTS  [PROTO:]IP[/LEN][:PORTS]  unix:PATH  unix:@NAME\n"
               "          vsock:CID:PORTS; PORTS is N, N-M or *\n"
               "  ACTION  sd=N  sd=NAME  fd=N  IP  IP:PORT  :PORT  HOST:PORT  unix:PATH  allow\n"
               "          deny[:ERRNO]; several steps are separated by |, the first that can be\n"
               "          carried out is\n"
               "\n"
               "Learning:\n"
               "      --learn           run the program as it is until it is up, print the drop-in that\n"
               "                        makes its service socket-activated, and end it\n"
               "      --unit=SERVICE    learn from this service, started by systemd for the time being\n"
               "\n"
               "Other options:\n"
               "      --ready=WHEN      send READY=1 to the service manager when sockets are ready:\n"
               "                        listen, bind, exec or no (default); status: never, but\n"
               "                        STATUS= tells of the sockets\n"
               "      --no-main-pid     do not tell the service manager of a new main process\n"
               "      --keep-fds        leave passed sockets and LISTEN_* to the program as well\n"
               "      --strict          a fence: nothing that the program does gets it an IP socket on an\n"
               "                        address that no rule gives; see STRICT in force-bind(1)\n"
               "      --strict=datagram the same, for datagram ports that the kernel chooses, too\n"
               "      --argv0=NAME      the program's argv[0]\n"
               "      --close-calls=CALL[,CALL...][:ERRNO]\n"
               "      --close-families=FAMILY[,FAMILY...]\n"
               "      --close-capabilities=CAPABILITY[,CAPABILITY...]\n"
               "                        what a sandbox was opened for force-bind is closed again for the\n"
               "                        program\n"
               "      --await-end       wait until the supervisor of a program that has ended is gone; run\n"
               "                        nothing; for ExecStopPost=\n"
               "      --explain         print the rules, the passed sockets, and which meets which; run\n"
               "                        nothing\n"
               "  -v, --verbose         one line for each decision\n"
               "  -q, --quiet           errors only\n"
               "  -D, --debug           everything\n"
               "  -p, -L                ignored, for command lines of force-bind-seccomp\n"
               "  -h, --help            this text\n"
               "  -V, --version         the version\n"
               "\n"
               "Exit status: the program's own; 124 the kernel or a sandbox does not allow what is needed,\n"
               "125 usage or rules, 126 the program cannot be executed, 127 it was not found.\n"
               "See force-bind(1).\n");
}

static int add_rule(struct options *options, const char *option, const char *text, bool action_only) {
        struct rule *rules = reallocarray(options->rules, options->n_rules + 1, sizeof(*rules));
        struct rule_error error;
        struct rule rule;
        int r;

        if (!rules)
                return -ENOMEM;
        options->rules = rules;
        r = action_only ? rule_parse_action(text, &rule, &error) : rule_parse(text, &rule, &error);
        if (r == -EINVAL && action_only) { /* force-bind-seccomp's manual has -b 0.0.0.0:80/0=sd=0 */
                struct rule_error ignored;

                r = rule_parse(text, &rule, &ignored);
        }
        if (r == -EINVAL)
                log_message(LOG_ERR, "%s \"%s\", column %zu: %s", option, text, error.column, error.message);
        if (r >= 0)
                options->rules[options->n_rules++] = rule;
        return r;
}

static int parse_ready_mode(const char *text, enum ready_mode *ret) {
        static const char *const names[] = {[READY_NO] = "no",
                                            [READY_STATUS] = "status",
                                            [READY_EXEC] = "exec",
                                            [READY_BIND] = "bind",
                                            [READY_LISTEN] = "listen"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(text, names[i]) == 0) {
                        *ret = (enum ready_mode) i;
                        return 0;
                }
        log_message(LOG_ERR, "--ready=%s: expected listen, bind, exec, status or no", text);
        return -EINVAL;
}

static int parse_strict_mode(const char *text, enum strict_mode *ret) {
        if (text && strcmp(text, "datagram") != 0) {
                log_message(LOG_ERR, "--strict=%s: expected --strict or --strict=datagram", text);
                return -EINVAL;
        }
        *ret = text ? STRICT_DATAGRAM : STRICT_ON;
        return 0;
}

static int check_closing(const char *option, const char *text, const char *message) {
        if (!message)
                return 0;
        log_message(LOG_ERR, "%s=%s: %s", option, text, message);
        return -EINVAL;
}

/* Looks up what rules leave open until the start. */
static int resolve_rules(struct options *options) {
        for (size_t i = 0; i < options->n_rules; i++) {
                const struct step *step;
                const char *message;
                int r = rule_resolve(&options->rules[i], &step, &message);

                if (r == -EINVAL)
                        log_message(LOG_ERR, "rule \"%s\": %s%s%s", options->rules[i].text,
                                    step->kind == STEP_HOST ? step->name : "",
                                    step->kind == STEP_HOST ? ": " : "", message);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool adopts(const struct options *options) {
        for (size_t i = 0; i < options->n_rules; i++)
                if (rule_adopts(&options->rules[i]))
                        return true;
        return options->automatic;
}

static int check_learning(const struct options *options) {
        if (options->unit && !options->learn) {
                log_message(LOG_ERR, "--unit=%s says from whom to --learn, which is not given",
                            options->unit);
                return -EINVAL;
        }
        if (options->unit && options->argv[0]) {
                log_message(LOG_ERR, "--unit=%s has a program of its own: expected no other", options->unit);
                return -EINVAL;
        }
        if (options->learn && (options->n_rules > 0 || options->automatic || options->explain ||
                               options->ready_mode != READY_NO || options->strict != STRICT_OFF)) {
                log_message(LOG_ERR,
                            "--learn runs the program as it is: expected no rules, no --auto, --ready=, "
                            "--strict or --explain");
                return -EINVAL;
        }
        return 0;
}

static int check(const struct options *options) {
        if (check_learning(options) < 0)
                return -EINVAL;
        if (!options->argv[0] && !options->explain && !options->unit && !options->await_end) {
                log_message(LOG_ERR, "expected a program to run; see force-bind --help");
                return -EINVAL;
        }
        if ((options->ready_mode == READY_LISTEN || options->ready_mode == READY_BIND) && !adopts(options)) {
                log_message(LOG_ERR,
                            "--ready=%s needs a rule with sd= or fd=, or --auto: it waits for sockets of "
                            "such rules only",
                            options->ready_mode == READY_LISTEN ? "listen" : "bind");
                return -EINVAL;
        }
        return 0;
}

static int read_options(int argc, char **argv, struct options *options) {
        enum {
                OPTION_READY = 256,
                OPTION_NO_MAIN_PID,
                OPTION_KEEP_FDS,
                OPTION_STRICT,
                OPTION_ARGV0,
                OPTION_EXPLAIN,
                OPTION_LEARN,
                OPTION_UNIT,
                OPTION_AWAIT_END,
                OPTION_CLOSE_CALLS,
                OPTION_CLOSE_FAMILIES,
                OPTION_CLOSE_CAPABILITIES,
        };
        static const struct option long_options[] = {
                {"map", required_argument, NULL, 'm'},
                {"bind", required_argument, NULL, 'b'},
                {"deny", no_argument, NULL, 'd'},
                {"auto", no_argument, NULL, 'a'},
                {"ready", required_argument, NULL, OPTION_READY},
                {"no-main-pid", no_argument, NULL, OPTION_NO_MAIN_PID},
                {"keep-fds", no_argument, NULL, OPTION_KEEP_FDS},
                {"strict", optional_argument, NULL, OPTION_STRICT},
                {"argv0", required_argument, NULL, OPTION_ARGV0},
                {"explain", no_argument, NULL, OPTION_EXPLAIN},
                {"learn", no_argument, NULL, OPTION_LEARN},
                {"unit", required_argument, NULL, OPTION_UNIT},
                {"await-end", no_argument, NULL, OPTION_AWAIT_END},
                {"close-calls", required_argument, NULL, OPTION_CLOSE_CALLS},
                {"close-families", required_argument, NULL, OPTION_CLOSE_FAMILIES},
                {"close-capabilities", required_argument, NULL, OPTION_CLOSE_CAPABILITIES},
                {"verbose", no_argument, NULL, 'v'},
                {"quiet", no_argument, NULL, 'q'},
                {"debug", no_argument, NULL, 'D'},
                {"help", no_argument, NULL, 'h'},
                {"version", no_argument, NULL, 'V'},
                {},
        };
        int option, r = 0;

        /* "+": options end at the first non-option */
        while (r >= 0 && (option = getopt_long(argc, argv, "+m:b:davqDpLhV", long_options, NULL)) >= 0)
                switch (option) {
                case 'm':
                        r = add_rule(options, "rule", optarg, false);
                        break;
                case 'b':
                        r = add_rule(options, "--bind", optarg, true);
                        break;
                case 'd':
                        r = add_rule(options, "rule", "*=deny", false);
                        break;
                case 'a':
                        options->automatic = true;
                        break;
                case OPTION_READY:
                        r = parse_ready_mode(optarg, &options->ready_mode);
                        break;
                case OPTION_NO_MAIN_PID:
                        options->no_main_pid = true;
                        break;
                case OPTION_KEEP_FDS:
                        options->keep_fds = true;
                        break;
                case OPTION_STRICT:
                        r = parse_strict_mode(optarg, &options->strict);
                        break;
                case OPTION_ARGV0:
                        options->argv0 = optarg;
                        break;
                case OPTION_EXPLAIN:
                        options->explain = true;
                        break;
                case OPTION_LEARN:
                        options->learn = true;
                        break;
                case OPTION_UNIT:
                        options->unit = optarg;
                        break;
                case OPTION_AWAIT_END:
                        options->await_end = true;
                        break;
                case OPTION_CLOSE_CALLS:
                        r = check_closing("--close-calls", optarg,
                                          closing_parse_calls(optarg, &options->closing));
                        break;
                case OPTION_CLOSE_FAMILIES:
                        r = check_closing("--close-families", optarg,
                                          closing_parse_families(optarg, &options->closing));
                        break;
                case OPTION_CLOSE_CAPABILITIES:
                        r = check_closing("--close-capabilities", optarg,
                                          closing_parse_capabilities(optarg, &options->closing));
                        break;
                case 'v':
                        log_set_level(LOG_INFO);
                        break;
                case 'q':
                        log_set_level(LOG_ERR);
                        break;
                case 'D':
                        log_set_level(LOG_DEBUG);
                        break;
                case 'p':
                        log_message(LOG_WARNING, "-p is ignored: ptrace is no longer needed");
                        break;
                case 'L':
                        log_message(LOG_WARNING, "-L is ignored: adopted sockets may be listened on");
                        break;
                case 'h':
                        print_help();
                        return 0;
                case 'V':
                        printf("force-bind %s\n", FORCE_BIND_VERSION);
                        return 0;
                default:
                        return -EINVAL; /* getopt has said why */
                }
        return r < 0 ? r : 1;
}

int options_parse(int argc, char **argv, struct options *ret) {
        struct options options = {};
        int r;

        r = read_options(argc, argv, &options);
        options.argv = argv + optind;
        if (r > 0 && check(&options) < 0)
                r = -EINVAL;
        if (r > 0) {
                int resolved = resolve_rules(&options);

                r = resolved < 0 ? resolved : r;
        }
        if (r == -ENOMEM)
                log_message(LOG_ERR, "out of memory");
        if (r <= 0)
                options_free(&options);
        else
                *ret = options;
        return r;
}

void options_free(struct options *options) {
        for (size_t i = 0; i < options->n_rules; i++)
                rule_free(&options->rules[i]);
        free(options->rules);
        options->rules = NULL;
        options->n_rules = 0;
}
