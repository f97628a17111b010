/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* faults PORT...: binds 0.0.0.0:PORT for each, listens, and says what came of it: a line "PORT ADDRESS:PORT"
 * or "PORT error N". Static, and without a heap, so that a fault in force-bind is never its own. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                struct sockaddr_in address = {.sin_family = AF_INET,
                                              .sin_port = htons((uint16_t) atoi(argv[i]))};
                socklen_t length = sizeof(address);
                char ip[INET_ADDRSTRLEN];
                int s = socket(AF_INET, SOCK_STREAM, 0);

                if (bind(s, (struct sockaddr *) &address, length) < 0 ||
                    getsockname(s, (struct sockaddr *) &address, &length) < 0 || listen(s, 5) < 0)
                        dprintf(STDOUT_FILENO, "%s error %d\n", argv[i], errno);
                else
                        dprintf(STDOUT_FILENO, "%s %s:%d\n", argv[i],
                                inet_ntop(AF_INET, &address.sin_addr, ip, sizeof(ip)),
                                ntohs(address.sin_port));
        }
        return 0;
}
