/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observe.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "notification.h"
#include "socket-info.h"
#include "unix-path.h"
#include "util.h"

/* How long a call may take from our answer on before it is taken to have failed */
#define CALL_WAIT_MS 50

/* The call being looked at */
struct observed_call {
        const struct call *call;
        int fd; /* a copy of the target's socket */
        struct socket_info info;
        struct observed_socket seen;
};

int observer_init(struct observer *observer, int report) {
        *observer = (struct observer){.report = report, .epoll = epoll_create1(EPOLL_CLOEXEC)};
        return observer->epoll < 0 ? -errno : 0;
}

/* --- which are open --- */

static void mark_open(struct observer *observer, bool *open) {
        char path[64], line[256];
        uint64_t index;
        const char *data;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", observer->epoll);
        file = fopen(path, "re");
        /* Without /proc nobody knows. */
        for (size_t i = 0; i < observer->observation.n; i++)
                open[i] = !file;
        if (!file)
                return;
        /* "tfd:        5 events:        0 data:                2  pos:0 ino:1 sdev:8", proc(5) */
        while (fgets(line, sizeof(line), file)) {
                data = strncmp(line, "tfd:", 4) == 0 ? strstr(line, " data:") : NULL;
                if (data && sscanf(data, " data: %" SCNx64, &index) == 1 && index < observer->observation.n)
                        open[index] = true;
        }
        (void) fclose(file);
}

/* goes_on: the program is about to bind or listen. */
static void refresh(struct observer *observer, bool goes_on) {
        bool open[OBSERVED_MAX];

        mark_open(observer, open);
        for (size_t i = 0; i < observer->observation.n; i++) {
                struct observed_socket *socket = &observer->observation.sockets[i];
                bool dropped = !open[i] && (socket->dropped || goes_on);

                observer->changed |= socket->open != open[i] || socket->dropped != dropped;
                socket->open = open[i];
                socket->dropped = dropped;
        }
}

void observer_update(struct observer *observer) {
        refresh(observer, false);
        if (!observer->changed || observer->report < 0)
                return;
        if (send(observer->report, &observer->observation, observation_size(&observer->observation),
                 MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                observer->changed = false;
        else if (errno != EAGAIN && errno != ENOBUFS)
                replace_fd(&observer->report, -1);
}

/* --- noting --- */

static bool is_same(const struct observed_socket *a, const struct observed_socket *b) {
        return a->kind.domain == b->kind.domain && a->kind.type == b->kind.type &&
               a->kind.protocol == b->kind.protocol && a->v6only == b->v6only &&
               strcmp(a->device, b->device) == 0 && address_equal(&a->bound, &b->bound);
}

static struct observed_socket *find(struct observer *observer, const struct observed_socket *seen) {
        for (size_t i = 0; i < observer->observation.n; i++)
                if (is_same(&observer->observation.sockets[i], seen))
                        return &observer->observation.sockets[i];
        return NULL;
}

/* Room for one more; NULL if there is none */
static struct observed_socket *find_room(struct observer *observer) {
        struct observation *observation = &observer->observation;

        if (observation->n < OBSERVED_MAX)
                return &observation->sockets[observation->n++];
        for (size_t i = 0; i < observation->n; i++)
                if (!observation->sockets[i].open)
                        return &observation->sockets[i];
        return NULL;
}

/* Notes the socket; or notes another one of the same address with it. Returns its entry, or NULL. */
static struct observed_socket *note(struct observer *observer, const struct observed_call *observed) {
        struct epoll_event event = {};
        struct observed_socket *entry;

        observer->changed = true;
        entry = find(observer, &observed->seen);
        if (!entry) {
                entry = find_room(observer);
                if (entry)
                        *entry = observed->seen;
        }
        if (!entry) {
                observer->observation.more = true;
                return NULL;
        }
        entry->dropped = false;
        entry->open = true;
        event.data.u64 = (uint64_t) (entry - observer->observation.sockets);
        (void) epoll_ctl(observer->epoll, EPOLL_CTL_ADD, observed->fd, &event);
        return entry;
}

/* --- looking at a call --- */

static bool is_of_interest(const struct observed_call *observed) {
        switch (observed->info.kind.domain) {
        case AF_INET:
        case AF_INET6:
        case AF_UNIX:
        case AF_VSOCK:
                return observed->info.kind.type != SOCK_RAW;
        default:
                return false;
        }
}

/* Reads what the target asks for, while the call still waits. */
static void read_asked(struct observed_call *observed, const struct target *target) {
        struct address *asked = &observed->seen.asked;
        struct sockaddr_storage sockaddr;
        char path[ADDRESS_UNIX_MAX + 1] = {}, absolute[UNIX_PATH_MAX];

        if (observed->call->length > sizeof(sockaddr) ||
            target_read(target, observed->call->pointer, &sockaddr, observed->call->length) < 0 ||
            address_from_sockaddr(&sockaddr, observed->call->length, observed->info.kind.domain, asked) <
                    0 ||
            !address_is_unix_path(asked))
                return;
        memcpy(path, asked->unix_name, asked->unix_length);
        if (unix_path_absolute(target, AT_FDCWD, path, absolute) < 0)
                return;
        observed->seen.path_too_long = strlen(absolute) >= ADDRESS_UNIX_MAX;
        if (observed->seen.path_too_long)
                return;
        asked->unix_length = (uint16_t) strlen(absolute);
        memcpy(asked->unix_name, absolute, asked->unix_length);
}

static bool read_bound(struct observed_call *observed) {
        struct address *bound = &observed->seen.bound;

        if (socket_address_read(observed->fd, observed->info.kind.domain, bound) < 0)
                return false;
        switch (bound->family) {
        case AF_UNIX:
                return bound->unix_length > 0;
        case AF_VSOCK:
                return bound->port != VMADDR_PORT_ANY;
        default:
                return bound->port != 0;
        }
}

static void describe(struct observed_call *observed) {
        socklen_t length = sizeof(observed->seen.device);

        observed->seen.kind = observed->info.kind;
        /* The kernel sets it, by and by, for every other address (inet6_bind()). */
        observed->seen.v6only = observed->info.v6only && address_is_wildcard(&observed->seen.bound);
        if (getsockopt(observed->fd, SOL_SOCKET, SO_BINDTODEVICE, observed->seen.device, &length) < 0)
                observed->seen.device[0] = '\0';
}

static bool is_listening(struct observed_call *observed) {
        return socket_is_listening(observed->fd);
}

/* The kernel carries the call out while we look. */
static bool wait_for(struct observed_call *observed, bool (*is_done)(struct observed_call *)) {
        const struct timespec pause = {.tv_nsec = 1000000L}; /* 1 ms */

        for (int i = 0; i < CALL_WAIT_MS; i++) {
                if (is_done(observed))
                        return true;
                (void) nanosleep(&pause, NULL);
        }
        return is_done(observed);
}

static void observe_bind(struct observer *observer, struct observed_call *observed,
                         const struct target *target) {
        bool bound_before = read_bound(observed);

        read_asked(observed, target);
        (void) listener_continue(target->listener, target->id);
        if (bound_before || !wait_for(observed, read_bound))
                return;
        describe(observed);
        (void) note(observer, observed);
}

static bool observe_listen(struct observer *observer, struct observed_call *observed,
                           const struct target *target) {
        struct observed_socket *entry;

        (void) listener_continue(target->listener, target->id);
        if (!wait_for(observed, is_listening) || !read_bound(observed))
                return false;
        describe(observed);
        /* Without a bind() the kernel has chosen: seen.asked says port 0 of the family */
        observed->seen.asked.family = (sa_family_t) observed->info.kind.domain;
        if (observed->info.kind.domain == AF_VSOCK)
                observed->seen.asked.port = VMADDR_PORT_ANY;
        entry = note(observer, observed);
        if (entry)
                entry->listened = true;
        return true;
}

bool observe_call(struct observer *observer, const struct target *target, const struct call *call) {
        struct observed_call observed = {.call = call};
        bool listened = false;

        refresh(observer, true); /* while the program waits: it may end right after */
        observed.fd = target_get_fd(target, call->fd);
        if (observed.fd < 0 || socket_info_read(observed.fd, &observed.info) < 0 ||
            !is_of_interest(&observed))
                (void) listener_continue(target->listener, target->id);
        else if (call->kind == CALL_BIND)
                observe_bind(observer, &observed, target);
        else
                listened = observe_listen(observer, &observed, target);
        close_fd(&observed.fd);
        return listened;
}
