# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every Type= of service, under systemd of three generations: the life of each with a drop-in of ours is the same as
without, but that its first client starts it."""
from pathlib import Path

import harness
import pytest
from test_units import ask, machine, units  # noqa: F401

pytestmark = pytest.mark.systemd

EVERYTHING = Path(__file__).parent / "servers" / "everything.py"
PROGRAM = "/usr/local/bin/everything"
PORT = 7200
OURS = f"[X-ForceBind]\nListen=tcp:127.0.0.1:{PORT}\n"
PID_FILE = "/run/test-type.pid"
BUS_NAME = "org.example.ForceBindTest"

# Settings of the service, the program's words
TYPES = {
    "simple": ("Type=simple", ""),
    "exec": ("Type=exec", ""),
    "idle": ("Type=idle", ""),
    "forking with PIDFile": (f"Type=forking\nPIDFile={PID_FILE}", f"fork pidfile={PID_FILE}"),
    "forking with PIDFile and NotifyAccess": (f"Type=forking\nNotifyAccess=main\nPIDFile={PID_FILE}", f"fork pidfile={PID_FILE}"),
    "forking with PIDFile and a worker": (f"Type=forking\nPIDFile={PID_FILE}", f"fork worker pidfile={PID_FILE}"),
    "forking": ("Type=forking", "fork"),
    "forking without guessing": ("Type=forking\nGuessMainPID=no", "fork"),
    "notify": ("Type=notify", "notify"),
    "notify from the background": ("Type=notify\nNotifyAccess=all", "fork notify"),
    "notify with watchdog": ("Type=notify\nWatchdogSec=2min", "notify"),
    "notify-reload": ("Type=notify-reload\nNotifyAccess=main", "notify"),
    "dbus": (f"BusName={BUS_NAME}", f"bus={BUS_NAME}"),
    "oneshot": ("Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true", "fork"),
}


@pytest.fixture(scope="module", autouse=True)
def program(machine):  # noqa: F811
    machine.write(PROGRAM, EVERYTHING.read_text(), 0o755)
    machine.write("/etc/dbus-1/system.d/force-bind-test.conf",
                  f'<busconfig><policy user="root"><allow own="{BUS_NAME}"/></policy></busconfig>')
    machine.systemctl("reload-or-restart", "dbus.service")


def say(machine, words, check=True):  # noqa: F811
    """[PID, generation] of who answers."""
    return machine.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}; echo {words} >&3; cat <&3", check=check, timeout=30).stdout.split()


def states(machine, *keys):  # noqa: F811
    text = machine.systemctl("show", "test-type.service", *[f"-p{key}" for key in keys])
    return dict(line.split("=", 1) for line in text.splitlines())


ENDED = ("ActiveState", "SubState", "Result", "NRestarts", "ExecMainCode", "ExecMainStatus")


def life(machine, by_client, reload):  # noqa: F811
    """Starts the service and lives through a reload and a stop; what was seen."""
    seen = []
    if not by_client:
        machine.systemctl("start", "test-type.service")
    pid, _ = harness.wait_until(lambda: say(machine, "hello", check=by_client))
    harness.wait_until(lambda: states(machine, "ActiveState")["ActiveState"] == "active")
    at = states(machine, "ActiveState", "SubState", "MainPID", "Result")
    at["MainPID"] = {"0": "none", pid: "right"}.get(at["MainPID"], "wrong")
    seen.append(at)
    if reload:
        machine.systemctl("reload", "test-type.service")
        seen.append(harness.wait_until(lambda: say(machine, "hello") == [pid, "1"]))
        seen.append(states(machine, "ActiveState", "SubState"))
    machine.systemctl("stop", *(["test-type.socket"] if by_client else []), "test-type.service")
    seen.append(states(machine, "ActiveState", "SubState", "Result"))
    assert machine.pids("test-type.service") == []
    return seen


@pytest.mark.parametrize("kind", TYPES)
def test_service_of_this_type_lives_as_it_did(machine, units, kind):  # noqa: F811
    settings, words = TYPES[kind]
    reload = kind not in ("oneshot", "forking without guessing")
    text = f"[Service]\n{settings}\nExecStart={PROGRAM} {words} {PORT}\n"
    if reload and kind != "notify-reload":
        text += "ExecReload=/bin/kill -HUP $MAINPID\n"
    if kind == "notify-reload" and machine.systemctl("--version").split()[1] < "253":
        reload = False  # it is "simple" there
    units({"test-type.service": text})
    native = life(machine, False, reload)
    assert native[0]["MainPID"] == ("right" if reload or kind == "notify-reload" else "none"), native

    units({"test-type.service": text + OURS})
    machine.systemctl("start", "test-type.socket")
    activated = life(machine, True, reload)
    if native[0]["MainPID"] == "none" and activated[0]["MainPID"] == "right":
        native[0]["MainPID"] = "right"  # we know better
    assert activated == native
    # Started again by its socket, and once more without it
    machine.systemctl("start", "test-type.socket")
    assert life(machine, True, reload) == native
    units.mask("test-type.socket")
    assert life(machine, False, reload) == native
    journal = machine.journal("-u", "test-type.service", "-b")
    assert "eft-over process" not in journal, journal
    assert kind == "oneshot" or "force-bind" not in journal, journal  # its other command adopts nothing, and that is told


ENDS = {"simple": TYPES["simple"], "forking": TYPES["forking with PIDFile"], "notify": TYPES["notify"], "dbus": TYPES["dbus"]}


@pytest.mark.parametrize("kind", ENDS)
def test_end_of_a_service_of_this_type_shows_as_it_did(machine, units, kind):  # noqa: F811
    settings, words = ENDS[kind]
    seen = {}
    for ours in ("", OURS):
        units({"test-type.service": f"[Unit]\nStartLimitBurst=100\n[Service]\n{settings}\nExecStart={PROGRAM} {words} {PORT}\n"
               f"Restart=on-failure\nRestartSec=0\n{ours}"})
        seen[ours] = []
        for end in ("exit 3", "kill 9", "kill 11", "exit 0"):
            if states(machine, "ActiveState")["ActiveState"] != "active":
                machine.systemctl("start", "test-type.service")
            pid, _ = harness.wait_until(lambda: say(machine, end, check=False))
            # The client that asks is what starts it again, or waits for it: so the end is looked at after the restart
            harness.wait_until(lambda: states(machine, "MainPID")["MainPID"] != pid and
                               states(machine, "ActiveState")["ActiveState"] in ("active", "inactive"))
            seen[ours].append((end, states(machine, "ActiveState", "SubState", *([] if end == "exit 0" else ["NRestarts"]))))
        machine.systemctl("stop", *(["test-type.socket"] if ours else []), "test-type.service")
    assert [at.get("NRestarts") for _, at in seen[""]] == ["1", "2", "3", None]
    assert seen[OURS] == seen[""]


def test_watchdog_ends_the_service_that_hangs(machine, units):  # noqa: F811
    text = f"[Service]\nType=notify\nWatchdogSec=1s\nExecStart={PROGRAM} notify {PORT}\nRestart=no\n"
    seen = []
    for ours in ("", OURS):
        units({"test-type.service": text + ours})
        machine.systemctl("start", "test-type.service")
        say(machine, "hang")
        harness.wait_until(lambda: states(machine, "ActiveState")["ActiveState"] == "failed")
        seen.append(states(machine, *ENDED))
        machine.systemctl("stop", *(["test-type.socket"] if ours else []), "test-type.service")
        machine.systemctl("reset-failed", "test-type.service")
    assert seen[0]["Result"] == "watchdog" and seen[0] == seen[1]


def test_service_of_connections_that_systemd_accepts_is_refused_with_the_reason(machine, units):  # noqa: F811
    units({"test-accept.socket": f"[Socket]\nListenStream=127.0.0.1:{PORT}\nAccept=yes\nX-ForceBind=yes\n",
           "test-accept@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"})
    assert "test-accept@.service serves connections that systemd accepts itself (Accept=yes)" in machine.generator_said()
    machine.systemctl("start", "test-accept.socket")
    assert machine.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}; echo hello >&3; head -n 1 <&3").stdout == "hello\n"


def test_other_commands_and_transient_units_are_left_alone(machine, units):  # noqa: F811
    commands = {"ExecCondition": "/bin/true", "ExecStartPre": "/bin/true pre", "ExecStartPost": "/bin/true post", "ExecStop": "/bin/true stop",
                "ExecReload": "/bin/true reload", "ExecStopPost": "/bin/true after"}
    units({"test-type.service": f"[Service]\nExecStart={PROGRAM} {PORT}\n{OURS}[Service]\n" +
           "".join(f"{key}={value}\n" for key, value in commands.items())})
    machine.systemctl("start", "test-type.socket")
    say(machine, "hello")
    for key, value in commands.items():
        assert f"argv[]={value} ;" in machine.show("test-type.service", key)
    units({"service.d/all.conf": "[Service]\nX-ForceBind=yes\n"})
    try:
        shown = machine.run("systemd-run", "--wait", "--pipe", "-q", "-p", "User=nobody", "sh", "-c", "ps -o comm= -p $PPID; id -un").stdout
        assert shown.split() == ["systemd", "nobody"]
    finally:
        units.remove("service.d/all.conf")


@pytest.mark.parametrize("prefix", ["+", "!", "!!", ":", "-", "@", "-@:+"])
def test_command_with_this_prefix_is_served(machine, units, prefix):  # noqa: F811
    program = f"{PROGRAM} {PROGRAM}" if "@" in prefix else PROGRAM
    seen = []
    for ours in ("", OURS):
        units({"test-type.service": f"[Service]\nUser=nobody\nExecStart={prefix}{program} {PORT}\n{ours}"})
        machine.systemctl("start", "test-type.socket" if ours else "test-type.service")
        pid, _ = harness.wait_until(lambda: say(machine, "hello", check=False))
        status = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").stdout.splitlines())
        seen.append([pid == machine.show("test-type.service", "MainPID"), status["Uid"], status["CapEff"], status["CapBnd"],
                     machine.run("cat", f"/proc/{pid}/cmdline").stdout])
        machine.systemctl("stop", *(["test-type.socket"] if ours else []), "test-type.service")
    assert seen[0] == seen[1] and seen[0][0]
