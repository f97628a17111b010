/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* fail-call N REPORT PROGRAM ARGUMENT...: runs the program, whose N-th system call (from 1; the dynamic
 * loader's do not count) fails, whichever of its processes makes it, and only that one. What these execute
 * in turn is let alone. The exit status is the program's, 128 + a signal's number; 200 if this failed
 * itself.
 *
 * With N -1 nothing fails or is counted. REPORT gets a line: how many calls there were, the process (0: the
 * first), the number of the call that failed, and its error. With LISTEN_FDS set, the program gets
 * LISTEN_PID. x86-64 only. */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 64

struct process {
        pid_t pid;
        bool attached;
        int error; /* for the end of the call it is in; 0: none */
};

static struct process processes[PROCESSES_MAX];
static unsigned n_processes;
static uint64_t loader_begin, loader_end;
static long wanted, count, failed_call = -1, failed_process = -1, failed_error;

static void die(const char *what) {
        perror(what);
        exit(200);
}

static struct process *find(pid_t pid) {
        for (unsigned i = 0; i < n_processes; i++)
                if (processes[i].pid == pid)
                        return &processes[i];
        if (n_processes == PROCESSES_MAX)
                die("too many processes");
        processes[n_processes] = (struct process){.pid = pid};
        return &processes[n_processes++];
}

/* Where the dynamic loader lies: it has its own system calls. */
static void find_loader(pid_t pid) {
        char path[64], line[512];
        FILE *maps;

        snprintf(path, sizeof(path), "/proc/%d/maps", pid);
        maps = fopen(path, "re");
        while (maps && fgets(line, sizeof(line), maps)) {
                unsigned long begin, end;

                if (!strstr(line, "/ld-") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
                        continue;
                loader_begin = loader_begin == 0 ? begin : loader_begin;
                loader_end = end;
        }
        if (maps)
                fclose(maps);
}

/* What the call fails with; 0: it cannot fail, or its failure means something else than that. */
static int choose_error(uint64_t number, uint64_t request) {
        switch (number) {
        case SYS_exit:
        case SYS_exit_group:
        case SYS_rt_sigreturn:
        case SYS_rt_sigaction:
        case SYS_rt_sigprocmask:
        case SYS_getpid:
        case SYS_getppid:
        case SYS_gettid:
        case SYS_getuid:
        case SYS_geteuid:
        case SYS_getgid:
        case SYS_getegid:
        case SYS_umask:
        case SYS_munmap:
        case SYS_set_robust_list:
        case SYS_restart_syscall:
        case SYS_clock_gettime:
        case SYS_brk: /* gives the break that there is, and no error */
                return 0;
        case SYS_read:
        case SYS_write:
        case SYS_close:
        case SYS_poll:
        case SYS_recvmsg:
        case SYS_wait4:
                return EINTR;
        case SYS_ioctl:
                if (request == SECCOMP_IOCTL_NOTIF_RECV)
                        return ENOENT;
                return request == SECCOMP_IOCTL_NOTIF_SEND || request == SECCOMP_IOCTL_NOTIF_ID_VALID ||
                                       request == SECCOMP_IOCTL_NOTIF_ADDFD
                               ? EINTR
                               : ENOMEM;
        default:
                return ENOMEM;
        }
}

static void begin_call(struct process *process, const struct __ptrace_syscall_info *info) {
        struct user_regs_struct registers;
        int error = choose_error(info->entry.nr, info->entry.args[1]);

        if (error == 0 ||
            (info->instruction_pointer >= loader_begin && info->instruction_pointer < loader_end))
                return;
        if (++count != wanted)
                return;
        process->error = error;
        failed_call = (long) info->entry.nr;
        failed_process = process - processes;
        failed_error = error;
        if (info->entry.nr == SYS_close) /* closes all the same, close(2) */
                return;
        if (ptrace(PTRACE_GETREGS, process->pid, NULL, &registers) < 0)
                return;
        registers.orig_rax = (unsigned long long) -1;
        (void) ptrace(PTRACE_SETREGS, process->pid, NULL, &registers);
}

static void end_call(struct process *process) {
        struct user_regs_struct registers;

        if (process->error == 0 || ptrace(PTRACE_GETREGS, process->pid, NULL, &registers) < 0)
                return;
        registers.rax = (unsigned long long) -process->error;
        (void) ptrace(PTRACE_SETREGS, process->pid, NULL, &registers);
        process->error = 0;
}

static void stop_at_call(struct process *process) {
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof(info), &info) < 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                begin_call(process, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
                end_call(process);
}

static void report(const char *path) {
        FILE *file = fopen(path, "we");

        if (!file)
                die(path);
        fprintf(file, "%ld %ld %ld %ld\n", count, failed_process, failed_call, failed_error);
        fclose(file);
}

static void execute(char **argv) {
        char text[16];

        snprintf(text, sizeof(text), "%d", getpid());
        if (getenv("LISTEN_FDS"))
                setenv("LISTEN_PID", text, 1);
        execv(argv[0], argv);
        die(argv[0]);
}

int main(int argc, char **argv) {
        int status, result = 200;
        pid_t first, pid;

        if (argc < 4)
                return 200;
        wanted = atol(argv[1]);
        if (wanted < 0)
                execute(argv + 3);
        first = fork();
        if (first == 0) {
                raise(SIGSTOP);
                execute(argv + 3);
        }
        if (first < 0 || waitpid(first, &status, WUNTRACED) < 0 ||
            ptrace(PTRACE_SEIZE, first, NULL,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                           PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
                die("ptrace");
        kill(first, SIGCONT);
        while ((pid = waitpid(-1, &status, __WALL)) > 0) {
                struct process *process = find(pid);
                int event = status >> 16, number = 0;

                if (WIFEXITED(status) || WIFSIGNALED(status)) {
                        if (pid == first)
                                result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                        continue;
                }
                if (event == PTRACE_EVENT_EXEC) {
                        if (loader_begin == 0)
                                find_loader(pid);
                        else { /* the target */
                                (void) ptrace(PTRACE_DETACH, pid, NULL, NULL);
                                continue;
                        }
                } else if (loader_begin != 0 && WSTOPSIG(status) == (SIGTRAP | 0x80))
                        stop_at_call(process);
                else if (event == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP) {
                        (void) ptrace(PTRACE_LISTEN, pid, NULL, NULL);
                        continue;
                } else if (event == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80))
                        number = WSTOPSIG(status);
                (void) ptrace(PTRACE_SYSCALL, pid, NULL, number);
        }
        report(argv[2]);
        return result;
}
