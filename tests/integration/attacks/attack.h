/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a hostile program would do to get an IP socket that is bound where no rule lets it: attack NAME
 * [ARGUMENT...]. An attack leaves open what it got; whether that is anything is for the test to find out,
 * from outside (test_strict_attacks.py). */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* What the rule of the tests gives is tcp:127.0.0.1:5000 */
#define ALLOWED_PORT 5000
#define FORBIDDEN_PORT 6000
/* A process outside of the fence: what attack victim COMMAND... is, which starts everything else in a PID
 * namespace of its own. It listens on a port. */
#define VICTIM 1
#define VICTIM_PORT 6001

struct attack {
        const char *name;
        void (*run)(void);
};

/* Each ends with an entry without a name. */
extern const struct attack plain_attacks[], racing_attacks[], option_attacks[], call_attacks[],
        ring_attacks[], process_attacks[], outside_attacks[], supervisor_attacks[];

/* The arguments after the name */
extern char **arguments;

/* Ends the program: the kernel lacks what the attack needs. */
_Noreturn void missing(const char *what);

_Noreturn void victim(void);

int tcp(void);
struct sockaddr_in loopback(int port);
/* Binds, and listens if it is a stream; the address is 127.0.0.1:FORBIDDEN_PORT for grab(). */
bool grab_at(int fd, const void *address, socklen_t length);
bool grab(int fd);
/* Whether the socket is bound elsewhere than the rule lets it */
bool is_forbidden(int fd);
/* Whether a race is to go on: natively the first rounds win. */
bool is_racing(void);
void start_thread(void *(*function)(void *), void *argument);
/* Carries system calls out in another process: a socket that listens on FORBIDDEN_PORT. */
void inject(int pid);
/* PID of the supervisor; 0: none */
int find_supervisor(void);
