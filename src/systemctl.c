/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemctl.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "launch.h"
#include "log.h"
#include "util.h"

pid_t systemctl_start(const char *const *arguments, int output) {
        const char *argv[8] = {"systemctl", "--no-ask-password"};
        pid_t pid;

        for (size_t i = 0; arguments[i] && i + 3 < ELEMENTSOF(argv); i++)
                argv[i + 2] = arguments[i];
        pid = fork();
        if (pid == 0) {
                sigset_t none;

                (void) setpgid(0, 0);
                (void) sigemptyset(&none);
                (void) sigprocmask(SIG_SETMASK, &none, NULL);
                (void) dup2(output >= 0 ? output : STDERR_FILENO, STDOUT_FILENO);
                (void) setenv("SYSTEMD_PAGER", "", 1);
                (void) execvp(argv[0], (char **) argv);
                log_message(LOG_ERR, "cannot execute systemctl: %s", strerror(errno));
                _exit(EXIT_NOT_FOUND);
        }
        return pid;
}

static bool succeeded(pid_t pid) {
        int status;

        return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool systemctl_run(const char *const *arguments) {
        return succeeded(systemctl_start(arguments, -1));
}

char *systemctl_ask(const char *const *arguments) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        char *text = NULL;
        size_t size = 0;
        int pair[2];
        FILE *file;
        ssize_t n;
        pid_t pid;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return NULL;
        read_end = pair[0];
        write_end = pair[1];
        pid = systemctl_start(arguments, write_end);
        replace_fd(&write_end, -1);
        file = fdopen(read_end, "r");
        if (!file)
                return NULL;
        (void) take_fd(&read_end);
        n = getdelim(&text, &size, '\0', file);
        (void) fclose(file);
        if (succeeded(pid) && n > 0)
                return text;
        free(text);
        return NULL;
}

const char *systemctl_value(const char *text, const char *key, char *buffer, size_t size) {
        size_t length = strlen(key);

        buffer[0] = '\0';
        for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, key, length) == 0 && line[length] == '=') {
                        (void) snprintf(buffer, size, "%.*s", (int) strcspn(line + length + 1, "\n"),
                                        line + length + 1);
                        break;
                }
        return buffer;
}
