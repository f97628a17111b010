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


def no_limits(socket):
    """systemd gives a socket up that starts its service more than 20 times in two seconds."""
    return {f"{socket}.d/limits.conf": "[Unit]\nStartLimitIntervalSec=0\n[Socket]\nTriggerLimitIntervalSec=0\n"}


class Load:
    """Clients that connect all the time to the machine's port, while the block runs."""

    def __init__(self, machine, port, request="hello"):
        self.machine, self.port, self.request = machine, port, request

    def __enter__(self):
        self.client = self.machine.start("/usr/bin/python3", "-c", LOAD, "127.0.0.1", str(self.port), "-", self.request,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.client.stdout.readline() == "started\n"
        return self

    def __exit__(self, *error):
        try:
            said, _ = self.client.communicate(timeout=60)
            if error[0] is None:
                self.counts = json.loads(said)
        finally:
            self.client.kill()
            self.client.wait()

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


# --- under load -------------------------------------------------------------------------------------------------

# Port, request, Listen=, and of how many clients at a time the daemon drops what it has accepted when it ends: nginx
# answers them all, redis none (of four)
DAEMONS = {"nginx.service": (80, "GET / HTTP/1.0\\r\\n\\r\\n", "tcp:80", 0),
           "redis-server.service": (6379, "PING\\r\\n", "tcp:127.0.0.1:6379", 4)}


@pytest.mark.parametrize("name", DAEMONS)
def test_daemon_restarts_200_times_and_nobody_is_refused(machine, units, name):
    port, request, listen, dropped = DAEMONS[name]
    units({f"{name}.d/socket.conf": f"[Unit]\nStartLimitIntervalSec=0\n[X-ForceBind]\nListen={listen}\n"})
    machine.systemctl("start", name.replace(".service", ".socket"))
    with Load(machine, port, request) as load:
        repeat(machine, times(200), f"systemctl restart {name}")
    load.nobody_was_refused(times(200), resets_allowed=dropped * times(200))
    told = machine.journal("-u", name)
    assert "left-over process" not in told and "(force-bind) with signal SIGKILL" not in told
    machine.systemctl("stop", name.replace(".service", ".socket"), name)


def test_killed_service_comes_back_100_times_and_nobody_is_refused(machine, units):
    units({"test-kill.service": service(7210, "Restart=always\nRestartSec=0\n"), **no_limits("test-kill.socket")})
    machine.systemctl("start", "test-kill.socket")
    with Load(machine, 7210) as load:
        repeat(machine, times(100), KILL.replace("$unit", "test-kill.service") +
               " && until systemctl -q is-active test-kill.service; do :; done")
    load.nobody_was_refused(times(100), resets_allowed=4 * times(100))  # accepted, then killed: one for each client
    assert machine.systemctl("is-active", "test-kill.socket") == "active"


def test_manager_reloads_and_re_executes_under_load(machine, units):
    units({"test-reload.service": service(7211)})
    machine.systemctl("start", "test-reload.socket")
    with Load(machine, 7211) as load:
        pid = ask(machine, 7211)
        repeat(machine, times(5), "systemctl daemon-reload")
        repeat(machine, times(5), "systemctl daemon-reexec")
        assert machine.show("test-reload.service", "MainPID") == pid
        repeat(machine, times(5), "systemctl restart test-reload.service")
    load.nobody_was_refused(100, resets_allowed=4 * times(5))
    assert machine.show("test-reload.service", "StatusText") == "1 socket adopted, 0 bound"


def test_socket_unit_restarts_with_its_service(machine, units):
    units({"test-socket.service": service(7212), **no_limits("test-socket.socket")})
    machine.systemctl("start", "test-socket.socket")
    for _ in range(times(10)):
        pid = ask(machine, 7212)
        # As with any socket: it closes, and does not open again while its service runs; that serves on
        assert machine.run("systemctl", "restart", "test-socket.socket", check=False).returncode != 0
        assert ask(machine, 7212) == pid
        machine.systemctl("stop", "test-socket.service")
        machine.systemctl("restart", "test-socket.socket")
        assert ask(machine, 7212) == machine.show("test-socket.service", "MainPID") != pid
    assert len(machine.run("ss", "-ltnH", "sport = :7212").stdout.splitlines()) == 1


def test_100_services_started_by_their_clients_at_once(machine, units):
    n = times(100)
    units({"test-storm@.service": service("%i")})
    sockets = [f"test-storm@{7300 + i}.socket" for i in range(n)]
    machine.systemctl("start", *sockets)
    machine.run("bash", "-c", f"""
        for port in $(seq 7300 {7300 + n - 1}); do
            (exec 3<>/dev/tcp/127.0.0.1/$port && echo >&3 && timeout 60 cat <&3 >/run/storm.$port) &
        done; wait""", timeout=120)
    answers = machine.run("bash", "-c", "cat /run/storm.* && echo; grep -c . /run/storm.* | grep -vc :1$; rm /run/storm.*", check=False)
    assert answers.stdout.split()[-1] == "0", answers.stdout
    assert machine.systemctl("list-units", "--failed", "--no-legend", "test-storm@*") == ""
    machine.systemctl("stop", *sockets, *[s.replace(".socket", ".service") for s in sockets])
    no_process_left(machine)


@pytest.mark.parametrize("mode", ["control-group", "mixed", "process"])
def test_quick_starts_and_stops_leave_nothing(machine, units, mode):
    units({"test-quick.service": service(7213, f"KillMode={mode}\n")})
    machine.systemctl("start", "test-quick.socket")
    repeat(machine, times(20), "systemctl start test-quick.service && systemctl stop test-quick.service")
    repeat(machine, times(20), "systemctl start --no-block test-quick.service && systemctl stop test-quick.service")
    no_process_left(machine)
    assert machine.systemctl("is-failed", "test-quick.service", check=False) == "inactive"
    assert ask(machine, 7213) == machine.show("test-quick.service", "MainPID")


def test_1000_clients_that_connect_while_it_is_stopped_are_answered(machine, units):
    units({"test-queue.service": service(7214), "test-queue.socket.d/more.conf": "[Socket]\nBacklog=4096\n"})
    machine.systemctl("start", "test-queue.socket")
    answered = machine.run("/usr/bin/python3", "-c", f"""if True:
        import socket
        clients = [socket.create_connection(("127.0.0.1", 7214)) for _ in range({times(1000)})]
        for c in clients: c.sendall(b"hello")
        print(sum(bool(c.recv(100)) for c in clients))""").stdout.strip()
    assert answered == str(times(1000))


# --- the supervisor ---------------------------------------------------------------------------------------------


def supervisor_of(machine, unit):
    return next(pid for pid in machine.pids(unit) if machine.run("cat", f"/proc/{pid}/comm").stdout.strip() == "force-bind")


def test_supervisor_keeps_nothing_of_what_it_answers(machine, units):
    program = script(machine, "rebinds", """
        import os, socket
        while True:
            for _ in range(200):
                s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", 7215)); s.listen(5)
                t = socket.socket(); t.bind(("127.0.0.1", 0)); t.close()
                if os.fork() == 0: os._exit(0)
                os.wait()
                if _ < 199: s.close()
            c = s.accept()[0]; c.recv(100); c.sendall(b"again"); c.close(); s.close()
    """)
    units({"test-rebind.service": f"[Service]\nExecStart={program}\n[X-ForceBind]\nListen=tcp:127.0.0.1:7215\n"})
    machine.systemctl("start", "test-rebind.socket")

    def used(what):
        return machine.run("bash", "-c", what.format(supervisor)).stdout

    ask(machine, 7215)
    supervisor = supervisor_of(machine, "test-rebind.service")
    memory = "grep -E 'VmData|VmRSS' /proc/{}/status"
    ask(machine, 7215)
    before = used(memory)
    for _ in range(times(10)):
        ask(machine, 7215)
    assert used(memory) == before
    # stdin to stderr, the listener, the passed socket, the first process, the thread that has called last
    harness.wait_until(lambda: used("ls /proc/{}/fd").split() and len(used("ls /proc/{}/fd").split()) == 7)


@pytest.mark.parametrize("restart", ["no", "always"])
def test_service_without_its_supervisor_serves_on_and_has_a_new_one_when_it_restarts(machine, units, restart):
    units({"test-orphan.service": service(7216, f"Restart={restart}\nRestartSec=0\n")})
    machine.systemctl("start", "test-orphan.socket")
    pid = ask(machine, 7216)
    machine.run("kill", "-KILL", str(supervisor_of(machine, "test-orphan.service")))
    assert ask(machine, 7216) == pid
    machine.systemctl("restart", "test-orphan.service")
    assert ask(machine, 7216) != pid
    supervisor_of(machine, "test-orphan.service")


def test_machines_do_not_meet_in_control_groups(machine, units):
    with Machine(harness.FORCE_BIND) as other:
        for m in (machine, other):
            m.write("/etc/systemd/system/test-same.service", "[Service]\nExecStart=/bin/sleep 1000\n")
            m.systemctl("daemon-reload")
            m.systemctl("start", "test-same.service")
            assert m.pids("test-same.service") == [int(m.show("test-same.service", "MainPID"))]
    units.written.append("test-same.service")
