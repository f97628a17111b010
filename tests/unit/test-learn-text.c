/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <linux/vm_sockets.h>

#include "learn-text.h"

/* What was seen of one socket. Marks: l listened, c closed while the program ran, d dropped before it bound
 * more, 6 IPV6_V6ONLY, u UDP or datagram, q seqpacket, s SCTP, e on eth0, n no path to be seen, x it is
 * www:data's and its mode 0760, and not root's and 0777, o www:root's and 0777 */
struct row {
        const char *address;
        unsigned port;
        const char *marks;
};

#define HEAD "# /etc/systemd/system/web.service.d/socket.conf\n[X-ForceBind]\n"
#define LEFT "#\n# Left out, and bound by the program itself as ever:\n"
#define ROWS_MAX 5

static const struct {
        const char *what;
        struct row rows[ROWS_MAX];
        size_t n;
        const char *text; /* behind the head */
} cases[] = {
        {"IPv4 only", {{"0.0.0.0", 80, "l"}}, 1, "Listen=tcp:0.0.0.0:80\n"},
        {"dual-stack", {{"::", 80, "l"}}, 1, "Listen=tcp:80\n"},
        {"IPv6 only", {{"::", 80, "l6"}}, 1, "Listen=tcp:[::]:80\n"},
        {"one of each",
         {{"0.0.0.0", 80, "l"}, {"::", 80, "l6"}},
         2,
         "Listen=tcp:0.0.0.0:80\nListen=tcp:[::]:80\n"},
        {"mapped", {{"::ffff:127.0.0.1", 80, "l"}}, 1, "Listen=tcp:127.0.0.1:80\n"},
        {"UDP and TCP",
         {{"127.0.0.1", 53, "u"}, {"::1", 53, "l"}, {"::", 54, "u"}},
         3,
         "Listen=udp:127.0.0.1:53\nListen=tcp:[::1]:53\nListen=udp:54\n"},
        {"mapped and plain",
         {{"::ffff:127.0.0.1", 80, "l"}, {"127.0.0.1", 80, "l"}},
         2,
         "Listen=tcp:127.0.0.1:80\n"},
        {"an IPv4 socket that is parked beside a dual-stack one",
         {{"0.0.0.0", 80, "l"}, {"::", 80, "l"}},
         2,
         "Listen=tcp:80\n"},
        {"an address that a wildcard covers",
         {{"0.0.0.0", 80, "l"}, {"127.0.0.1", 80, "l"}},
         2,
         "Listen=tcp:0.0.0.0:80\nRule=tcp:127.0.0.1:80=sd=web.socket\nAuto=yes\n"},
        {"the same ports of TCP and UDP do not meet",
         {{"0.0.0.0", 53, "l"}, {"127.0.0.1", 53, "u"}},
         2,
         "Listen=tcp:0.0.0.0:53\nListen=udp:127.0.0.1:53\n"},
        {"probes",
         {{"0.0.0.0", 80, "dc"}, {"127.0.0.1", 81, "ldc"}, {"::1", 82, "l"}},
         3,
         "Listen=tcp:[::1]:82\n"},
        {"a port that the kernel chose",
         {{"0.0.0.0", 80, "l"}, {"0.0.0.0", 0, "u"}},
         2,
         "Listen=tcp:0.0.0.0:80\n" LEFT "#   udp 0.0.0.0:0: the program leaves the choice to the kernel, so "
         "no client can know it beforehand\n"},
        {"not listened on",
         {{"0.0.0.0", 80, ""}},
         1,
         LEFT "#   tcp 0.0.0.0:80: the program does not listen on it\n"},
        {"multicast",
         {{"224.0.0.251", 5353, "u"}},
         1,
         LEFT "#   udp 224.0.0.251:5353: a multicast address: memberships are the program's own\n"},
        {"link-local",
         {{"fe80::1", 80, "l"}},
         1,
         LEFT "#   tcp [fe80::1]:80: a link-local address: a .socket unit of your own can have it, with "
              "%INTERFACE before the bracket\n"},
        {"one interface",
         {{"0.0.0.0", 67, "ue"}},
         1,
         LEFT "#   udp 0.0.0.0:67: it is bound to a network interface; BindToDevice= in a .socket unit of "
              "your own does that\n"},
        {"SCTP",
         {{"0.0.0.0", 80, "ls"}},
         1,
         LEFT "#   sctp 0.0.0.0:80: Listen= has tcp and udp only; SocketProtocol= in a .socket unit of your "
              "own may have it\n"},
        {"Unix sockets for everybody",
         {{"unix:/run/a", 0, "l"}, {"unix:@b%c", 0, "l"}},
         2,
         "Listen=unix:/run/a\nListen=unix:@b%%c\n"},
        {"a Unix socket of some",
         {{"unix:/run/a", 0, "lx"}},
         1,
         "Listen=unix:/run/a\nSocketUser=www\nSocketGroup=data\nSocketMode=0660\n"},
        {"a Unix socket for everybody that the program changes itself",
         {{"unix:/run/a", 0, "lo"}},
         1,
         "Listen=unix:/run/a\nSocketUser=www\n"},
        {"Unix sockets of different modes",
         {{"unix:/run/a", 0, "lx"}, {"unix:/run/b", 0, "l"}},
         2,
         "Listen=unix:/run/a\nSocketUser=www\nSocketGroup=data\nSocketMode=0660\n" LEFT
         "#   stream unix:/run/b: its owner or mode is another than that of the path above\n"},
        {"a path in a runtime directory",
         {{"unix:/run/web/a", 0, "l"}},
         1,
         "Listen=unix:/run/web/a\n\n[Service]\n# The sockets' directory stays when the service stops.\n"
         "RuntimeDirectoryPreserve=yes\n"},
        {"a path beside it", {{"unix:/run/website/a", 0, "l"}}, 1, "Listen=unix:/run/website/a\n"},
        {"a path that only the service sees",
         {{"unix:/tmp/a", 0, "ln"}},
         1,
         LEFT
         "#   stream unix:/tmp/a: its path is not there for others (PrivateTmp=, RootDirectory=, removed "
         "or renamed)\n"},
        {"names that no unit file can have",
         {{"unix:@a b", 0, "l"}, {"unix:/run/\xff", 0, "l"}},
         2,
         LEFT "#   stream unix:@a b: a .socket unit cannot have this name\n"
              "#   stream unix:/run/\xff: a .socket unit cannot have this name\n"},
        {"Unix datagrams",
         {{"unix:/run/a", 0, "u"}},
         1,
         LEFT
         "#   datagram unix:/run/a: Listen= has no Unix datagram sockets; ListenDatagram= in a .socket unit "
         "of your own has\n"},
        {"vsock",
         {{"vsock:2", 80, "l"}, {"vsock:4294967295", 81, "l"}},
         2,
         "Listen=vsock:2:80\nListen=vsock::81\n"},
};

static int protocol_of(const struct row *row, sa_family_t family) {
        if (family != AF_INET && family != AF_INET6)
                return 0;
        return strchr(row->marks, 's') ? IPPROTO_SCTP : strchr(row->marks, 'u') ? IPPROTO_UDP : IPPROTO_TCP;
}

static struct observed_socket make_observed(const struct row *row) {
        struct observed_socket socket = {.asked = make_address(row->address, row->port)};

        socket.bound = socket.asked;
        socket.kind.domain = socket.asked.family;
        socket.kind.type = strchr(row->marks, 'u')   ? SOCK_DGRAM
                           : strchr(row->marks, 'q') ? SOCK_SEQPACKET
                                                     : SOCK_STREAM;
        socket.kind.protocol = protocol_of(row, socket.asked.family);
        socket.listened = strchr(row->marks, 'l');
        socket.open = !strchr(row->marks, 'c');
        socket.dropped = strchr(row->marks, 'd');
        socket.v6only = strchr(row->marks, '6');
        if (strchr(row->marks, 'e'))
                (void) snprintf(socket.device, sizeof(socket.device), "eth0");
        socket.has_owner = !strchr(row->marks, 'n');
        socket.mode = strchr(row->marks, 'x') ? 0760 : 0777;
        (void) snprintf(socket.user, sizeof(socket.user), "%s", strpbrk(row->marks, "xo") ? "www" : "root");
        (void) snprintf(socket.group, sizeof(socket.group), "%s", strchr(row->marks, 'x') ? "data" : "root");
        return socket;
}

static char *write_text(const struct row *rows, size_t n, struct learned learned, size_t *ret_n) {
        struct observed_socket sockets[ROWS_MAX];
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; i < n; i++)
                sockets[i] = make_observed(&rows[i]);
        learned.sockets = sockets;
        learned.n_sockets = n;
        assert_non_null(out);
        *ret_n = learn_write(out, &learned);
        assert_int_equal(fclose(out), 0);
        return text;
}

static void each_kind_of_socket_gets_its_line(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct learned learned = {
                        .unit = "web.service", .runtime_directories = "other web", .running = true};
                size_t n, n_lines = 0;
                char *text = write_text(cases[i].rows, cases[i].n, learned, &n);

                if (strncmp(text, HEAD, strlen(HEAD)) != 0 ||
                    strcmp(text + strlen(HEAD), cases[i].text) != 0)
                        fail_msg("%s:\n%s", cases[i].what, text);
                for (const char *at = text; (at = strstr(at, "\nListen=")); at++)
                        n_lines++;
                assert_int_equal(n, n_lines);
                free(text);
        }
}

static void an_ended_program_is_known_by_what_it_had_open_last(void **state) {
        static const struct row rows[] = {
                {"0.0.0.0", 80, "ldc"}, {"0.0.0.0", 81, "lc"}, {"0.0.0.0", 82, "c"}};
        size_t n;
        char *text = write_text(rows, 3, (struct learned){.unit = "web.service"}, &n);

        (void) state;
        assert_string_equal(text, HEAD "Listen=tcp:0.0.0.0:81\n");
        assert_int_equal(n, 1);
        free(text);
}

static void a_socket_unit_that_exists_is_not_listened_for(void **state) {
        static const struct row rows[] = {{"::", 80, "l"}, {"0.0.0.0", 81, "u"}, {"unix:/run/a", 0, "lx"}};
        struct learned learned = {
                .unit = "web.service", .existing_socket = "/lib/systemd/system/web.socket", .running = true};
        size_t n;
        char *text = write_text(rows, 3, learned, &n);

        (void) state;
        assert_string_equal(text, HEAD
                            "Auto=yes\n#\n# web.socket exists already (/lib/systemd/system/web.socket), and "
                            "Listen= does not change it. It has to say:\n"
                            "#   ListenStream=80\n#   ListenDatagram=0.0.0.0:81\n#   ListenStream=/run/a\n"
                            "#   SocketUser=www\n#   SocketGroup=data\n#   SocketMode=0660\n");
        assert_int_equal(n, 3);
        free(text);
}

static void a_socket_unit_with_accept_needs_another(void **state) {
        static const struct row rows[] = {{"0.0.0.0", 113, "l"}, {"::", 113, "l6"}};
        struct learned learned = {.unit = "ident.service",
                                  .existing_socket = "/lib/systemd/system/ident.socket",
                                  .existing_accepts = true,
                                  .running = true};
        size_t n;
        char *text = write_text(rows, 2, learned, &n);

        (void) state;
        assert_string_equal(text, "# /etc/systemd/system/ident.service.d/socket.conf\n[X-ForceBind]\n"
                                  "Auto=yes\n#\n# ident.socket exists already "
                                  "(/lib/systemd/system/ident.socket), and is for connections that systemd "
                                  "accepts itself (Accept=yes). Another .socket unit has to say:\n"
                                  "#   Service=ident.service\n#   ListenStream=0.0.0.0:113\n"
                                  "#   ListenStream=[::]:113\n#   BindIPv6Only=ipv6-only\n");
        free(text);
}

static void a_program_without_a_unit_leaves_the_name_open(void **state) {
        static const struct row rows[] = {{"127.0.0.1", 80, "l"}};
        struct learned learned = {.program = "/usr/bin/\nweb", .running = true, .more = true};
        size_t n;
        char *text = write_text(rows, 1, learned, &n);

        (void) state;
        assert_string_equal(text,
                            "# /etc/systemd/system/NAME.service.d/socket.conf, where NAME.service runs "
                            "/usr/bin/?web\n[X-ForceBind]\nListen=tcp:127.0.0.1:80\n#\n"
                            "# The program has bound more addresses than these; the rest was not noted.\n");
        free(text);
}

static void only_what_clients_can_find_serves(void **state) {
        static const struct row listens = {"127.0.0.1", 80, "l"}, bound = {"127.0.0.1", 80, ""},
                                closed = {"127.0.0.1", 80, "lc"}, chosen = {"127.0.0.1", 0, "l"},
                                datagram = {"127.0.0.1", 80, "u"}, unnamed = {"unix:", 0, "l"};
        const struct observed_socket sockets[] = {make_observed(&listens), make_observed(&datagram),
                                                  make_observed(&bound),   make_observed(&closed),
                                                  make_observed(&chosen),  make_observed(&unnamed)};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(sockets); i++)
                assert_int_equal(observed_serves(&sockets[i], true), i < 2);
        assert_true(observed_serves(&sockets[3], false));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_socket_gets_its_line),
                cmocka_unit_test(an_ended_program_is_known_by_what_it_had_open_last),
                cmocka_unit_test(a_socket_unit_that_exists_is_not_listened_for),
                cmocka_unit_test(a_socket_unit_with_accept_needs_another),
                cmocka_unit_test(a_program_without_a_unit_leaves_the_name_open),
                cmocka_unit_test(only_what_clients_can_find_serves),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
