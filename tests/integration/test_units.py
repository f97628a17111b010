# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator under a real systemd, of three generations: what a drop-in of two lines does to a service, and what
the manager, the journal and the user see of it."""
import json

import harness
import pytest
import roots
from machine import Machine
from test_systemd import no_process_left, script, under_load

pytestmark = pytest.mark.systemd

RELEASES = {"252": None, "257": "trixie", "262": "forky"}

SERVER = """
    import os, socket, sys
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(5)
    while True:
        c, _ = s.accept(); c.recv(100); c.sendall(str(os.getpid()).encode()); c.close()
"""


@pytest.fixture(scope="module", params=[pytest.param(version, marks=[pytest.mark.slow] if release else [])
                                        for version, release in RELEASES.items()])
def machine(request):
    release = RELEASES[request.param]
    with Machine(harness.FORCE_BIND, roots.root(release) if release else "/") as booted:
        assert booted.run("systemctl", "--version").stdout.split()[1] >= request.param
        script(booted, "server", SERVER)
        yield booted


class Units:
    """Unit files of one test, by name or NAME.d/FILE.conf; removed afterwards."""

    def __init__(self, machine):
        self.machine = machine
        self.written = []

    def __call__(self, units):
        for name, text in units.items():
            self.machine.write("/etc/systemd/system/" + name, text)
            self.written.append(name)
        self.machine.systemctl("daemon-reload")

    def mask(self, name):
        self.machine.run("ln", "-s", "/dev/null", "/etc/systemd/system/" + name)
        self.written.append(name)
        self.machine.systemctl("daemon-reload")

    def remove(self, *names):
        for name in names:
            self.machine.run("rm", "-f", "/etc/systemd/system/" + name)
        self.machine.systemctl("daemon-reload")

    def close(self):
        names = {name.split(".d/")[0] for name in self.written}
        services = {name for name in names if name.endswith(".service")}
        sockets = {name[:-len(".service")] + ".socket" for name in services} | (names - services)
        globs = [name.replace("@.", "@*.") for name in [*sockets, *services]]
        # One by one: systemd 262 stops nothing if it does not know one of the names
        self.machine.run("sh", "-c", 'for unit; do systemctl stop "$unit"; systemctl reset-failed "$unit"; done', "stop", *globs, check=False)
        self.machine.run("rm", "-rf", *[f"/etc/systemd/system/{name}" for name in self.written])
        self.machine.systemctl("daemon-reload")


@pytest.fixture
def units(machine):
    u = Units(machine)
    yield u
    u.close()


def ask(machine, port, check=True):
    """What the server says: its PID."""
    return machine.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; echo >&3; cat <&3", check=check, timeout=30).stdout


def generated(machine):
    return machine.run("bash", "-c", "cd /run/systemd/generator && find . -name '*force-bind*' -o -name 'test-*' | sort").stdout.split()


TWO_LINES = "[X-ForceBind]\nListen=tcp:127.0.0.1:7100\n"
SIMPLE = {"test-a.service": "[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 7100\n",
          "test-a.service.d/socket.conf": TWO_LINES}


def test_two_lines_start_the_service_with_its_first_client(machine, units):
    units(SIMPLE)
    machine.systemctl("start", "test-a.socket")
    assert machine.systemctl("is-active", "test-a.service", check=False) == "inactive"
    pid = ask(machine, 7100)
    assert machine.show("test-a.service", "MainPID") == pid
    assert machine.show("test-a.service", "StatusText") == "1 socket adopted, 0 bound"
    assert machine.show("test-a.service", "TriggeredBy") == "test-a.socket"
    listening = machine.run("ss", "-ltnH", "sport = :7100").stdout.splitlines()
    assert len(listening) == 1, listening


def test_status_and_cat_read_as_of_a_service_that_always_was_socket_activated(machine, units):
    units(SIMPLE)
    machine.systemctl("start", "test-a.socket")
    ask(machine, 7100)
    status = machine.systemctl("status", "test-a.service")
    assert "Loaded: loaded (/etc/systemd/system/test-a.service;" in status
    assert "Status: \"1 socket adopted, 0 bound\"" in status
    assert "TriggeredBy: ● test-a.socket" in status
    text = machine.systemctl("cat", "test-a.service")
    assert "# because of /etc/systemd/system/test-a.service.d/socket.conf:2" in text
    assert "ExecStart=/usr/bin/force-bind --auto --ready=listen -- /usr/local/bin/server 127.0.0.1 7100" in text
    assert "force-bind" not in machine.journal("-u", "test-a.service")


def test_journal_shows_the_programs_own_name(machine, units):
    program = script(machine, "talker", SERVER.replace("s.bind", 'print("hello", flush=True); s.bind'))
    units({"test-talk.service": f"[Service]\nExecStart={program} 127.0.0.1 7101\n",
           "test-talk.service.d/socket.conf": "[X-ForceBind]\nListen=tcp:127.0.0.1:7101\nVerbose=yes\n"})
    machine.systemctl("start", "test-talk.socket")
    ask(machine, 7101)
    entries = [json.loads(line) for line in machine.journal("-u", "test-talk.service", "-o", "json").splitlines()]
    assert [e for e in entries if e.get("SYSLOG_IDENTIFIER") == "talker" and e["MESSAGE"] == "hello"]
    adopted = [e for e in entries if e.get("FORCE_BIND_RESULT", "").startswith("adopted sd=0 test-talk.socket")]
    assert adopted and adopted[-1]["FORCE_BIND_RULE"] == "auto"


@pytest.mark.parametrize("access", ["", "NotifyAccess=main\n"])
def test_forking_service_without_pid_file_has_its_main_process(machine, units, access):
    program = script(machine, "forker", "import os, socket\nif os.fork(): os._exit(0)\n" + harness.textwrap.dedent(SERVER))
    units({"test-fork.service": f"[Service]\nType=forking\n{access}ExecStart={program} 127.0.0.1 7102\n",
           "test-fork.service.d/socket.conf": "[X-ForceBind]\nListen=tcp:127.0.0.1:7102\n"})
    machine.systemctl("start", "test-fork.socket")
    pid = ask(machine, 7102)
    harness.wait_until(lambda: machine.show("test-fork.service", "MainPID") == pid)
    assert machine.show("test-fork.service", "StatusText") == "1 socket adopted, 0 bound"


HARD = """
[Service]
User=nobody
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
{error}
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectProc=invisible
ProcSubset=pid
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_INET
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
NoExecPaths=/
ExecPaths=/usr/local/bin/hard /usr/bin /usr/lib /lib
UMask=0077
ExecStart=/usr/local/bin/hard 0.0.0.0 81
[X-ForceBind]
Listen=tcp:0.0.0.0:81
"""


def test_hardened_service_is_served_and_its_sandbox_is_closed_again(machine, units):
    script(machine, "hard", """
        import ctypes, socket, sys
        libc = ctypes.CDLL(None, use_errno=True)
        s = socket.socket(); s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(5)
        while True:
            c, _ = s.accept(); c.recv(100)
            libc.syscall(438, -1, 0, 0); answer = [ctypes.get_errno()]
            libc.syscall(317, 2, 0, None); answer.append(ctypes.get_errno())  # seccomp(SECCOMP_GET_ACTION_AVAIL, NULL)
            try: socket.socket(socket.AF_UNIX)
            except OSError as e: answer.append(e.errno)
            c.sendall(repr(answer).encode()); c.close()
    """)
    units({"test-hard.service": HARD.format(error="SystemCallErrorNumber=EPERM")})
    machine.systemctl("start", "test-hard.socket")
    groups = machine.run("systemd-analyze", "syscall-filter", "@default").stdout.split()
    seccomp = 14 if "@sandbox" in groups else 1  # EFAULT: this systemd's allow-lists have seccomp() by default
    assert ask(machine, 81) == f"[1, {seccomp}, 97]", machine.journal("-u", "test-hard.service")


def test_closed_call_ends_the_program_where_the_unit_says_no_errno(machine, units):
    script(machine, "hard", """
        import ctypes, socket, sys
        s = socket.socket(); s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(5)
        s.accept(); ctypes.CDLL(None).syscall(438, -1, 0, 0)
    """)
    units({"test-hard.service": HARD.format(error="StartLimitBurst=1")})
    machine.systemctl("start", "test-hard.socket")
    ask(machine, 81, check=False)
    harness.wait_until(lambda: machine.show("test-hard.service", "ExecMainStatus") == "31")  # SIGSYS


@pytest.mark.parametrize("sandbox", ["DynamicUser=yes\nProtectProc=noaccess", "Delegate=yes", "User=nobody\nNoNewPrivileges=yes\nPrivateNetwork=yes",
                                     "TemporaryFileSystem=/usr/bin:ro\nBindReadOnlyPaths=/usr/bin/python3 -/usr/bin/python3.11 -/usr/bin/python3.13 "
                                     "-/usr/bin/python3.14"], ids=["dynamic user", "delegation", "no network", "hidden helper"])
def test_service_with_this_sandbox_is_served(machine, units, sandbox):
    units({"test-box.service": f"[Service]\n{sandbox}\nExecStart=/usr/local/bin/server 127.0.0.1 7111\n[X-ForceBind]\nListen=tcp:127.0.0.1:7111\n"})
    machine.systemctl("start", "test-box.socket")
    pid = ask(machine, 7111)
    assert machine.show("test-box.service", "MainPID") == pid
    assert machine.show("test-box.service", "StatusText") == "1 socket adopted, 0 bound"


STRICT_SERVER = """
    import os, socket, sys
    s = socket.socket(); s.bind(("0.0.0.0", 83)); s.listen(5)
    try: socket.socket().bind(("127.0.0.1", 7113)); answer = "bound"
    except OSError as e: answer = os.strerror(e.errno)
    while True:
        c, _ = s.accept(); c.recv(100); c.sendall(answer.encode()); c.close()
"""


@pytest.mark.parametrize("hard", [False, True], ids=["plain", "hard"])
def test_strict_service_is_served_and_has_nothing_else(machine, units, hard):
    """With its passed socket, and where it binds by itself; in the sandbox of HARD, too."""
    sandbox = HARD.format(error="SystemCallErrorNumber=EPERM").split("UMask=")[0] if hard else "[Service]\n"
    command = f"ExecStart={script(machine, 'hard', STRICT_SERVER)}\n[X-ForceBind]\nStrict=yes\n"
    units({"test-strict.service": sandbox + command + "Listen=tcp:127.0.0.1:7112\nRule=tcp:83=sd=test-strict.socket\n"})
    machine.systemctl("start", "test-strict.socket")
    assert ask(machine, 7112, check=False) == "Permission denied", machine.journal("-u", "test-strict.service")
    assert machine.show("test-strict.service", "StatusText") == "1 socket adopted, 0 bound"
    machine.systemctl("stop", "test-strict.socket", "test-strict.service")
    if not hard:
        units({"test-strict.service": sandbox + command + "Rule=tcp:83=allow\n"})
        machine.systemctl("start", "test-strict.service")
        assert ask(machine, 83) == "Permission denied"


@pytest.mark.parametrize("bounding", ["CAP_SETUID CAP_SETGID CAP_NET_BIND_SERVICE", "~CAP_SYS_PTRACE", "~CAP_SYS_PTRACE\nUser=nobody"])
def test_service_that_becomes_another_user_before_it_binds_is_served_with_its_own_capabilities(machine, units, bounding):
    program = script(machine, "drops", """
        import os, socket
        bounding = [l for l in open("/proc/self/status") if l.startswith("CapBnd")][0].split()[1]
        os.setgid(65534); os.setuid(65534)
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", 7110)); s.listen(5)
        while True:
            c, _ = s.accept(); c.recv(10); c.sendall(bounding.encode()); c.close()
    """)
    seen = []
    for ours in ("", "[X-ForceBind]\nListen=tcp:127.0.0.1:7110\n"):
        units({"test-drops.service": f"[Service]\nCapabilityBoundingSet={bounding}\n"
               f"ExecStart={'!' if 'User=' in bounding else ''}{program}\n{ours}"})
        machine.systemctl("start", "test-drops.socket" if ours else "test-drops.service")
        seen.append(harness.wait_until(lambda: ask(machine, 7110, check=False), machine.journal("-u", "test-drops.service")))
        if not ours:
            machine.systemctl("stop", "test-drops.service")
    assert seen[0] == seen[1]
    assert machine.show("test-drops.service", "StatusText") == "1 socket adopted, 0 bound"


def test_instance_of_a_template_starts_by_its_own_socket(machine, units):
    units({"test-t@.service": "[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 %i\n[Install]\nWantedBy=multi-user.target\n",
           "test-t@.service.d/socket.conf": "[X-ForceBind]\nListen=tcp:127.0.0.1:%i\n"})
    machine.systemctl("enable", "test-t@7103.service")
    try:
        machine.systemctl("daemon-reload")
        assert "./sockets.target.wants/test-t@7103.socket" in generated(machine)
        machine.systemctl("start", "test-t@7103.socket", "test-t@7104.socket")
        for port in (7103, 7104):
            pid = ask(machine, port)
            assert machine.show(f"test-t@{port}.service", "MainPID") == pid
    finally:
        machine.systemctl("disable", "test-t@7103.service")


ENDS = """
    import os, signal, socket, sys
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 7105)); s.listen(5)
    c, _ = s.accept(); end = c.recv(100).decode().split(); c.close()
    if end[0] == "exit": os._exit(int(end[1]))
    os.kill(os.getpid(), int(end[1]))
"""


@pytest.mark.parametrize("restart", ["no", "on-failure"])
@pytest.mark.parametrize("end", ["exit 0", "exit 3", "kill 11", "kill 15"])
def test_end_of_the_service_shows_as_without_us(machine, units, end, restart):
    program = script(machine, "ends", ENDS)
    seen = {}
    for wrapped in (False, True):
        units({"test-end.service": ("[X-ForceBind]\nAuto=yes\n" if wrapped else "") +
               f"[Service]\nType=exec\nRestart={restart}\nRestartSec=10min\nExecStart={program}\n"})
        machine.systemctl("start", "test-end.service")
        assert ("force-bind" in machine.show("test-end.service", "ExecStart")) == wrapped
        harness.wait_until(lambda: machine.run("bash", "-c", f"echo {end} >/dev/tcp/127.0.0.1/7105", check=False).returncode == 0)
        harness.wait_until(lambda: machine.show("test-end.service", "SubState") in ("failed", "dead", "auto-restart"))
        seen[wrapped] = [machine.show("test-end.service", key)
                         for key in ("ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus")]
        machine.systemctl("stop", "test-end.service")
        machine.systemctl("reset-failed", "test-end.service", check=False)
    assert seen[True] == seen[False]


@pytest.mark.parametrize("end", ["exit 3", "kill -SEGV $$$$"])
def test_failure_to_start_shows_as_without_us(machine, units, end):
    seen = {}
    for wrapped in (False, True):
        units({"test-fail.service": "[Unit]\nStartLimitBurst=3\n[Service]\n" + ("X-ForceBind=yes\n" if wrapped else "") +
               f"Restart=on-failure\nRestartSec=0\nExecStart=/bin/sh -c '{end}'\n"})
        machine.systemctl("start", "test-fail.service", check=False)
        harness.wait_until(lambda: machine.show("test-fail.service", "SubState") == "failed")
        seen[wrapped] = [machine.show("test-fail.service", key)
                         for key in ("Result", "ExecMainCode", "ExecMainStatus", "NRestarts")]
        machine.systemctl("reset-failed", "test-fail.service", check=False)
    assert seen[True] == seen[False]


def test_restart_refuses_nobody(machine, units):
    units(SIMPLE)
    machine.systemctl("start", "test-a.socket")
    counts = under_load(machine, 7100, "hello", 8, "test-a.service")
    assert counts["answered"] > 100 and counts["refused"] == 0 and counts["other"] == 0, counts
    assert "left-over process" not in machine.journal("-u", "test-a.service")


def test_wrong_setting_leaves_its_service_and_is_told_with_its_place(machine, units):
    units({**SIMPLE, "test-wrong.service": "[Service]\nX-ForceBind=:99999=sd=0\nExecStart=/bin/sleep 1000\n"})
    assert machine.show("test-wrong.service", "ExecStart").count("force-bind") == 0
    assert "force-bind" in machine.show("test-a.service", "ExecStart")
    told = machine.generator_said()
    assert '/etc/systemd/system/test-wrong.service:2: rule ":99999=sd=0", column 2: expected a port' in told
    assert machine.systemctl("start", "test-wrong.service", check=False) == ""
    assert machine.systemctl("is-active", "test-wrong.service") == "active"


def test_reloading_100_times_changes_nothing(machine, units):
    units(SIMPLE)
    machine.systemctl("start", "test-a.socket")
    pid = ask(machine, 7100)
    files = generated(machine)
    machine.run("bash", "-c", "for i in $(seq 100); do systemctl daemon-reload || exit; done", timeout=300)
    assert generated(machine) == files and ask(machine, 7100) == pid


def test_drop_in_that_is_removed_leaves_nothing(machine, units):
    before = generated(machine)
    units(SIMPLE)
    machine.systemctl("start", "test-a.socket")
    ask(machine, 7100)
    machine.systemctl("stop", "test-a.socket", "test-a.service")
    no_process_left(machine)
    units.remove("test-a.service.d/socket.conf")
    assert generated(machine) == before
    assert "force-bind" not in machine.show("test-a.service", "ExecStart")


def test_settings_added_while_it_runs_hold_from_the_next_start(machine, units):
    units({"test-a.service": SIMPLE["test-a.service"]})
    machine.systemctl("start", "test-a.service")
    first = harness.wait_until(lambda: ask(machine, 7100, check=False))
    units({"test-a.service.d/socket.conf": TWO_LINES})
    assert ask(machine, 7100) == first
    machine.systemctl("stop", "test-a.service")
    machine.systemctl("start", "test-a.socket")
    assert ask(machine, 7100) != first
    assert machine.show("test-a.service", "StatusText") == "1 socket adopted, 0 bound"


@pytest.mark.parametrize("off", [{"test-a.service.d/zz-off.conf": "[Service]\nX-ForceBind=no\n[X-ForceBind]\nListen=\n"},
                                 {"test-a.service.d/zzz-force-bind.conf": ""}], ids=["by a setting", "by a mask"])
def test_one_service_can_be_switched_off(machine, units, off):
    units({**SIMPLE, **off})
    assert "force-bind" not in machine.show("test-a.service", "ExecStart")


def test_service_started_without_its_socket_really_binds(machine, units):
    units(SIMPLE)
    units.mask("test-a.socket")
    machine.systemctl("start", "test-a.service")
    assert ask(machine, 7100) == machine.show("test-a.service", "MainPID")
    assert machine.show("test-a.service", "StatusText") == "0 sockets adopted, 0 bound"


def test_both_families_apart_need_two_socket_units(machine, units):
    units({"test-two.service": "[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 7106\n"
           "[X-ForceBind]\nListen=tcp:7106\nListen=tcp:[::]:7107\nReady=no\n"})
    machine.systemctl("start", "test-two.socket", "test-two-ipv6.socket")
    text = machine.run("ss", "-ltnH").stdout
    assert "*:7106" in text and "[::]:7107" in text
    assert machine.show("test-two.service", "TriggeredBy").split() in (
        ["test-two-ipv6.socket", "test-two.socket"], ["test-two.socket", "test-two-ipv6.socket"])


def test_verify_has_no_complaint(machine, units):
    units({**SIMPLE, "test-t@.service": "[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 %i\n[X-ForceBind]\nListen=tcp:127.0.0.1:%i\n"})
    result = machine.run("systemd-analyze", "verify", "--generators=yes", "test-a.service", "test-a.socket", "test-t@7108.service",
                         "test-t@7108.socket", check=False)
    told = [line for line in result.stderr.splitlines() if "test-" in line or "force-bind" in line]
    assert (result.returncode, result.stdout, told) == (0, "", [])


def test_user_manager_has_the_generator_as_well(machine, units):
    machine.run("bash", "-c", "mkdir -p /run/user-test /root/.config/systemd/user/test-u.service.d")
    machine.write("/root/.config/systemd/user/test-u.service", "[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 7109\n")
    machine.write("/root/.config/systemd/user/test-u.service.d/socket.conf", "[X-ForceBind]\nListen=tcp:127.0.0.1:7109\n")
    units({"test-user-manager.service": "[Service]\nType=notify\nDelegate=yes\nEnvironment=HOME=/root XDG_RUNTIME_DIR=/run/user-test\n"
           "ExecStart=/lib/systemd/systemd --user\nKillMode=mixed\n"})
    machine.systemctl("start", "test-user-manager.service")

    def user(*arguments, check=True):
        return machine.run("env", "HOME=/root", "XDG_RUNTIME_DIR=/run/user-test", "systemctl", "--user", *arguments, check=check).stdout.strip()

    try:
        user("start", "test-u.socket")
        pid = ask(machine, 7109)
        assert user("show", "-P", "MainPID", "test-u.service") == pid
        assert user("show", "-P", "StatusText", "test-u.service") == "1 socket adopted, 0 bound"
    finally:
        machine.systemctl("stop", "test-user-manager.service")
        machine.run("rm", "-r", "/root/.config/systemd/user")
