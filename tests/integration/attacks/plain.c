/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One bind or listen, of every kind of socket and address, by the ordinary calls */

#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void other_port(void) {
        (void) grab(tcp());
}

/* For a setuid program */
static void privileged_port(void) {
        struct sockaddr_in in = loopback(81);

        (void) grab_at(tcp(), &in, sizeof(in));
}

static void other_address(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        in.sin_addr.s_addr = htonl(INADDR_ANY);
        (void) grab_at(tcp(), &in, sizeof(in));
}

static void port_zero(void) {
        struct sockaddr_in in = loopback(0);

        (void) grab_at(tcp(), &in, sizeof(in));
}

static void bind_only(void) {
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);

        (void) bind(tcp(), (struct sockaddr *) &in, sizeof(in));
}

static void listen_without_bind(void) {
        (void) listen(tcp(), 8);
}

/* The kernel takes it for AF_INET, if the address is INADDR_ANY (__inet_bind()). */
static void unspecified_family(void) {
        struct sockaddr_in in = {.sin_port = htons(FORBIDDEN_PORT)};

        (void) grab_at(tcp(), &in, sizeof(in));
}

static void unspecified_family_allowed_port(void) {
        struct sockaddr_in in = {.sin_port = htons(ALLOWED_PORT)};

        (void) grab_at(tcp(), &in, sizeof(in));
}

/* Of 20 to 128 bytes, an AF_INET bind looks at 16. */
static void long_length(void) {
        struct sockaddr_storage storage = {0};
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);

        memcpy(&storage, &in, sizeof(in));
        (void) grab_at(tcp(), &storage, sizeof(storage));
}

static int tcp6(int v6only) {
        int fd = socket(AF_INET6, SOCK_STREAM, 0);

        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
        return fd;
}

static void grab6(const char *address, int port, int v6only, socklen_t length) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};

        (void) inet_pton(AF_INET6, address, &in6.sin6_addr);
        (void) grab_at(tcp6(v6only), &in6, length);
}

static void ipv6(void) {
        grab6("::1", FORBIDDEN_PORT, 1, sizeof(struct sockaddr_in6));
}

static void ipv6_any(void) {
        grab6("::", ALLOWED_PORT, 0, sizeof(struct sockaddr_in6));
}

/* Without the scope (RFC 2133), SIN6_LEN_RFC2133 of the kernel */
static void ipv6_length_24(void) {
        grab6("::1", FORBIDDEN_PORT, 1, 24);
}

static void mapped(void) {
        grab6("::ffff:127.0.0.1", FORBIDDEN_PORT, 0, sizeof(struct sockaddr_in6));
}

static void mapped_any(void) {
        grab6("::ffff:0.0.0.0", ALLOWED_PORT, 0, sizeof(struct sockaddr_in6));
}

static void listen_without_bind_ipv6(void) {
        (void) listen(tcp6(0), 8);
}

/* kind FAMILY TYPE PROTOCOL [PORT]: numbers */
static void kind(void) {
        int fd = socket(atoi(arguments[0]), atoi(arguments[1]), atoi(arguments[2]));
        struct sockaddr_in in = loopback(arguments[3] ? atoi(arguments[3]) : FORBIDDEN_PORT);

        if (fd < 0)
                missing("such a socket");
        (void) grab_at(fd, &in, sizeof(in));
}

static void packet(void) {
        struct sockaddr_ll ll = {
                .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 1};
        int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

        if (fd < 0)
                missing("packet sockets");
        (void) bind(fd, (struct sockaddr *) &ll, sizeof(ll));
}

static void vsock(void) {
        struct sockaddr_vm vm = {
                .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = FORBIDDEN_PORT};
        int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

        if (fd < 0)
                missing("vsock");
        (void) grab_at(fd, &vm, sizeof(vm));
}

/* --- addresses that the kernel chooses */

static int refused_connection(void) {
        struct sockaddr_in in = loopback(1); /* nobody there */
        int fd = tcp();

        (void) connect(fd, (struct sockaddr *) &in, sizeof(in));
        return fd;
}

static void listen_after_connect(void) {
        (void) listen(refused_connection(), 8);
}

static void listen_after_fast_open(void) {
        struct sockaddr_in in = loopback(1);
        int fd = tcp();

        (void) sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *) &in, sizeof(in));
        (void) listen(fd, 8);
}

static void send_datagram(void) {
        struct sockaddr_in in = loopback(1);

        (void) sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *) &in, sizeof(in));
}

static void send_message(void) {
        struct sockaddr_in in = loopback(1);
        struct iovec data = {.iov_base = (char[]){'x'}, .iov_len = 1};
        struct mmsghdr header = {
                .msg_hdr = {.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &data, .msg_iovlen = 1}};

        (void) sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), &header, 1, 0);
}

static void connect_datagram(void) {
        struct sockaddr_in in = loopback(1);

        (void) connect(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *) &in, sizeof(in));
}

/* connect(AF_UNSPEC) of an accepted connection leaves its address, and frees its port: the kernel may choose
 * one for listen(). */
static void listen_on_accepted(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);
        struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
        int server = tcp(), client = tcp(), fd;

        if (!grab_at(server, &in, sizeof(in)) || connect(client, (struct sockaddr *) &in, sizeof(in)) < 0)
                missing("the allowed port");
        fd = accept(server, NULL, NULL);
        if (connect(fd, &unspecified, sizeof(unspecified)) < 0)
                perror("connect");
        (void) listen(fd, 8);
}

/* The other end is connected yet again: from a port that it had for a client */
static void listen_on_client(void) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);
        struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
        int server = tcp(), client = tcp();

        if (!grab_at(server, &in, sizeof(in)) || connect(client, (struct sockaddr *) &in, sizeof(in)) < 0)
                missing("the allowed port");
        (void) connect(client, &unspecified, sizeof(unspecified));
        (void) listen(client, 8);
}

/* Two sockets of one port: the second is bound while the first listens. */
static void steal_by_reuse_port(void) {
        struct sockaddr_in in = loopback(VICTIM_PORT);
        int fd = tcp(), yes = 1;

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
        (void) grab_at(fd, &in, sizeof(in));
}

const struct attack plain_attacks[] = {
        {"other-port", other_port},
        {"privileged-port", privileged_port},
        {"other-address", other_address},
        {"port-zero", port_zero},
        {"bind-only", bind_only},
        {"listen-without-bind", listen_without_bind},
        {"listen-without-bind-ipv6", listen_without_bind_ipv6},
        {"unspecified-family", unspecified_family},
        {"unspecified-family-allowed-port", unspecified_family_allowed_port},
        {"long-length", long_length},
        {"ipv6", ipv6},
        {"ipv6-any", ipv6_any},
        {"ipv6-length-24", ipv6_length_24},
        {"mapped", mapped},
        {"mapped-any", mapped_any},
        {"kind", kind},
        {"packet", packet},
        {"vsock", vsock},
        {"listen-after-connect", listen_after_connect},
        {"listen-after-fast-open", listen_after_fast_open},
        {"send-datagram", send_datagram},
        {"send-message", send_message},
        {"connect-datagram", connect_datagram},
        {"listen-on-accepted", listen_on_accepted},
        {"listen-on-client", listen_on_client},
        {"steal-by-reuse-port", steal_by_reuse_port},
        {0},
};
