/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "answer.h"
#include "fd-channel.h"
#include "log.h"
#include "manager.h"
#include "notification.h"
#include "policy-index.h"
#include "strict-supervisor.h"
#include "util.h"

/* A program that binds IPv4 and IPv6 apart does so in one go. One that has not bound IPv6 after this long is
 * taken to be IPv4-only, and its user told. */
#define PARKED_PATIENCE_MS 2000

/* A daemon that forks twice on its way into the background is done with it after this long. */
#define SETTLE_MS 200

/* How often to look at calls that take their time (--strict) */
#define SLOW_LOOK_MS 100

/* More rules and passed sockets than this are indexed. */
#define INDEX_PAYS 8

/* How often to look which sockets are open while learning */
#define OBSERVE_MS 100

/* One that had a child at two looks so far apart is not on its way out, and need not wait for that: workers
 * follow, which must not be killed for want of a main process (KillMode=mixed). */
#define LOOK_MS 25

/* A service that is stopped so soon may not have come to its binds. */
#define START_MS 30000

struct running {
        const struct supervisor *supervisor;
        struct answerer answerer;
        struct policy_index index;
        struct observer observer;
        struct readiness readiness;
        int channel; /* closes when the program is executed; -1 then */
        int first_process_fd;
        bool executed; /* the program */
        int64_t executed_at;
        bool first_process_gone;
        bool manager_listens;
        bool ready_sent, main_process_sent; /* or not to be sent */
        char last_status[READINESS_STATUS_MAX];
        /* In ms of CLOCK_MONOTONIC; 0: nothing to wait for */
        int64_t parked_deadline;
        int64_t settle_deadline;
        int64_t next_look;
        pid_t parent_seen; /* at the last look */
};

/* --- getting out of everybody's way --- */

/* What a control group is told to end with: KillSignal= of all but rare units */
static const int stop_signals[] = {SIGTERM, SIGINT, SIGQUIT};

/* The service's cgroup gets signals that are meant for the target. Until they are ignored, none arrives. */
static void block_signals(void) {
        sigset_t all;

        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
}

/* SIGCHLD stays, for our own children; those to end wait for good, see is_being_stopped(). */
static void ignore_signals(void) {
        sigset_t blocked;

        (void) sigemptyset(&blocked);
        for (size_t i = 0; i < ELEMENTSOF(stop_signals); i++)
                (void) sigaddset(&blocked, stop_signals[i]);
        /* An ignored signal is not kept */
        for (int number = 1; number < NSIG; number++)
                (void) signal(number,
                              number == SIGCHLD || sigismember(&blocked, number) == 1 ? SIG_DFL : SIG_IGN);
        (void) sigprocmask(SIG_SETMASK, &blocked, NULL);
}

/* The service manager has told the whole control group to end. */
static bool is_being_stopped(void) {
        sigset_t pending;

        if (sigpending(&pending) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(stop_signals); i++)
                if (sigismember(&pending, stop_signals[i]) == 1)
                        return true;
        return false;
}

static bool is_needed(const struct supervisor *supervisor, int fd, int channel) {
        if (fd == channel || fd == supervisor->report || fd <= STDERR_FILENO)
                return true;
        for (size_t i = 0; i < supervisor->policy->n_passed; i++)
                if (supervisor->policy->passed[i].fd == fd)
                        return true;
        return false;
}

static int compare_ints(const void *a, const void *b) {
        return *(const int *) a - *(const int *) b;
}

/* Closes what the target has open and we do not need: somebody may wait for its end; we do, for that of our
 * own channel's other side. Returns 0 or -ENOMEM. */
static int close_others(const struct supervisor *supervisor, int channel) {
        size_t n_passed = supervisor->policy->n_passed, n = 0;
        _cleanup_free_ int *kept = calloc(n_passed + 2, sizeof(*kept));
        unsigned first = STDERR_FILENO + 1;

        if (!kept)
                return -ENOMEM;
        kept[n++] = channel;
        if (supervisor->report > STDERR_FILENO)
                kept[n++] = supervisor->report;
        for (size_t i = 0; i < n_passed; i++)
                if (supervisor->policy->passed[i].fd > STDERR_FILENO)
                        kept[n++] = supervisor->policy->passed[i].fd;
        qsort(kept, n, sizeof(*kept), compare_ints);

        for (size_t i = 0; i <= n; i++) {
                unsigned last = i < n ? (unsigned) kept[i] - 1 : ~0U;

                if (first <= last && close_range(first, last, 0) < 0)
                        for (unsigned fd = first; fd <= last && fd < (unsigned) sysconf(_SC_OPEN_MAX); fd++)
                                if (!is_needed(supervisor, (int) fd, channel))
                                        (void) close((int) fd);
                if (i < n)
                        first = (unsigned) kept[i] + 1;
        }
        return 0;
}

/* Keeps the number above those of standard input and output. */
static int move_up(int fd) {
        int moved;

        if (fd > STDERR_FILENO)
                return fd;
        moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        return moved < 0 ? fd : moved;
}

/* A passed socket on 0 to 2 (fd=0) would be overwritten. */
static void move_passed_up(struct policy *policy) {
        for (size_t i = 0; i < policy->n_passed; i++)
                policy->passed[i].fd = move_up(policy->passed[i].fd);
}

/* What the target need not wait for */
static void detach(const struct supervisor *supervisor) {
        _cleanup_close_ int null = -1;
        struct rlimit limit;

        /* Out of reach of signals to the target's process group. A session would be no better, and takes the
         * kernel a fifth of a millisecond (sched(7), autogroups). */
        (void) setpgid(0, 0);
        /* What outlives a child that answers a call is not to come to the target (answer.c). */
        (void) prctl(PR_SET_CHILD_SUBREAPER, supervisor->policy->strict != STRICT_OFF, 0, 0, 0);
        ignore_signals();
        log_never_wait();
        if (chdir("/") < 0)
                log_message(LOG_DEBUG, "cannot leave the working directory, ignoring: %s", strerror(errno));

        null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
        if (null >= 0) {
                (void) dup2(null, STDIN_FILENO);
                (void) dup2(null, STDOUT_FILENO);
                if (fcntl(STDERR_FILENO, F_GETFD) < 0)
                        (void) dup2(null, STDERR_FILENO);
        }

        /* Descriptors get the target's numbers for a moment, see replace.c. */
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* --- what the service manager is told --- */

static bool runs(int pidfd) {
        struct pollfd end = {.fd = pidfd, .events = POLLIN};

        return pidfd >= 0 && poll(&end, 1, 0) == 0;
}

/* In whose name the service manager is told: the first process's, from which it takes more
 * (NotifyAccess=main); 0, our own, once that is gone and the manager knows it no more. */
static pid_t speaker(const struct running *running) {
        return runs(running->first_process_fd) ? running->supervisor->first_process : 0;
}

static void send_ready(struct running *running, const char *status) {
        char state[READINESS_STATUS_MAX + 32];

        if (running->ready_sent)
                return;
        running->ready_sent = true;
        (void) snprintf(state, sizeof(state), "READY=1%s%s", status[0] != '\0' ? "\nSTATUS=" : "", status);
        if (running->manager_listens)
                (void) manager_notify(speaker(running), state);
        log_decision(LOG_INFO, &(struct log_entry){
                                       .message_id = MESSAGE_READY,
                                       .tid = running->supervisor->first_process,
                                       .requested = "readiness",
                                       .result = status[0] != '\0' ? status : "executed",
                               });
}

static void tell_readiness(struct running *running) {
        char status[READINESS_STATUS_MAX], state[READINESS_STATUS_MAX + 32];

        if (!ready_mode_tells_status(running->readiness.mode) || !running->readiness.changed)
                return;
        running->readiness.changed = false;
        readiness_status(&running->readiness, status);
        if (readiness_complete(&running->readiness))
                send_ready(running, status);
        else if (running->manager_listens && strcmp(status, running->last_status) != 0) {
                (void) snprintf(state, sizeof(state), "STATUS=%s", status);
                (void) manager_notify(speaker(running), state);
        }
        (void) memcpy(running->last_status, status, sizeof(status));
}

static bool serves_something(const struct running *running) {
        const struct policy *policy = running->supervisor->policy;

        for (size_t i = 0; i < policy->n_passed; i++)
                if (policy->passed[i].used)
                        return true;
        return running->readiness.n_bound > 0 || running->readiness.served_without_passed ||
               running->observer.observation.n > 0;
}

/* The first process of a Type=forking service ends when its daemon is up; PID 1 cannot guess which of the
 * rest is the main process, since we are among them. The one that called listen() is; where that was the
 * first one itself, the others get a moment to sort out who stays. */
static void tell_main_process(struct running *running) {
        bool settled = running->settle_deadline == 0 || monotonic_ms() >= running->settle_deadline,
             has_child = false;
        char state[64];
        pid_t main_process, found;

        if (!running->manager_listens || !running->first_process_gone || running->main_process_sent)
                return;
        if (settled)
                running->settle_deadline = 0;
        main_process = runs(running->answerer.listening_pidfd) ? running->answerer.listening_process : 0;
        if (main_process == 0 && (settled || monotonic_ms() >= running->next_look)) {
                found = serves_something(running) ? manager_find_main_process(&has_child) : 0;
                if (settled || (has_child && found == running->parent_seen))
                        main_process = found;
                running->parent_seen = has_child ? found : 0;
                running->next_look = monotonic_ms() + LOOK_MS;
        }
        if (main_process == 0)
                return;
        running->main_process_sent = true;
        running->settle_deadline = 0;
        (void) snprintf(state, sizeof(state), "MAINPID=%d", main_process);
        (void) manager_notify(0, state);
        log_message(LOG_INFO, "main process is %d now", main_process);
}

static void complain_about_parked(struct running *running) {
        const struct passed_socket *passed = readiness_parked_in_vain(&running->readiness);
        char text[ADDRESS_STRING_MAX], wanted[ADDRESS_STRING_MAX];
        struct address ipv4;

        running->parked_deadline = 0;
        if (!passed)
                return;
        ipv4 = ipv4_of_passed(passed);
        log_message(LOG_ERR,
                    "%s is parked and nobody serves it: passed socket %s is dual-stack, and the program has "
                    "bound no IPv6 address to receive it by; if it is IPv4-only, the .socket unit needs "
                    "%s=%s",
                    address_format(&running->readiness.parked, text), passed->name,
                    unit_listen_key(&passed->kind), address_format(&ipv4, wanted));
        if (running->manager_listens && running->readiness.mode != READY_NO && !running->ready_sent)
                (void) manager_notify(speaker(running), "ERRNO=97"); /* EAFNOSUPPORT */
}

/* Clients that wait on a socket which nobody took start the service again and again. */
static void complain_about_unused(const struct running *running) {
        const struct policy *policy = running->supervisor->policy;
        const struct address *unmatched = &running->answerer.unmatched;
        bool stopped_early = is_being_stopped() && monotonic_ms() - running->executed_at < START_MS;
        char text[ADDRESS_STRING_MAX], other[ADDRESS_STRING_MAX];

        for (size_t i = 0; i < policy->n_passed; i++) {
                const struct passed_socket *passed = &policy->passed[i];

                if (passed->used || passed->inherited || (stopped_early && unmatched->family == AF_UNSPEC))
                        continue;
                (void) address_format(&passed->address, text);
                if (unmatched->family == AF_UNSPEC || !address_is_ip(&passed->address))
                        log_message(LOG_WARNING,
                                    "nothing has adopted passed socket %s, %s: no bind that a rule gives it "
                                    "to was made",
                                    passed->name, text);
                else
                        log_message(LOG_WARNING,
                                    "nothing has adopted passed socket %s, %s: no bind that a rule gives it "
                                    "to was made; the program has bound %s, which no rule matches: for that "
                                    "it would be -m :%u=sd=%u",
                                    passed->name, text, address_format(unmatched, other), unmatched->port,
                                    passed->index);
        }
}

/* --- the loop --- */

/* The channel ends when the program is executed; before that a byte says that it could not be. */
static void handle_channel(struct running *running) {
        int r = channel_receive(running->channel, NULL);

        replace_fd(&running->channel, -1);
        running->executed = r == 0;
        if (!running->executed)
                return;
        running->executed_at = monotonic_ms();
        if (running->supervisor->ready_mode == READY_EXEC)
                send_ready(running, "");
        tell_readiness(running);
}

static void handle_first_process_end(struct running *running) {
        running->first_process_gone = true;
        if (running->manager_listens && !running->main_process_sent)
                running->settle_deadline = monotonic_ms() + SETTLE_MS;
        replace_fd(&running->first_process_fd, -1);
        log_release_stderr();
}

/* How long poll() may take: until the nearer deadline */
static int poll_timeout(const struct running *running) {
        int64_t deadline = running->parked_deadline, left;

        if (deadline == 0 || (running->settle_deadline != 0 && running->settle_deadline < deadline))
                deadline = running->settle_deadline;
        if (deadline == 0)
                return running->answerer.observer ? OBSERVE_MS : -1;
        if (deadline == running->settle_deadline && running->next_look < deadline)
                deadline = running->next_look;
        left = deadline - monotonic_ms();
        if (running->answerer.observer && left > OBSERVE_MS)
                left = OBSERVE_MS;
        return left > 0 ? (int) left : 0;
}

/* Until the listener says that no filtered process is left */
static void loop(struct running *running) {
        for (;;) {
                struct pollfd fds[] = {
                        {.fd = running->answerer.listener, .events = POLLIN},
                        {.fd = running->channel, .events = POLLIN},
                        {.fd = running->first_process_fd, .events = POLLIN},
                };

                int timeout = poll_timeout(running);

                if (running->answerer.n_slow > 0 && (timeout < 0 || timeout > SLOW_LOOK_MS))
                        timeout = SLOW_LOOK_MS;
                if (poll(fds, ELEMENTSOF(fds), timeout) < 0) {
                        if (errno == EINTR || errno == ENOMEM)
                                continue;
                        log_message(LOG_ERR, "poll(): %s", strerror(errno));
                        return;
                }
                if ((fds[0].revents & POLLIN) != 0) {
                        bool was_parked = running->readiness.parked_for != NULL;

                        answer_one(&running->answerer);
                        if (!was_parked && running->readiness.parked_for)
                                running->parked_deadline = monotonic_ms() + PARKED_PATIENCE_MS;
                        tell_readiness(running);
                }
                if (running->answerer.n_slow > 0) {
                        answerer_end_slow(&running->answerer);
                        tell_readiness(running); /* it may have got to its answer by itself */
                }
                if (running->answerer.observer)
                        observer_update(running->answerer.observer);
                if (fds[1].revents != 0)
                        handle_channel(running);
                if (fds[2].revents != 0)
                        handle_first_process_end(running);
                if (running->first_process_gone)
                        tell_main_process(running);
                if (running->parked_deadline != 0 && monotonic_ms() >= running->parked_deadline)
                        complain_about_parked(running);
                if ((fds[0].revents & (POLLHUP | POLLERR)) != 0 && (fds[0].revents & POLLIN) == 0)
                        return;
        }
}

/* --- start --- */

/* Finds out which inode is each passed socket's path, to know it when the target unlinks it. */
static void read_paths(struct answerer *answerer) {
        for (size_t i = 0; i < answerer->policy->n_passed; i++) {
                const struct address *address = &answerer->policy->passed[i].address;
                struct sockaddr_storage sockaddr;
                struct stat st;

                (void) address_to_sockaddr(address, &sockaddr);
                if (!address_is_unix_path(address) ||
                    lstat(((const struct sockaddr_un *) &sockaddr)->sun_path, &st) < 0)
                        continue;
                answerer->states[i].file = (struct file_id){st.st_dev, st.st_ino};
        }
}

/* Zeroed memory that stays for good. Under --strict, children share it: each request is answered by one
 * (answer.c), and what it has found out must not be lost with it. NULL: there is none. */
static void *allocate(const struct supervisor *supervisor, size_t n, size_t size) {
        bool shared = supervisor->policy->strict != STRICT_OFF;
        void *memory;

        /* Of a large piece, only what is used takes any. */
        if (!shared && n * size < (size_t) sysconf(_SC_PAGESIZE))
                return calloc(n, size);
        memory = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
                      (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
}

static int share_passed(const struct supervisor *supervisor) {
        struct policy *policy = supervisor->policy;
        struct passed_socket *shared;

        if (policy->strict == STRICT_OFF)
                return 0;
        shared = allocate(supervisor, policy->n_passed + 1, sizeof(*shared));
        if (!shared)
                return -ENOMEM;
        if (policy->n_passed > 0)
                memcpy(shared, policy->passed, policy->n_passed * sizeof(*shared));
        policy->passed = shared;
        return 0;
}

/* Where there is much to look through; without memory, that is done. */
static void index_policy(struct running *running) {
        struct policy *policy = running->supervisor->policy;

        if (policy->n_rules + policy->n_passed > INDEX_PAYS &&
            policy_index_build(policy, &running->index) >= 0)
                policy->index = &running->index;
}

static bool may_look_into(int pidfd) {
        _cleanup_close_ int copy = pidfd < 0 ? -1 : pidfd_getfd(pidfd, STDERR_FILENO, 0);

        return copy >= 0 || (pidfd >= 0 && errno == EBADF);
}

/* Returns 0 or a negative errno: where there will be none, the other side knows why, and has said so. */
static int receive_listener(struct running *running) {
        int r = channel_receive(running->channel, &running->answerer.listener);

        return r == CHANNEL_LISTENER ? 0 : r < 0 ? r : -ECANCELED;
}

/* Says that every call will be answered before the first can come. */
static int start(struct running *running, int channel) {
        const struct supervisor *supervisor = running->supervisor;
        int r;

        running->answerer.policy = supervisor->policy;
        running->answerer.readiness = &running->readiness;
        running->answerer.states =
                allocate(supervisor, supervisor->policy->n_passed + 1, sizeof(struct passed_state));
        running->answerer.told_not_adopted =
                allocate(supervisor, supervisor->policy->n_rules + 1, sizeof(bool));
        running->manager_listens = manager_listens();
        /* Whoever tells the manager when it is ready does not fork away, and is the main process to its end.
         */
        running->main_process_sent = supervisor->no_main_pid || supervisor->ready_mode > READY_STATUS;
        running->answerer.tell_listening_process = running->manager_listens && !running->main_process_sent;
        readiness_init(&running->readiness, supervisor->ready_mode, supervisor->policy,
                       allocate(supervisor, supervisor->policy->n_rules + 1, sizeof(bool)));
        if (!running->readiness.rule_met || !running->answerer.states || !running->answerer.told_not_adopted)
                return -ENOMEM;
        index_policy(running);
        read_paths(&running->answerer);
        /* A child would keep what it learns of them to itself. */
        for (size_t i = 0; i < supervisor->policy->n_passed && supervisor->policy->strict != STRICT_OFF; i++)
                (void) learn_options(&running->answerer, &supervisor->policy->passed[i]);
        if (supervisor->report >= 0) {
                r = observer_init(&running->observer, supervisor->report);
                if (r < 0)
                        return r;
                running->answerer.observer = &running->observer;
        }

        running->first_process_fd = pidfd_open(supervisor->first_process, 0);
        if (!may_look_into(running->first_process_fd)) {
                /* It lets us in before it gives the listener (Yama). */
                r = receive_listener(running);
                if (r >= 0 && !may_look_into(running->first_process_fd))
                        r = channel_send(channel, CHANNEL_BLIND, -1) < 0 ? -ECANCELED : -EPERM;
                if (r < 0)
                        return r;
        }
        if (supervisor->policy->strict != STRICT_OFF)
                strict_lower_supervisor();
        r = channel_send(channel, CHANNEL_READY, -1);
        if (r >= 0 && running->answerer.listener < 0)
                r = receive_listener(running);
        if (r >= 0)
                listener_prefer_synchronous(running->answerer.listener);
        return r;
}

_Noreturn void supervisor_run(const struct supervisor *supervisor, int channel) {
        struct running *running;

        block_signals();
        running = allocate(supervisor, 1, sizeof(*running));
        if (!running || share_passed(supervisor) < 0)
                _exit(1);
        running->supervisor = supervisor;
        running->channel = move_up(channel);
        running->first_process_fd = -1;
        running->answerer.listener = running->answerer.listening_pidfd =
                running->answerer.known_thread.pidfd = -1;
        move_passed_up(supervisor->policy);
        if (close_others(supervisor, running->channel) < 0) {
                log_message(LOG_ERR, "out of memory");
                _exit(1);
        }
        if (supervisor->policy->strict != STRICT_OFF) { /* it might not be able to any more */
                strict_hide_supervisor();
                detach(supervisor);
        }
        if (start(running, running->channel) >= 0) {
                if (supervisor->policy->strict == STRICT_OFF)
                        detach(supervisor);
                loop(running);
                if (running->executed)
                        complain_about_unused(running);
                answerer_clean_up(&running->answerer);
        }
        close_fd(&running->answerer.listener);
        close_fd(&running->channel);
        _exit(0);
}
