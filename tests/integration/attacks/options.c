/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Socket options that change what bind() means, or make it unnecessary */

#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static int with_option(int fd, int level, int option, int value) {
        if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
                missing("the option");
        return fd;
}

/* An address that is not the machine's */
static void grab_foreign(int fd) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);

        (void) inet_pton(AF_INET, "192.0.2.1", &in.sin_addr);
        (void) grab_at(fd, &in, sizeof(in));
}

static void transparent(void) {
        grab_foreign(with_option(tcp(), IPPROTO_IP, IP_TRANSPARENT, 1));
}

static void free_bind(void) {
        grab_foreign(with_option(tcp(), IPPROTO_IP, IP_FREEBIND, 1));
}

static void bind_to_device(void) {
        int fd = tcp();

        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
                perror("SO_BINDTODEVICE");
        (void) grab(fd);
}

/* As bound for good as by bind(), without it: binding to an address is not binding to a port. */
static void address_without_port(void) {
        struct sockaddr_in in = loopback(0);
        int fd = with_option(tcp(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);

        (void) bind(fd, (struct sockaddr *) &in, sizeof(in));
        (void) listen(fd, 8);
}

static int with_port_range(int fd) {
        return with_option(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, FORBIDDEN_PORT << 16 | FORBIDDEN_PORT);
}

static void port_range_listen(void) {
        (void) listen(with_port_range(tcp()), 8);
}

static void port_range_datagram(void) {
        struct sockaddr_in in = loopback(1);

        (void) sendto(with_port_range(socket(AF_INET, SOCK_DGRAM, 0)), "x", 1, 0, (struct sockaddr *) &in,
                      sizeof(in));
}

/* The range for all sockets is root's, without any capability (net_ctl_permissions()). */
static void port_range_of_all(void) {
        struct sockaddr_in in = loopback(1);
        FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");

        if (file) {
                fprintf(file, "%d %d\n", FORBIDDEN_PORT, FORBIDDEN_PORT);
                fclose(file);
        }
        (void) sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *) &in, sizeof(in));
}

static void repair(void) {
        (void) grab(with_option(tcp(), IPPROTO_TCP, TCP_REPAIR, 1));
}

/* In repair mode connect() asks nobody: a connection from a port of one's own choice */
static void repair_connection(void) {
        struct sockaddr_in in = loopback(1);
        int fd = with_option(tcp(), IPPROTO_TCP, TCP_REPAIR, 1);

        (void) bind(fd,
                    (struct sockaddr *) &(struct sockaddr_in){.sin_family = AF_INET,
                                                              .sin_port = htons(FORBIDDEN_PORT)},
                    sizeof(in));
        (void) connect(fd, (struct sockaddr *) &in, sizeof(in));
}

/* An AF_INET6 socket becomes an AF_INET one. */
static void address_form(void) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
        struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
        int fd = socket(AF_INET6, SOCK_DGRAM, 0), family = AF_INET;

        (void) inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
        (void) connect(fd, (struct sockaddr *) &in6, sizeof(in6));
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof(family)) < 0)
                missing("IPV6_ADDRFORM");
        (void) connect(fd, &unspecified, sizeof(unspecified));
        (void) grab(fd);
}

/* The same with a connection to the allowed port */
static void address_form_stream(void) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(ALLOWED_PORT)};
        struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
        struct sockaddr_in in = loopback(ALLOWED_PORT);
        int server = tcp(), fd = socket(AF_INET6, SOCK_STREAM, 0), family = AF_INET;

        if (!grab_at(server, &in, sizeof(in)))
                missing("the allowed port");
        (void) inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
        (void) connect(fd, (struct sockaddr *) &in6, sizeof(in6));
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &family, sizeof(family)) < 0)
                missing("IPV6_ADDRFORM");
        (void) connect(fd, &unspecified, sizeof(unspecified));
        (void) grab(fd);
}

static void fast_open_connect(void) {
        struct sockaddr_in in = loopback(1);
        int fd = with_option(tcp(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);

        (void) connect(fd, (struct sockaddr *) &in, sizeof(in));
        (void) listen(fd, 8);
}

/* SMC, TLS and others turn a TCP socket into something else. */
static void upper_layer(void) {
        int fd = tcp();

        if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, arguments[0], 3) < 0)
                missing(arguments[0]);
        (void) grab(fd);
}

const struct attack option_attacks[] = {
        {"transparent", transparent},
        {"free-bind", free_bind},
        {"bind-to-device", bind_to_device},
        {"address-without-port", address_without_port},
        {"port-range-listen", port_range_listen},
        {"port-range-datagram", port_range_datagram},
        {"port-range-of-all", port_range_of_all},
        {"repair", repair},
        {"repair-connection", repair_connection},
        {"address-form", address_form},
        {"address-form-stream", address_form_stream},
        {"fast-open-connect", fast_open_connect},
        {"upper-layer", upper_layer},
        {0},
};
