/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A sandbox that forbids some system calls, as SystemCallFilter= does: sandbox errno|kill CALL,CALL...
 * PROGRAM... */

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        if (argc < 4 || !filter)
                return 2;
        for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ","))
                if (seccomp_rule_add(filter,
                                     strcmp(argv[1], "kill") == 0 ? SCMP_ACT_KILL_PROCESS
                                                                  : SCMP_ACT_ERRNO(EPERM),
                                     seccomp_syscall_resolve_name(name), 0) < 0)
                        return 3;
        if (seccomp_load(filter) < 0)
                return 4;
        execvp(argv[3], argv + 3);
        perror(argv[3]);
        return 5;
}
