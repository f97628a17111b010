/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* force-bind: makes an unaware program socket-activated. See force-bind(1). */

#include <stdio.h>

#include "explain.h"
#include "launch.h"
#include "log.h"
#include "options.h"
#include "passed-sockets.h"

static int run(const struct options *options, const struct passed_sockets *passed) {
        struct launch start = {
                .policy = {.rules = options->rules,
                           .n_rules = options->n_rules,
                           .automatic = options->automatic,
                           .passed = passed->sockets,
                           .n_passed = passed->n_sockets},
                .passed = passed,
                .ready_mode = options->ready_mode,
                .keep_fds = options->keep_fds,
                .argv0 = options->argv0,
                .argv = options->argv,
        };

        if (passed->foreign)
                log_message(
                        LOG_WARNING,
                        "LISTEN_PID=%s is not this process (%d): the passed sockets are another's, ignoring "
                        "them; a shell in between needs \"exec force-bind ...\"",
                        getenv("LISTEN_PID"), getpid());
        if (options->explain) {
                explain(&start.policy);
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        return launch(&start);
}

int main(int argc, char **argv) {
        struct passed_sockets passed;
        struct options options;
        int r, status;

        log_open();
        r = options_parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;

        r = passed_sockets_read(options.rules, options.n_rules, &passed);
        if (r < 0) {
                log_message(LOG_ERR, r == -ENOMEM
                                             ? "out of memory"
                                             : "LISTEN_FDS, LISTEN_PID or LISTEN_FDNAMES is malformed, or "
                                               "there are not as many names as descriptors");
                options_free(&options);
                return EXIT_USAGE;
        }
        status = run(&options, &passed);
        passed_sockets_free(&passed);
        options_free(&options);
        return status;
}
