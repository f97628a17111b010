/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "learn-text.h"

#include <linux/vm_sockets.h>
#include <string.h>

#include "rule.h"
#include "util.h"

/* Bits of a path's mode that connect() looks at (unix(7)) */
#define CONNECT_MODE 0666

static bool is_chosen_by_kernel(const struct address *asked) {
        switch (asked->family) {
        case AF_UNIX:
                return asked->unix_length == 0;
        case AF_VSOCK:
                return asked->port == VMADDR_PORT_ANY;
        default:
                return asked->port == 0;
        }
}

bool observed_serves(const struct observed_socket *socket, bool running) {
        return (running ? socket->open : !socket->dropped) &&
               (socket->listened || !is_stream(&socket->kind)) && !is_chosen_by_kernel(&socket->asked);
}

/* IPv4 if it is that behind ::ffff: */
static struct address plain_address(const struct observed_socket *socket) {
        struct address plain = socket->asked;

        (void) address_unmap(&socket->asked, &plain);
        return plain;
}

static bool is_dual_stack(const struct observed_socket *socket) {
        return socket->asked.family == AF_INET6 && !socket->v6only &&
               IN6_IS_ADDR_UNSPECIFIED(&socket->asked.ipv6);
}

static bool is_ipv6_only_wildcard(const struct observed_socket *socket) {
        return socket->asked.family == AF_INET6 && socket->v6only &&
               IN6_IS_ADDR_UNSPECIFIED(&socket->asked.ipv6);
}

static bool is_multicast(const struct address *address) {
        return address->family == AF_INET
                       ? IN_MULTICAST(ntohl(address->ipv4.s_addr))
                       : address->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&address->ipv6);
}

/* A setting can have this name: systemd strips blanks, joins lines, and wants text. */
static bool is_writable(const struct address *address) {
        size_t length = address->unix_length;

        for (size_t i = address->unix_name[0] == '\0'; i < length; i++)
                if ((unsigned char) address->unix_name[i] <= ' ' ||
                    (unsigned char) address->unix_name[i] >= 0x7f || address->unix_name[i] == '\\')
                        return false;
        return length > 1 && length < ADDRESS_UNIX_MAX;
}

/* Why no Listen= line can stand for a socket that serves clients. NULL: one can. */
static const char *find_obstacle(const struct observed_socket *socket) {
        const struct socket_kind *kind = &socket->kind;
        struct address plain = plain_address(socket);

        if (is_chosen_by_kernel(&socket->asked))
                return "the program leaves the choice to the kernel, so no client can know it beforehand";
        if (is_stream(kind) && !socket->listened)
                return "the program does not listen on it";
        switch (plain.family) {
        case AF_UNIX:
                if (socket->path_too_long || !is_writable(&plain))
                        return "a .socket unit cannot have this name";
                if (kind->type != SOCK_STREAM)
                        return kind->type == SOCK_DGRAM
                                       ? "Listen= has no Unix datagram sockets; ListenDatagram= in a "
                                         ".socket "
                                         "unit of your own has"
                                       : "Listen= has no such sockets; ListenSequentialPacket= in a .socket "
                                         "unit of your own has";
                if (address_is_unix_path(&plain) && !socket->has_owner)
                        return "its path is not there for others (PrivateTmp=, RootDirectory=, removed or "
                               "renamed)";
                if (address_is_unix_path(&plain) && socket->user[0] == '\0')
                        return "its owner is a dynamic user, whom a .socket unit cannot name";
                return NULL;
        case AF_VSOCK:
                return kind->type == SOCK_STREAM ? NULL : "Listen= has vsock stream sockets only";
        default:
                if (kind->protocol != (kind->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
                        return "Listen= has tcp and udp only; SocketProtocol= in a .socket unit of your own "
                               "may have it";
                if (socket->device[0] != '\0')
                        return "it is bound to a network interface; BindToDevice= in a .socket unit of your "
                               "own does that";
                if (is_multicast(&plain))
                        return "a multicast address: memberships are the program's own";
                if (plain.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&plain.ipv6))
                        return "a link-local address: a .socket unit of your own can have it, with "
                               "%INTERFACE "
                               "before the bracket";
                return NULL;
        }
}

/* The wildcard socket beside which systemd could not bind this one. The program could: it says SO_REUSEPORT.
 */
static const struct observed_socket *find_covering(const struct learned *learned,
                                                   const struct observed_socket *socket) {
        struct address address = plain_address(socket);

        if (!address_is_ip(&address) || socket->kind.type != SOCK_STREAM)
                return NULL;
        for (size_t i = 0; i < learned->n_sockets; i++) {
                const struct observed_socket *other = &learned->sockets[i];
                struct address wildcard = plain_address(other);

                if (other != socket && observed_serves(other, learned->running) && !find_obstacle(other) &&
                    address_is_ip(&wildcard) && wildcard.port == address.port &&
                    other->kind.protocol == socket->kind.protocol && address_is_wildcard(&wildcard) &&
                    (is_dual_stack(other) ||
                     (wildcard.family == address.family && !address_is_wildcard(&address))))
                        return other;
        }
        return NULL;
}

/* The same Listen= line would be written twice: systemd's socket stands for both. */
static bool is_written(const struct learned *learned, const struct observed_socket *socket) {
        struct address plain = plain_address(socket);

        for (const struct observed_socket *earlier = learned->sockets; earlier < socket; earlier++) {
                struct address other = plain_address(earlier);

                if (observed_serves(earlier, learned->running) && earlier->kind.type == socket->kind.type &&
                    earlier->kind.protocol == socket->kind.protocol &&
                    is_dual_stack(earlier) == is_dual_stack(socket) && address_equal(&other, &plain))
                        return true;
        }
        return false;
}

/* SocketMode= and its like hold for all of a .socket unit. */
static bool has_owner_of(const struct observed_socket *a, const struct observed_socket *b) {
        return ((a->mode ^ b->mode) & CONNECT_MODE) == 0 && strcmp(a->user, b->user) == 0 &&
               strcmp(a->group, b->group) == 0;
}

/* The path lies in a directory that is removed with the service, and with it the .socket unit's socket. */
static bool lies_in_runtime_directory(const struct learned *learned, const struct observed_socket *socket) {
        const char *name = learned->runtime_directories, *path = socket->asked.unix_name;
        static const char *const runs[] = {"/run/", "/var/run/"};

        if (!name || !address_is_unix_path(&socket->asked))
                return false;
        for (; *name != '\0'; name += strcspn(name, " "), name += strspn(name, " "))
                for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                        size_t run = strlen(runs[i]), length = strcspn(name, " ");

                        if (socket->asked.unix_length > run + length && strncmp(path, runs[i], run) == 0 &&
                            strncmp(path + run, name, length) == 0 && path[run + length] == '/')
                                return true;
                }
        return false;
}

enum fate {
        FATE_SILENT, /* nothing to say */
        FATE_LISTEN, /* gets a line */
        FATE_RULE,   /* shares the socket of another */
        FATE_LEFT_OUT,
};

/* owner: the first path that got a line; NULL: none yet. Set *ret_reason for FATE_LEFT_OUT, *ret_covering
 * for FATE_RULE. */
static enum fate find_fate(const struct learned *learned, const struct observed_socket *socket,
                           const struct observed_socket *owner, const char **ret_reason,
                           const struct observed_socket **ret_covering) {
        if ((learned->running ? !socket->open : socket->dropped) ||
            (!learned->running && is_stream(&socket->kind) && !socket->listened))
                return FATE_SILENT;
        *ret_reason = find_obstacle(socket);
        if (!*ret_reason && socket->loses_directory && !lies_in_runtime_directory(learned, socket))
                *ret_reason = "its directory is removed when the service stops";
        if (*ret_reason)
                return FATE_LEFT_OUT;
        if (is_written(learned, socket))
                return FATE_SILENT;
        *ret_covering = find_covering(learned, socket);
        if (*ret_covering) {
                struct address plain = plain_address(socket);

                return address_is_wildcard(&plain) ? FATE_SILENT : FATE_RULE; /* it is parked, else */
        }
        if (owner && address_is_unix_path(&socket->asked) && !has_owner_of(owner, socket)) {
                *ret_reason = "its owner or mode is another than that of the path above";
                return FATE_LEFT_OUT;
        }
        return FATE_LISTEN;
}

/* The address as Listen= and ListenStream= have it, behind the protocol */
static void write_address(FILE *out, const struct observed_socket *socket) {
        struct address plain = plain_address(socket);
        char text[ADDRESS_STRING_MAX];

        switch (plain.family) {
        case AF_UNIX:
                if (plain.unix_name[0] == '\0')
                        fputc('@', out);
                for (size_t i = plain.unix_name[0] == '\0'; i < plain.unix_length; i++)
                        fputs(plain.unix_name[i] == '%' ? "%%" : (char[]){plain.unix_name[i], '\0'}, out);
                break;
        case AF_VSOCK:
                if (plain.cid == VMADDR_CID_ANY)
                        fprintf(out, "vsock::%u", plain.port);
                else
                        fprintf(out, "vsock:%u:%u", plain.cid, plain.port);
                break;
        default:
                if (is_dual_stack(socket))
                        fprintf(out, "%u", plain.port);
                else
                        fputs(address_format(&plain, text), out);
        }
}

static void write_listen(FILE *out, const struct learned *learned, const struct observed_socket *socket) {
        if (learned->existing_socket)
                fprintf(out, "#   %s=", unit_listen_key(&socket->kind));
        else
                fprintf(out, "Listen=%s",
                        socket->asked.family == AF_UNIX    ? "unix:"
                        : socket->asked.family == AF_VSOCK ? ""
                        : socket->kind.type == SOCK_DGRAM  ? "udp:"
                                                           : "tcp:");
        write_address(out, socket);
        fputc('\n', out);
}

/* NAME.socket, without its suffix */
static void write_name(FILE *out, const struct learned *learned) {
        if (learned->unit)
                fprintf(out, "%.*s", (int) (strlen(learned->unit) - strlen(".service")), learned->unit);
        else
                fputs("NAME", out);
}

static void write_rule(FILE *out, const struct learned *learned, const struct observed_socket *socket) {
        struct address plain = plain_address(socket);
        char text[ADDRESS_STRING_MAX];

        fprintf(out, "Rule=tcp:%s=sd=", address_format(&plain, text));
        write_name(out, learned);
        fputs(".socket\n", out);
}

/* What is not so by default. An owner counts even where everybody may connect: the program may want to
 * change the mode itself. */
static void write_owner(FILE *out, const char *prefix, const struct observed_socket *owner) {
        if (owner && strcmp(owner->user, "root") != 0)
                fprintf(out, "%sSocketUser=%s\n", prefix, owner->user);
        if (owner && strcmp(owner->group, "root") != 0)
                fprintf(out, "%sSocketGroup=%s\n", prefix, owner->group);
        if (owner && (owner->mode & CONNECT_MODE) != CONNECT_MODE)
                fprintf(out, "%sSocketMode=%04o\n", prefix, owner->mode & CONNECT_MODE);
}

static void write_left_out(FILE *out, const struct observed_socket *socket, const char *reason,
                           bool *first) {
        const struct address *shown = is_chosen_by_kernel(&socket->asked) ? &socket->asked : &socket->bound;
        char text[ADDRESS_STRING_MAX];

        if (shown->family == AF_UNIX && !socket->path_too_long)
                shown = &socket->asked;
        if (*first)
                fputs("#\n# Left out, and bound by the program itself as ever:\n", out);
        *first = false;
        fprintf(out, "#   %s %s%s: %s\n", socket_kind_name(&socket->kind), address_format(shown, text),
                socket->asked.family == AF_UNIX && shown->unix_length == 0 ? "(unnamed)" : "", reason);
}

static void write_head(FILE *out, const struct learned *learned) {
        fputs("# /etc/systemd/system/", out);
        write_name(out, learned);
        fputs(".service.d/socket.conf", out);
        if (!learned->unit) {
                fputs(", where NAME.service runs ", out);
                for (const char *at = learned->program; *at != '\0'; at++)
                        fputc((unsigned char) *at < ' ' ? '?' : *at, out);
        }
        fputs("\n[X-ForceBind]\n", out);
        if (!learned->existing_socket)
                return;
        fputs("Auto=yes\n#\n# ", out);
        write_name(out, learned);
        fprintf(out, ".socket exists already (%s), and ", learned->existing_socket);
        if (learned->existing_accepts)
                fprintf(out,
                        "is for connections that systemd accepts itself (Accept=yes). Another .socket unit "
                        "has to say:\n#   Service=%s\n",
                        learned->unit);
        else
                fputs("Listen= does not change it. It has to say:\n", out);
}

size_t learn_write(FILE *out, const struct learned *learned) {
        const struct observed_socket *end = learned->sockets + learned->n_sockets, *owner = NULL;
        const struct observed_socket *covering;
        bool has_rule = false, vanishes = false, first = true, separate = false, dual_stack = false;
        const char *reason;
        size_t n = 0;

        write_head(out, learned);
        for (const struct observed_socket *socket = learned->sockets; socket < end; socket++) {
                if (find_fate(learned, socket, owner, &reason, &covering) != FATE_LISTEN)
                        continue;
                n++;
                write_listen(out, learned, socket);
                if (!owner && address_is_unix_path(&socket->asked))
                        owner = socket;
                vanishes = vanishes || lies_in_runtime_directory(learned, socket);
                separate = separate || is_ipv6_only_wildcard(socket);
                dual_stack = dual_stack || is_dual_stack(socket);
        }
        if (learned->existing_socket && separate)
                fputs(dual_stack ? "# with BindIPv6Only=ipv6-only for [::], in another .socket unit than "
                                   "those of both families\n"
                                 : "#   BindIPv6Only=ipv6-only\n",
                      out);
        write_owner(out, learned->existing_socket ? "#   " : "", owner);
        for (const struct observed_socket *socket = learned->sockets; socket < end; socket++)
                if (find_fate(learned, socket, owner, &reason, &covering) == FATE_RULE) {
                        has_rule = true;
                        write_rule(out, learned, socket);
                }
        if (has_rule && !learned->existing_socket)
                fputs("Auto=yes\n", out);
        if (vanishes)
                fputs("\n[Service]\n# The sockets' directory stays when the service stops.\n"
                      "RuntimeDirectoryPreserve=yes\n",
                      out);
        for (const struct observed_socket *socket = learned->sockets; socket < end; socket++)
                if (find_fate(learned, socket, owner, &reason, &covering) == FATE_LEFT_OUT)
                        write_left_out(out, socket, reason, &first);
        if (learned->more)
                fputs("#\n# The program has bound more addresses than these; the rest was not noted.\n",
                      out);
        return n;
}
