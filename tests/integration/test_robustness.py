# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signals, threads, malformed calls, sudden death: the supervisor answers, and never ends because of a request."""
import os
import signal
from pathlib import Path

import harness
import pytest
from harness import python, tcp_socket

RULE = ["-m", ":8080=sd=0"]
KINDS = {
    "adopted": (RULE, 8080),
    "redirected": ([*RULE, "-m", ":8081=127.0.0.1:0"], 8081),
    "allowed": ([*RULE, "-m", ":8082=allow"], 8082),
    "unmatched": (RULE, 8083),
}


@pytest.mark.parametrize("kind", KINDS)
def test_10000_binds_succeed_under_a_timer_of_1_ms(runner, probe, kind):
    options, port = KINDS[kind]
    process = runner.force_bind(options, [probe, "bind-under-timer", port, "10000"], [tcp_socket()])
    assert process.wait(60) == 0
    assert process.stdout.strip() == "0"


@pytest.mark.parametrize("kind", ["adopted", "unmatched"])
def test_32_threads_bind_at_once(runner, probe, kind):
    options, port = KINDS[kind]
    # An unmatched port is bound by one thread at a time only, natively, too: so let the kernel choose it.
    process = runner.force_bind(options, [probe, "bind-in-threads", port if kind == "adopted" else 0, "32"],
                                [tcp_socket()])
    assert process.wait(60) == 0
    assert process.stdout.strip() == "0"


@pytest.mark.parametrize("options", [RULE, ["-m", ":8080=allow"], ["-m", "*=allow"], ["-m", ":9999=deny"], ["-a"]],
                         ids=lambda o: " ".join(o))
def test_malformed_calls_fail_as_natively(runner, probe, options):
    native = runner.run([probe, "malformed", "8080"])
    assert native.wait() == 0
    process = runner.force_bind(options, [probe, "malformed", "8080"], [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout == native.stdout
    assert "EFAULT" in native.stdout and "ENOTSOCK" in native.stdout


def test_unusual_lengths_and_families_are_adopted(runner, probe):
    process = runner.force_bind(RULE, [probe, "unusual", "8080"], [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.splitlines() == ["128 0", "unspecified 0"]


def test_kill_in_the_middle_of_binds_ends_the_supervisor(runner, probe):
    for _ in range(10):
        passed = tcp_socket()
        process = runner.force_bind(RULE, [probe, "bind-many", "8080", "1000000"], [passed])
        process.supervisor()
        process.wait_for_socket(passed)
        process.signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")




def memory_of(pid):
    """Private memory of a process in kB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


@pytest.mark.slow
def test_memory_is_flat_over_200000_binds(runner):
    process = runner.force_bind([*RULE, "-m", ":8081=127.0.0.1:0"], python("""
        import socket, sys
        def binds(n):
            for i in range(n):
                s = socket.socket(); s.bind(("0.0.0.0", 8080 + i % 2)); s.close()
        binds(2000); print("warm", flush=True); sys.stdin.readline()
        binds(200000); print("done", flush=True); sys.stdin.readline()
    """), [tcp_socket()], stdin=harness.subprocess.PIPE)
    supervisor = process.supervisor()
    harness.wait_until(lambda: "warm" in process.stdout)
    before, descriptors = memory_of(supervisor), len(os.listdir(f"/proc/{supervisor}/fd"))
    process.popen.stdin.write(b"go\n")
    process.popen.stdin.flush()
    harness.wait_until(lambda: "done" in process.stdout, deadline=180)
    assert memory_of(supervisor) <= before + 16
    assert len(os.listdir(f"/proc/{supervisor}/fd")) == descriptors
    process.popen.stdin.close()
    assert process.wait() == 0


def test_target_that_lowers_its_descriptor_limit_is_answered(runner):
    process = runner.force_bind(RULE, python("""
        import errno, resource, socket
        s = socket.socket(); resource.setrlimit(resource.RLIMIT_NOFILE, (s.fileno(), s.fileno()))
        try: s.bind(("0.0.0.0", 8080)); print("bound")
        except OSError as e: print(errno.errorcode[e.errno])
    """), [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.strip() in ("EBADF", "bound")


def test_log_that_nobody_reads_stops_no_bind(runner):
    read_end, write_end = os.pipe()
    process = runner.force_bind(["-v", "-m", ":0=127.0.0.1"], python("""
        import socket, sys
        for i in range(3000): s = socket.socket(); s.bind(("0.0.0.0", 0)); s.close()
        print("all bound", flush=True); sys.stdin.readline()
        s = socket.socket(); s.bind(("0.0.0.0", 0))
    """), stdin=harness.subprocess.PIPE, stderr=write_end)
    os.close(write_end)
    harness.wait_until(lambda: "all bound" in process.stdout)
    assert b"lost" not in os.read(read_end, 1 << 20)
    process.popen.stdin.write(b"go\n")
    process.popen.stdin.close()
    assert process.wait() == 0
    assert b"messages before this were lost" in os.read(read_end, 1 << 20)
    os.close(read_end)


def test_target_that_execs_while_threads_bind_is_answered(runner, probe):
    process = runner.force_bind(RULE, python(f"""
        import os, socket, threading
        def binds():
            while True: s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.close()
        for _ in range(4): threading.Thread(target=binds, daemon=True).start()
        os.execv({probe!r}, ["probe", "bind-many", "8080", "100"])
    """), [tcp_socket()])
    assert process.wait() == 0
    assert process.stdout.strip() == "0"
