/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "learn.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "log.h"
#include "text.h"
#include "util.h"

/* A program that has bound nothing new for so long is up. */
#define QUIET_MS 2000

/* One that has bound a stream socket and does not listen on it gets more; it may be loading its data. */
#define LISTEN_PATIENCE_MS 30000

/* Between SIGTERM and SIGKILL, and between two looks */
#define TERMINATE_MS 10000
#define LOOK_MS 100

/* User IDs that systemd hands out to DynamicUser= services (systemd.exec(5)): no .socket unit can have them.
 */
#define DYNAMIC_UID_MIN 61184
#define DYNAMIC_UID_MAX 65519

/* --- what both do --- */

int64_t learning_now_ms(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int learning_init(struct learning *learning, sigset_t *ret_old_mask) {
        /* SIGPIPE: nobody reads our text; there is still something to end, and to remove. */
        static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
        sigset_t ending;

        *learning = (struct learning){.report = -1, .changed_at = learning_now_ms()};
        (void) sigemptyset(&ending);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                (void) sigaddset(&ending, numbers[i]);
        (void) sigprocmask(SIG_BLOCK, &ending, ret_old_mask);
        learning->signals = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
        return learning->signals < 0 ? -errno : 0;
}

/* Anything that a drop-in would tell of; that a socket was closed is not. */
static bool is_news(const struct observation *old, const struct observation *new) {
        if (new->n != old->n)
                return true;
        for (size_t i = 0; i < new->n; i++)
                if (!address_equal(&new->sockets[i].bound, &old->sockets[i].bound) ||
                    new->sockets[i].listened != old->sockets[i].listened)
                        return true;
        return false;
}

static void receive(struct learning *learning) {
        static struct observation observation;
        ssize_t n = recv(learning->report, &observation, sizeof(observation), 0);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (n < (ssize_t) offsetof(struct observation, sockets) || observation.n > OBSERVED_MAX ||
            (size_t) n != observation_size(&observation)) {
                replace_fd(&learning->report, -1);
                learning->ended = true;
                return;
        }
        if (is_news(&learning->observation, &observation))
                learning->changed_at = learning_now_ms();
        learning->observation = observation;
}

void learning_wait(struct learning *learning, int timeout_ms) {
        struct pollfd fds[] = {{.fd = learning->report, .events = POLLIN},
                               {.fd = learning->signals, .events = POLLIN}};
        struct signalfd_siginfo signal;

        if (poll(fds, ELEMENTSOF(fds), timeout_ms) <= 0)
                return;
        if (fds[0].revents != 0)
                receive(learning);
        if (fds[1].revents != 0 && read(learning->signals, &signal, sizeof(signal)) > 0)
                learning->interrupted = true;
}

bool learning_is_up(const struct learning *learning, int64_t since_ms, int patience_ms) {
        const struct observation *observation = &learning->observation;
        bool serves = false, waits = false;
        int64_t now = learning_now_ms();

        for (size_t i = 0; i < observation->n; i++) {
                const struct observed_socket *socket = &observation->sockets[i];

                serves |= observed_serves(socket, true);
                waits |= socket->open && is_stream(&socket->kind) && !socket->listened &&
                         (socket->asked.family == AF_UNIX || socket->asked.port != 0);
        }
        if (!serves)
                return patience_ms > 0 && now - since_ms >= patience_ms;
        return now - learning->changed_at >= (waits ? LISTEN_PATIENCE_MS : QUIET_MS) &&
               now - since_ms >= QUIET_MS;
}

static void write_user(char buffer[static OWNER_NAME_MAX], uid_t uid) {
        const struct passwd *user = getpwuid(uid);

        if (uid >= DYNAMIC_UID_MIN && uid <= DYNAMIC_UID_MAX)
                buffer[0] = '\0';
        else if (user && strlen(user->pw_name) < OWNER_NAME_MAX)
                (void) snprintf(buffer, OWNER_NAME_MAX, "%s", user->pw_name);
        else
                (void) snprintf(buffer, OWNER_NAME_MAX, "%u", uid);
}

static void write_group(char buffer[static OWNER_NAME_MAX], gid_t gid) {
        const struct group *group = getgrgid(gid);

        if (group && strlen(group->gr_name) < OWNER_NAME_MAX)
                (void) snprintf(buffer, OWNER_NAME_MAX, "%s", group->gr_name);
        else
                (void) snprintf(buffer, OWNER_NAME_MAX, "%u", gid);
}

void learning_read_owners(struct learning *learning) {
        for (size_t i = 0; i < learning->observation.n; i++) {
                struct observed_socket *socket = &learning->observation.sockets[i];
                char path[ADDRESS_UNIX_MAX + 1] = {};
                struct stat st;

                if (!address_is_unix_path(&socket->asked))
                        continue;
                memcpy(path, socket->asked.unix_name, socket->asked.unix_length);
                socket->has_owner = stat(path, &st) >= 0 && S_ISSOCK(st.st_mode);
                if (!socket->has_owner)
                        continue;
                socket->mode = st.st_mode & 07777;
                write_user(socket->user, st.st_uid);
                write_group(socket->group, st.st_gid);
        }
}

void learning_read_directories(struct learning *learning) {
        for (size_t i = 0; i < learning->observation.n; i++) {
                struct observed_socket *socket = &learning->observation.sockets[i];
                char path[ADDRESS_UNIX_MAX + 1] = {};

                if (!address_is_unix_path(&socket->asked) || socket->asked.unix_name[0] != '/' ||
                    !socket->has_owner)
                        continue;
                memcpy(path, socket->asked.unix_name, socket->asked.unix_length);
                *(strrchr(path, '/') + 1) = '\0';
                socket->loses_directory = access(path, F_OK) < 0 && errno == ENOENT;
        }
}

int learning_print(struct learning *learning, struct learned *learned, const char *subject) {
        _cleanup_free_ char *text = NULL;
        const char *comment;
        struct text printed;
        size_t n;

        learned->sockets = learning->observation.sockets;
        learned->n_sockets = learning->observation.n;
        learned->more = learning->observation.more;
        learned->running = !learning->ended && !learning->interrupted;
        n = text_open(&printed) < 0 ? 0 : learn_write(printed.out, learned);
        if (text_close(&printed, &text) < 0) {
                log_message(LOG_ERR, "out of memory");
                return EXIT_NOT_ALLOWED;
        }
        if (n > 0) {
                if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
                        return EXIT_SUCCESS;
                log_message(LOG_ERR, "cannot write to standard output: %s", strerror(errno));
                return EXIT_NOTHING_LEARNT;
        }
        log_message(LOG_ERR, "%s has bound nothing that systemd could listen on for it", subject);
        comment = strstr(text, "# Left out");
        if (comment)
                (void) fputs(comment, stderr);
        return EXIT_NOTHING_LEARNT;
}

/* --- a program below this process --- */

/* Process and status of the one that was started; both 0 in status: it runs. */
struct child {
        pid_t pid;
        bool ended;
        int status;
};

/* Reaps whatever has ended, orphans of the program too. Returns false if there are no children left. */
static bool reap(struct child *child) {
        pid_t pid;
        int status;

        while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
                if (pid == child->pid) {
                        child->ended = true;
                        child->status = status;
                }
        return pid == 0;
}

/* Our children are the program and those of its processes whose parents are gone (PR_SET_CHILD_SUBREAPER).
 */
static void signal_children(const struct child *child, int number) {
        FILE *file = fopen("/proc/thread-self/children", "re");
        int pid;

        if (!file && !child->ended)
                (void) kill(child->pid, number);
        if (!file)
                return;
        while (fscanf(file, "%d", &pid) == 1)
                (void) kill(pid, number);
        (void) fclose(file);
}

static void terminate(struct learning *learning, struct child *child) {
        int64_t start = learning_now_ms(), next = start;

        while (reap(child)) {
                int64_t now = learning_now_ms();

                if (now - start >= TERMINATE_MS)
                        signal_children(child, SIGKILL);
                else if (now >= next) { /* again, for those that have become our children since */
                        signal_children(child, SIGTERM);
                        next = now + 1000;
                }
                learning_wait(learning, learning->report >= 0 ? LOOK_MS : 10);
        }
}

/* In the child: becomes the program. What it prints must not get into the text. */
static _Noreturn void run_program(const struct launch *original, int report, const sigset_t *mask) {
        struct launch reporting = *original;

        reporting.report = report;
        (void) sigprocmask(SIG_SETMASK, mask, NULL);
        (void) dup2(STDERR_FILENO, STDOUT_FILENO);
        _exit(launch(&reporting));
}

static int start(struct learning *learning, const struct launch *launch, struct child *child) {
        _cleanup_close_ int theirs = -1;
        int pair[2];
        sigset_t mask;
        int r;

        r = learning_init(learning, &mask);
        if (r < 0)
                return r;
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        learning->report = pair[0];
        theirs = pair[1];
        child->pid = fork();
        if (child->pid < 0)
                return -errno;
        if (child->pid == 0) {
                (void) close(pair[0]);
                run_program(launch, theirs, &mask);
        }
        return 0;
}

/* How it ended, for a sentence */
static const char *describe_end(const struct child *child, char buffer[static 64]) {
        if (WIFSIGNALED(child->status))
                (void) snprintf(buffer, 64, "killed by signal %d", WTERMSIG(child->status));
        else
                (void) snprintf(buffer, 64, "status %d", WEXITSTATUS(child->status));
        return buffer;
}

int learn_program(const struct launch *launch) {
        struct learned learned = {.program = launch->argv[0]};
        static struct learning learning;
        struct child child = {};
        int64_t start_ms;
        char end[64];
        int r;

        r = start(&learning, launch, &child);
        if (r < 0) {
                log_message(LOG_ERR, "cannot start a process to learn from: %s", strerror(-r));
                return EXIT_NOT_ALLOWED;
        }
        start_ms = learning_now_ms();
        while (!learning.ended && !learning.interrupted && !learning_is_up(&learning, start_ms, 0)) {
                learning_wait(&learning, LOOK_MS);
                (void) reap(&child);
        }
        /* Where no process of the program is left, the first one has ended, too. */
        for (int i = 0; reap(&child) && learning.ended && !child.ended && i < 100; i++)
                learning_wait(&learning, 10);
        learning_read_owners(&learning);
        /* These statuses say that it was not even started, and launch() has said why. */
        if (learning.ended && child.ended && learning.observation.n == 0 && WIFEXITED(child.status) &&
            WEXITSTATUS(child.status) >= EXIT_NOT_ALLOWED && WEXITSTATUS(child.status) <= EXIT_NOT_FOUND)
                r = WEXITSTATUS(child.status);
        else {
                if (learning.ended && child.ended && child.status != 0)
                        log_message(LOG_WARNING, "%s has ended already (%s)", launch->argv[0],
                                    describe_end(&child, end));
                r = learning_print(&learning, &learned, launch->argv[0]);
        }
        terminate(&learning, &child);
        return r;
}
