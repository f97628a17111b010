# SPDX-License-Identifier: LGPL-2.1-or-later
"""The target keeps its process; the supervisor is nobody's child and ends with the last of the target's processes."""
import os
import signal
import subprocess

import harness
import pytest
from harness import FORCE_BIND, exchange, port_of, python, tcp_socket

RULE = ["-m", ":8080=sd=0"]


def test_target_runs_in_the_process_that_was_started(runner):
    process = runner.force_bind(RULE, python("import os; print(os.getpid())"), [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.strip() == str(process.pid)


def test_target_meets_no_child(runner):
    process = runner.force_bind(RULE, python("""
        import os
        try: os.waitpid(-1, 0)
        except ChildProcessError: print("none")
        print(open(f"/proc/self/task/{os.getpid()}/children").read() or "none")
    """), [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.split() == ["none", "none"]


@pytest.mark.parametrize("blocked", [True, False])
def test_target_meets_no_pending_signal(runner, blocked):
    process = runner.force_bind(RULE, ["grep", "-E", "^(Sig|Shd)Pnd", "/proc/self/status"], [tcp_socket()],
                                preexec=(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])) if blocked
                                else None)
    assert process.wait() == 0
    assert process.stdout.split() == ["SigPnd:", "0" * 16, "ShdPnd:", "0" * 16]


def test_daemon_that_waits_for_all_children_as_pid_1_ends(runner):
    process = runner.run(["unshare", "--pid", "--fork", "--mount-proc", FORCE_BIND, *RULE, "--", *python("""
        import os
        assert os.getpid() == 1
        if os.fork() == 0: os._exit(0)
        try:
            while True: os.wait()
        except ChildProcessError: print("all gone")
    """)])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == "all gone"


def test_pid_1_of_a_namespace_serves_through_the_passed_socket(runner):
    passed = tcp_socket()
    runner.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                f'LISTEN_PID=$$ exec {FORCE_BIND} {" ".join(RULE)} -- "$@"', "sh", *python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
        while True: s.accept()[0].sendall(b"one")
    """)], [passed])
    assert exchange(passed.getsockname()) == b"one"


def test_exit_status_is_the_targets(runner):
    assert runner.force_bind(RULE, ["sh", "-c", "exit 42"]).wait() == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_signal_is_the_targets(runner, number):
    assert runner.force_bind(RULE, ["sh", "-c", f"kill -{int(number)} $$"]).wait() == -number


SERVER = python("""
    import socket
    s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
    while True:
        c, _ = s.accept(); c.sendall(b"served"); c.close()
""")


def test_supervisor_survives_the_signals_of_its_cgroup(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import signal, socket
        signal.signal(signal.SIGUSR1, lambda *_: None); signal.pause()
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.accept()[0].sendall(b"served")
    """), [passed])
    supervisor = process.supervisor()
    harness.wait_until(lambda: "python" in os.readlink(f"/proc/{process.pid}/exe"))
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        os.kill(supervisor, number)
    harness.wait_until(lambda: _catches(process.pid, signal.SIGUSR1))
    process.signal(signal.SIGUSR1)
    assert exchange(passed.getsockname()) == b"served"


def _catches(pid, number):
    caught = next(line for line in open(f"/proc/{pid}/status") if line.startswith("SigCgt"))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def test_supervisor_ends_with_the_target(runner):
    process = runner.force_bind(RULE, SERVER, [tcp_socket()])
    process.supervisor()
    process.signal(signal.SIGKILL)
    process.wait()
    harness.wait_until(lambda: not harness.supervisors())


DAEMON = python("""
    import os, socket, sys, time
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3): os.dup2(null, fd)
    s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
    if os.fork() == 0: s.bind  # a worker
    while True:
        c, _ = s.accept(); c.sendall(str(os.getpid()).encode()); c.close()
""")


def test_supervisor_outlives_the_first_process_and_ends_with_the_last(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, DAEMON, [passed])
    assert process.wait() == 0
    pid = int(exchange(passed.getsockname()))
    assert harness.supervisors()
    for daemon in harness.own_descendants() - set(harness.supervisors()):
        os.kill(daemon, signal.SIGKILL)
    harness.wait_until(lambda: not harness.supervisors())
    assert pid not in harness.own_descendants()


def test_command_substitution_does_not_wait_for_a_daemon(runner):
    passed = tcp_socket()
    process = runner.run(["sh", "-c", 'x=$("$0" "$@" 2>&1); echo "over: $x"', "env", "sh", "-c",
                          f'LISTEN_PID=$$ exec {FORCE_BIND} {" ".join(RULE)} -- "$@"', "sh", *DAEMON], [passed])
    assert process.wait() == 0
    assert process.stdout.strip() == "over:"
    assert exchange(passed.getsockname())


def test_pipe_on_standard_output_ends_with_the_target(runner):
    process = runner.force_bind(RULE, python("import os; os.close(1); import time; os.read(0, 1)"), [tcp_socket()],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.popen.stdout.read() == b""
    process.popen.stdin.close()
    process.popen.stdout.close()
    assert process.wait() == 0


def test_supervisor_holds_only_what_it_needs(runner):
    passed = tcp_socket()
    other = tcp_socket()
    process = runner.run(["sh", "-c", f'exec {FORCE_BIND} {" ".join(RULE)} -- "$@" 7</dev/zero', "sh", *SERVER],
                         [passed, other])
    exchange(passed.getsockname())
    supervisor = process.supervisor()
    links = [os.readlink(f"/proc/{supervisor}/fd/{fd}") for fd in os.listdir(f"/proc/{supervisor}/fd")]
    assert "/dev/zero" not in links
    assert links.count("/dev/null") == 2
    assert os.readlink(f"/proc/{supervisor}/cwd") == "/"


def no_new_privs(runner, **kwargs):
    process = runner.force_bind(RULE, ["grep", "NoNewPrivs", "/proc/self/status"], [tcp_socket()], **kwargs)
    assert process.wait() == 0
    return process.stdout.split()[1]


def test_no_new_privs_is_set_only_where_needed(runner):
    assert no_new_privs(runner) == "0"
    assert no_new_privs(runner, user=65534) == "1"


def test_setuid_program_below_root_keeps_working_and_is_served(runner, tmp_path):
    helper = tmp_path / "helper"
    helper.write_bytes(open("/usr/bin/python3", "rb").read())
    helper.chmod(0o4755)
    passed = tcp_socket()
    process = runner.force_bind(RULE, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", helper, "-c",
                                       "import os, socket; s = socket.socket(); s.bind(('0.0.0.0', 8080)); "
                                       "print(os.geteuid(), s.getsockname()[1])"], [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == f"0 {port_of(passed)}"


def test_target_that_dropped_its_privileges_is_served(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import os, socket
        os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.accept()[0].sendall(b"served")
    """), [passed])
    assert exchange(passed.getsockname()) == b"served"
    assert process.wait() == 0


@pytest.mark.parametrize("denies", [True, False])
def test_target_that_cannot_be_looked_into_is_refused_only_where_a_rule_denies(runner, denies):
    options = [*RULE, *(["-m", ":9999=deny"] if denies else [])]
    process = runner.run(["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", "--", FORCE_BIND, *options, "--",
                          *python("""
        import errno, os, socket
        os.setresuid(65534, 65534, 65534)
        s = socket.socket()
        try: s.bind(("0.0.0.0", 8080)); print(s.getsockname()[1])
        except OSError as e: print(errno.errorcode[e.errno])
    """)], [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.strip() == ("EACCES" if denies else "8080")
    assert "CAP_SYS_PTRACE" in process.stderr


def test_unprivileged_user_is_served(runner):
    passed = tcp_socket()
    runner.force_bind(RULE, SERVER, [passed], user=65534)
    assert exchange(passed.getsockname()) == b"served"


def test_environment_and_argv0_are_the_targets(runner):
    process = runner.force_bind([*RULE, "--argv0=other"], ["sh", "-c", "echo $0 $FOO; cat /proc/$$/cmdline | tr '\\0' ' '"],
                                env={"FOO": "bar"})
    assert process.wait() == 0
    assert process.stdout.splitlines()[0] == "other bar"
