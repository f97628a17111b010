# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that start, stop, crash and come back, many times and all at once, with clients that never stop asking:
nobody is refused, and nothing is left. FORCE_BIND_STRESS multiplies the numbers, for longer runs."""
import json
import os
import subprocess

import harness
import pytest
import roots
from machine import Machine
from test_systemd import LOAD, no_process_left, script
from test_units import RELEASES, Units, ask

pytestmark = [pytest.mark.systemd, pytest.mark.slow]

FACTOR = float(os.environ.get("FORCE_BIND_STRESS", "1"))


def times(n):
    return max(2, int(n * FACTOR))


# One thread for each client, so that a slow one keeps nobody waiting
SERVER = """
    import os, signal, socket, sys, threading
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(5)
    def serve(c):
        with c: c.recv(100); c.sendall(str(os.getpid()).encode())
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],)).start()
"""


@pytest.fixture(scope="module")
def machine():
    with Machine(harness.FORCE_BIND) as booted:
        script(booted, "server", SERVER)
        yield booted


@pytest.fixture(scope="module", params=RELEASES)
def each_machine(request):
    release = RELEASES[request.param]
    with Machine(harness.FORCE_BIND, roots.root(release) if release else "/") as booted:
        script(booted, "server", SERVER)
        yield booted


@pytest.fixture
def units(machine):
    u = Units(machine)
    yield u
    u.close()
    no_process_left(machine)


def service(port, settings=""):
    return (f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{settings}ExecStart=/usr/local/bin/server {port}\n"
            f"[X-ForceBind]\nListen=tcp:127.0.0.1:{port}\n")


class Load:
    """Clients that connect all the time to the machine's port, while the block runs. Ended by a file."""

    def __init__(self, machine, port, request="hello"):
        self.machine, self.port, self.request = machine, port, request

    def __enter__(self):
        self.machine.run("rm", "-f", "/run/load-is-over")
        code = LOAD.replace("time.monotonic() < end", 'not __import__("os").path.exists("/run/load-is-over")')
        self.client = self.machine.start("/usr/bin/python3", "-c", code, "127.0.0.1", str(self.port), "0", self.request,
                                         stdout=subprocess.PIPE)
        assert self.client.stdout.readline() == "started\n"
        return self

    def __exit__(self, *error):
        self.machine.run("touch", "/run/load-is-over")
        try:
            if error[0] is None:
                self.counts = json.loads(self.client.stdout.readline())
        finally:
            self.client.kill()
            self.client.wait()
            self.client.stdout.close()

    def nobody_was_refused(self, answered, resets_allowed=0):
        counts = self.counts
        assert counts["answered"] >= answered, counts
        assert counts["refused"] == 0 and counts["other"] == 0, counts
        assert counts["reset"] + counts["empty"] <= resets_allowed, counts


def repeat(machine, n, command):
    """Runs a shell command n times inside; the first failure ends it."""
    machine.run("bash", "-c", f"for i in $(seq {n}); do {command} || {{ echo in round $i; exit 1; }}; done", timeout=60 + n * 2)


# --- KillMode= --------------------------------------------------------------------------------------------------


RESTART = "systemctl restart $unit"
KILL = """pid=$(systemctl show -P MainPID $unit) && kill -KILL $pid &&
    until new=$(systemctl show -P MainPID $unit) && [ $new != 0 ] && [ $new != $pid ]; do :; done"""


@pytest.mark.parametrize("mode", ["control-group", "mixed", "process"])
@pytest.mark.parametrize("end", [RESTART, KILL], ids=["restarted", "killed"])
def test_supervisor_is_gone_before_the_next_start(each_machine, mode, end):
    name = f"test-{mode}-{'restarted' if end == RESTART else 'killed'}"  # the journal keeps what earlier ones told
    units = Units(each_machine)
    try:
        units({f"{name}.service": service(7200, f"KillMode={mode}\nRestart=always\nRestartSec=0\n")})
        each_machine.systemctl("start", f"{name}.socket")
        ask(each_machine, 7200)
        repeat(each_machine, times(40), end.replace("$unit", f"{name}.service"))
        told = each_machine.journal("-u", f"{name}.service")
    finally:
        units.close()
    assert "left-over process" not in told
    # After a crash, KillMode=mixed has whatever is left killed at once
    assert end == KILL or "(force-bind) with signal SIGKILL" not in told
    no_process_left(each_machine)


def test_supervisor_of_a_session_that_outlives_its_service_stays(machine, units):
    program = script(machine, "sessions", harness.textwrap.dedent(SERVER).replace(
        "while True:", "if os.fork() == 0: signal.pause()\nwhile True:"))
    units({"test-session.service": service(7201, "KillMode=process\n").replace("/usr/local/bin/server", program)})
    machine.systemctl("start", "test-session.socket")
    ask(machine, 7201)
    before = machine.pids("test-session.service")
    machine.systemctl("stop", "test-session.service")
    left = machine.run("pgrep", "-x", "force-bind|sessions").stdout.split()
    assert len(before) == 3 and len(left) == 2
    session = [pid for pid in left if "sessions" in machine.run("cat", f"/proc/{pid}/comm").stdout]
    machine.run("kill", "-KILL", *session)
