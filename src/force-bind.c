/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* force-bind: makes an unaware program socket-activated. See force-bind(1). */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "await-end.h"
#include "explain.h"
#include "launch.h"
#include "learn.h"
#include "log.h"
#include "options.h"
#include "passed-sockets.h"
#include "util.h"

static void complain_about_foreign(void) {
        const char *pid = getenv("LISTEN_PID");

        if (pid)
                log_message(
                        LOG_WARNING,
                        "LISTEN_PID=%s is not this process (%d): the passed sockets are another's, ignoring "
                        "them; a shell, or a program such as sudo, in between needs \"exec force-bind ...\"",
                        pid, getpid());
        else
                log_message(LOG_WARNING,
                            "LISTEN_FDS=%s is set, but LISTEN_PID is not: nobody knows whose the passed "
                            "sockets are, ignoring them; in a shell, "
                            "\"LISTEN_PID=$$ exec force-bind ...\" takes them",
                            getenv("LISTEN_FDS"));
}

static void complain_about_environment(int error) {
        const char *names = getenv("LISTEN_FDNAMES");

        if (error == -ENOMEM)
                log_message(LOG_ERR, "out of memory");
        else if (error == -EBADF)
                log_message(
                        LOG_ERR,
                        "LISTEN_FDS=%s says that so many descriptors were passed, from 3 on, and not all "
                        "of them are open: something in between has closed them (sudo does)",
                        getenv("LISTEN_FDS"));
        else
                log_message(LOG_ERR,
                            "LISTEN_FDS=%s, LISTEN_PID=%s%s%s: expected a number, a process ID, and as many "
                            "names, separated by \":\", as descriptors",
                            getenv("LISTEN_FDS"), getenv("LISTEN_PID"), names ? ", LISTEN_FDNAMES=" : "",
                            names ? names : "");
}

/* The socket that somebody who learns from a service (learn-unit.c) has connected to. NULL: nobody does. */
static const struct passed_socket *find_learner(const struct passed_sockets *passed) {
        for (size_t i = 0; i < passed->n_sockets; i++)
                if (strcmp(passed->sockets[i].name, LEARN_SOCKET_UNIT) == 0)
                        return &passed->sockets[i];
        return NULL;
}

static int learn(struct launch *start, const struct passed_sockets *passed) {
        const struct passed_socket *learner = find_learner(passed);

        start->policy.n_passed = 0;
        if (!learner)
                return learn_program(start);
        /* The connection waits; the service's next commands, or starts, meet none. */
        start->report = accept4(learner->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return launch(start);
}

static int run(const struct options *options, const struct passed_sockets *passed) {
        struct launch start = {
                .policy = {.rules = options->rules,
                           .n_rules = options->n_rules,
                           .automatic = options->automatic,
                           .strict = options->strict,
                           .passed = passed->sockets,
                           .n_passed = passed->n_sockets},
                .passed = passed,
                .closing = options->closing,
                .ready_mode = options->ready_mode,
                .no_main_pid = options->no_main_pid,
                .keep_fds = options->keep_fds,
                .report = -1,
                .argv0 = options->argv0,
                .argv = options->argv,
        };

        if (passed->foreign)
                complain_about_foreign();
        if (options->explain) {
                explain(&start.policy);
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        return options->learn ? learn(&start, passed) : launch(&start);
}

/* What we open must not come to lie on 0 to 2, where it would be taken for standard input or output. The
 * target finds them closed again. */
static void occupy_standard_descriptors(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        close_fd(&fd);
}

int main(int argc, char **argv) {
        struct passed_sockets passed;
        struct options options;
        int r, status;

        occupy_standard_descriptors();
        log_open();
        r = options_parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        if (options.await_end) {
                await_end();
                options_free(&options);
                return EXIT_SUCCESS;
        }

        if (options.unit) {
                status = learn_unit(options.unit);
                options_free(&options);
                return status;
        }

        r = passed_sockets_read(options.rules, options.n_rules, &passed);
        if (r < 0) {
                complain_about_environment(r);
                options_free(&options);
                return EXIT_USAGE;
        }
        status = run(&options, &passed);
        passed_sockets_free(&passed);
        options_free(&options);
        return status;
}
