/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* force-bind: makes an unaware program socket-activated. See force-bind(1). */

#include <fcntl.h>
#include <stdio.h>

#include "explain.h"
#include "launch.h"
#include "log.h"
#include "options.h"
#include "passed-sockets.h"
#include "util.h"

static int run(const struct options *options, const struct passed_sockets *passed) {
        struct launch start = {
                .policy = {.rules = options->rules,
                           .n_rules = options->n_rules,
                           .automatic = options->automatic,
                           .passed = passed->sockets,
                           .n_passed = passed->n_sockets},
                .passed = passed,
                .closing = options->closing,
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
