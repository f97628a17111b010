/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager says, and is told, against libsystemd. */

#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "listen-fds.h"
#include "manager.h"

/* --- LISTEN_FDS --- */

static void set(const char *name, const char *value) {
        if (value)
                assert_int_equal(setenv(name, value, 1), 0);
        else
                assert_int_equal(unsetenv(name), 0);
}

/* In a child, where descriptors 3 and 4 are open and 5 is not. Compares with libsystemd. */
static void compare(const char *pid, const char *fds, const char *names) {
        char own[16], **ours = NULL, **theirs = NULL;
        int n, expected;

        (void) snprintf(own, sizeof(own), "%d", getpid());
        set("LISTEN_PID", pid && strcmp(pid, "own") == 0 ? own : pid);
        set("LISTEN_FDS", fds);
        set("LISTEN_FDNAMES", names);
        expected = sd_listen_fds_with_names(0, &theirs);
        for (int fd = 3; fd < 5; fd++)
                assert_true(fcntl(fd, F_SETFD, 0) == 0);
        n = listen_fds_read(&ours);
        if ((n < 0) != (expected < 0))
                fail_msg("%s %s %s: %d, libsystemd %d", pid, fds, names, n, expected);
        if (expected >= 0)
                assert_int_equal(n, expected);
        if (expected == -EBADF)
                assert_int_equal(n, -EBADF);
        for (int i = 0; i < n; i++) {
                assert_string_equal(ours[i], theirs[i]);
                assert_int_equal(fcntl(LISTEN_FDS_START + i, F_GETFD), FD_CLOEXEC);
        }
        listen_fds_free(ours);
        for (char **name = theirs; name && *name; name++)
                free(*name);
        free(theirs);
}

static void in_child(void (*function)(void)) {
        pid_t child = fork();
        int status;

        if (child == 0) {
                int null = open("/dev/null", O_RDWR);

                (void) dup2(null, 3);
                (void) dup2(null, 4);
                (void) close(5);
                function();
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

static void compare_all(void) {
        static const char *const pids[] = {"own", "1", "0", "-1", "x", "", "99999999999", NULL},
                                 *const numbers[] = {"2",  "1", "0",  "3",          "-1", "x",
                                                     "2x", "",  "+1", "2147483647", NULL},
                                 *const lists[] = {NULL, "",   "a",     "a:b",         ":",
                                                   "a:", ":b", "a:b:c", "a b:c.socket"};

        for (size_t i = 0; i < ELEMENTSOF(pids); i++)
                for (size_t j = 0; j < ELEMENTSOF(numbers); j++)
                        for (size_t k = 0; k < ELEMENTSOF(lists); k++) {
                                /* libsystemd takes a sign; no manager writes one. */
                                if (numbers[j] && numbers[j][0] == '+')
                                        continue;
                                compare(pids[i], numbers[j], lists[k]);
                        }
}

static void listen_fds_are_read_as_libsystemd_reads_them(void **state) {
        (void) state;
        in_child(compare_all);
}

/* libsystemd takes a backslash off, which the manager has not put there. */
static void read_backslash(void) {
        char pid[16], **names;

        (void) snprintf(pid, sizeof(pid), "%d", getpid());
        set("LISTEN_PID", pid);
        set("LISTEN_FDS", "2");
        set("LISTEN_FDNAMES", "a\\x2db.socket:\\");
        assert_int_equal(listen_fds_read(&names), 2);
        assert_string_equal(names[0], "a\\x2db.socket");
        assert_string_equal(names[1], "\\");
        listen_fds_free(names);
}

static void names_keep_their_backslashes(void **state) {
        (void) state;
        in_child(read_backslash);
}

static void unset_all(void) {
        static const char *const names[] = {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                set(names[i], "1");
        listen_fds_unset();
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_null(getenv(names[i]));
}

static void nothing_of_them_is_left(void **state) {
        (void) state;
        in_child(unset_all);
}

/* --- NOTIFY_SOCKET --- */

struct received {
        char text[256];
        struct ucred sender;
};

static struct received receive(int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct received received = {};
        struct iovec iov = {received.text, sizeof(received.text) - 1};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};

        assert_true(recvmsg(fd, &message, MSG_DONTWAIT) >= 0);
        assert_non_null(CMSG_FIRSTHDR(&message));
        memcpy(&received.sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(received.sender));
        return received;
}

static void compare_notifications(int fd, pid_t name_of) {
        static const char state[] = "READY=1\nSTATUS=serving";
        struct received theirs, ours;

        assert_true(sd_pid_notify(name_of, 0, state) > 0);
        theirs = receive(fd);
        assert_int_equal(manager_notify(name_of, state), 0);
        ours = receive(fd);
        assert_string_equal(ours.text, theirs.text);
        assert_memory_equal(&ours.sender, &theirs.sender, sizeof(ours.sender));
}

static void notifications_are_those_of_libsystemd(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char path[64] = "";

        (void) state;
        for (int abstract = 0; abstract <= 1; abstract++) {
                int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                size_t length;

                (void) snprintf(path, sizeof(path), "%sforce-bind-test-%d", abstract ? "@" : "/tmp/",
                                getpid());
                length = strlen(path);
                memcpy(address.sun_path, path, length + 1);
                if (abstract)
                        address.sun_path[0] = '\0';
                assert_int_equal(
                        bind(fd, (struct sockaddr *) &address,
                             (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + !abstract)),
                        0);
                assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)), 0);
                set("NOTIFY_SOCKET", path);
                assert_true(manager_listens());
                compare_notifications(fd, 0);
                compare_notifications(fd, getppid());
                (void) close(fd);
                if (!abstract)
                        (void) unlink(path);
        }
        assert_int_equal(manager_notify(0, "READY=1"), -ECONNREFUSED);
        set("NOTIFY_SOCKET", "relative");
        assert_int_equal(manager_notify(0, "READY=1"), -EAFNOSUPPORT);
        set("NOTIFY_SOCKET", "/");
        assert_int_equal(manager_notify(0, "READY=1"), -EINVAL);
        set("NOTIFY_SOCKET", NULL);
        assert_int_equal(manager_notify(0, "READY=1"), 0);
        assert_false(manager_listens());
}

static void system_is_booted_as_libsystemd_says(void **state) {
        (void) state;
        assert_int_equal(manager_has_booted(), sd_booted() > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(listen_fds_are_read_as_libsystemd_reads_them),
                cmocka_unit_test(names_keep_their_backslashes),
                cmocka_unit_test(nothing_of_them_is_left),
                cmocka_unit_test(notifications_are_those_of_libsystemd),
                cmocka_unit_test(system_is_booted_as_libsystemd_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
