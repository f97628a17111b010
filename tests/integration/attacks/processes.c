/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processes and threads that share only some of what processes and threads share */

#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[65536] __attribute__((aligned(16)));

static int grab_in_clone(void *argument) {
        (void) grab(*(int *) argument);
        for (;;)
                pause();
        return 0;
}

static void in_clone(int flags) {
        int fd = tcp();

        if (clone(grab_in_clone, stack + sizeof(stack), flags, &fd) < 0)
                missing("clone");
        for (int i = 0; i < 200 && !is_forbidden(fd); i++)
                (void) usleep(1000);
}

static void shared_descriptors(void) {
        in_clone(CLONE_FILES | SIGCHLD);
}

static void shared_memory(void) {
        in_clone(CLONE_VM | SIGCHLD);
}

static void shared_all(void) {
        in_clone(CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD);
}

static void in_vfork(void) {
        int fd = tcp();

        if (vfork() == 0) {
                (void) grab(fd);
                _exit(0);
        }
}

/* A thread whose descriptor table is its own: its socket is another one than that of the process. */
static void *grab_in_own_table(void *argument) {
        const int *fd = argument;
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        if (unshare(CLONE_FILES) < 0)
                missing("unshare(CLONE_FILES)");
        (void) dup2(socket(AF_INET, SOCK_DGRAM, 0), *fd);
        for (int i = 0; i < 100; i++) {
                (void) bind(*fd, (struct sockaddr *) &in, sizeof(in)); /* of tcp only it is allowed */
                (void) dup2(tcp(), *fd);
                (void) listen(*fd, 8); /* allowed for the socket of the process */
                if (is_forbidden(*fd))
                        break;
        }
        printf("done\n");
        for (;;)
                pause();
}

static void own_table_of_a_thread(void) {
        static int fd;
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        fd = tcp();
        if (bind(fd, (struct sockaddr *) &in, sizeof(in)) < 0)
                missing("the allowed port");
        start_thread(grab_in_own_table, &fd);
        for (;;)
                pause();
}

/* A socket of one network, bound from within another */
static void socket_of_another_network(void) {
        int fd = tcp();

        if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
                perror("unshare");
        (void) grab(fd);
}

static void own_mounts(void) {
        if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
                perror("unshare");
        (void) grab(tcp());
}

static void own_user_namespace(void) {
        if (unshare(CLONE_NEWUSER) < 0)
                perror("unshare");
        (void) grab(tcp());
}

static void network_of_another(void) {
        if (unshare(CLONE_NEWNET) < 0 || setns(open("/proc/1/ns/net", O_RDONLY), CLONE_NEWNET) < 0)
                perror("setns");
        (void) grab(tcp());
}

/* execve while a call is pending: a new program at the same process ID, with the same descriptors */
static void *bind_allowed(void *argument) {
        struct sockaddr_in in = loopback(ALLOWED_PORT);

        for (;;)
                (void) bind(*(int *) argument, (struct sockaddr *) &in, sizeof(in));
        return NULL;
}

static void execute_during_bind(void) {
        int n = arguments[0] ? atoi(arguments[0]) : 100, fd = socket(AF_INET, SOCK_DGRAM, 0), number = 200;
        char text[16];
        char *argv[] = {(char[]){"attack"}, (char[]){"execute-during-bind"}, text, NULL};

        if (n == 0) {
                (void) grab(tcp());
                return;
        }
        (void) dup2(tcp(), number);
        for (int i = 0; i < 4; i++)
                start_thread(bind_allowed, &number);
        (void) dup2(fd, number);
        (void) snprintf(text, sizeof(text), "%d", n - 1);
        (void) execv("/proc/self/exe", argv);
}

/* Descriptors through other hands: bound by a child, which ends */
static void passed_by_child(void) {
        int pair[2], fd;
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec data = {.iov_base = (char[]){'x'}, .iov_len = 1};
        struct msghdr message = {.msg_iov = &data,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};

        (void) socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        if (fork() == 0) {
                struct cmsghdr *header = CMSG_FIRSTHDR(&message);

                fd = tcp();
                (void) grab(fd);
                *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                                           .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS};
                memcpy(CMSG_DATA(header), &fd, sizeof(fd));
                (void) sendmsg(pair[1], &message, 0);
                _exit(0);
        }
        (void) recvmsg(pair[0], &message, 0);
}

/* inherited NUMBER: a socket that is bound already, on which only listen() is missing */
static void inherited(void) {
        (void) listen(atoi(arguments[0]), 8);
}

/* A tracer inside changes another call into bind, behind the filter's back. */
static void changed_by_tracer(void) {
#ifdef __x86_64__
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        struct user_regs_struct registers;
        int fd = tcp(), status;
        pid_t child = fork();

        if (child == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(1);
                (void) raise(SIGSTOP);
                (void) syscall(SYS_getppid, fd, &in, sizeof(in));
                _exit(0);
        }
        (void) waitpid(child, &status, 0);
        (void) ptrace(PTRACE_SETOPTIONS, child, NULL, (void *) PTRACE_O_TRACESYSGOOD);
        for (;;) {
                if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) < 0 || waitpid(child, &status, 0) < 0 ||
                    !WIFSTOPPED(status))
                        break;
                (void) ptrace(PTRACE_GETREGS, child, NULL, &registers);
                if (registers.orig_rax == SYS_getppid) {
                        registers.orig_rax = SYS_bind;
                        (void) ptrace(PTRACE_SETREGS, child, NULL, &registers);
                }
        }
#endif
}

/* --- filters of one's own: none of them may give what the first one refuses */

static int add_filter(unsigned flags, uint32_t number, uint32_t action) {
        struct sock_filter instructions[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, action),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = 4, .filter = instructions};

        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int own_listener;

static void *let_go_on(void *argument) {
        static struct seccomp_notif request;

        (void) argument;
        for (;;) {
                struct seccomp_notif_resp response = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

                memset(&request, 0, sizeof(request));
                if (ioctl(own_listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
                        return NULL;
                response.id = request.id;
                (void) ioctl(own_listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
        }
}

static void *grab_in_thread(void *argument) {
        (void) grab(*(int *) argument);
        return NULL;
}

/* Of two filters that notify, the newer one's listener is asked. */
static void listener_of_its_own(void) {
        static int fd;
        pthread_t thread;

        fd = tcp();
        own_listener = add_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_bind, SECCOMP_RET_USER_NOTIF);
        if (own_listener < 0)
                perror("seccomp");
        else
                start_thread(let_go_on, NULL);
        (void) pthread_create(&thread, NULL, grab_in_thread, &fd);
        (void) pthread_join(thread, NULL);
}

static void filter_that_allows(void) {
        (void) add_filter(0, SYS_bind, SECCOMP_RET_ALLOW);
        (void) add_filter(0, SYS_bind, SECCOMP_RET_LOG);
        (void) grab(tcp());
}

/* SECCOMP_RET_TRACE lets a tracer change the call; the filters see it once more. */
static void filter_that_traces(void) {
#ifdef __x86_64__
        struct sockaddr_in in = loopback(FORBIDDEN_PORT);
        struct user_regs_struct registers;
        int fd = tcp(), status;
        pid_t child = fork();

        if (child == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(1);
                (void) raise(SIGSTOP);
                (void) add_filter(0, SYS_getppid, SECCOMP_RET_TRACE);
                (void) syscall(SYS_getppid, fd, &in, sizeof(in));
                _exit(0);
        }
        (void) waitpid(child, &status, 0);
        (void) ptrace(PTRACE_SETOPTIONS, child, NULL, (void *) PTRACE_O_TRACESECCOMP);
        while (ptrace(PTRACE_CONT, child, NULL, NULL) == 0 && waitpid(child, &status, 0) > 0 &&
               WIFSTOPPED(status))
                if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
                        (void) ptrace(PTRACE_GETREGS, child, NULL, &registers);
                        registers.orig_rax = SYS_bind;
                        (void) ptrace(PTRACE_SETREGS, child, NULL, &registers);
                }
#endif
}

const struct attack process_attacks[] = {
        {"shared-descriptors", shared_descriptors},
        {"shared-memory", shared_memory},
        {"shared-all", shared_all},
        {"vfork", in_vfork},
        {"own-table-of-a-thread", own_table_of_a_thread},
        {"socket-of-another-network", socket_of_another_network},
        {"own-mounts", own_mounts},
        {"own-user-namespace", own_user_namespace},
        {"network-of-another", network_of_another},
        {"execute-during-bind", execute_during_bind},
        {"passed-by-child", passed_by_child},
        {"inherited", inherited},
        {"changed-by-tracer", changed_by_tracer},
        {"listener-of-its-own", listener_of_its_own},
        {"filter-that-allows", filter_that_allows},
        {"filter-that-traces", filter_that_traces},
        {0},
};
