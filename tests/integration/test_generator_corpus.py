# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator against the manager's own view: every service that is installed here, and services made to be nasty,
before and after a setting that holds for all of them."""
import json

import harness
import pytest
from machine import Machine

pytestmark = pytest.mark.systemd

HELPER = "/usr/bin/force-bind"

# What a drop-in of ours changes on purpose
CHANGED = {
    "ExecStart", "ExecStartEx", "Type", "NotifyAccess", "SyslogIdentifier", "SystemCallFilter", "RestrictAddressFamilies",
    "ExecPaths", "BindReadOnlyPaths", "CapabilityBoundingSet", "DropInPaths", "ExecStopPost", "ExecStopPostEx",
    "FragmentPath", "NeedDaemonReload",
}
# What tells of the moment, or of the machine
VOLATILE = {"StateChangeTimestamp", "MemoryAvailable", "MemoryCurrent", "CPUUsageNSec", "TasksCurrent", "InvocationID",
            "ActiveState", "SubState", "MainPID", "ControlPID", "ExecMainPID", "StatusText", "Job", "ConditionTimestamp",
            "AssertTimestamp", "CanStart", "ControlGroupId", "NRestarts"}

NASTY = {
    "prefixes": r"""
        [Service]
        Type=oneshot
        ExecStart=/bin/true plain
        ExecStart=-/bin/true a
        ExecStart=@/bin/true zero one
        ExecStart=:/bin/true $HOME ${HOME}
        ExecStart=+/bin/true b
        ExecStart=!/bin/true c
        ExecStart=!!/bin/true d
        ExecStart=-@:+/bin/true argv0 e
        ExecStart=:-@/bin/true "argv 0" f
        """,
    "quoted-prefixes": r"""
        [Service]
        Type=oneshot
        ExecStart="-/bin/true" a
        ExecStart=\x2d/bin/true b
        ExecStart="@"/bin/true zero c
        ExecStart='-:/bin/my true' d
        ExecStart="/bin/my prog" e
        ExecStart=-"/bin/my prog" f
        ExecStart=/bin/my\x20prog g
        """,
    "words": r"""
        [Service]
        Type=oneshot
        ExecStart=/bin/echo 'single $X' "double \"quoted\"" back\\slash tab\there \x41\101\u00e4\U0001F600 un\known \s
        ExecStart=/bin/echo a"b c"d '' "" ";" \; x;y
        ExecStart=/bin/echo one ; /bin/echo two ; ; -/bin/echo three ;
        ExecStart=/bin/echo   spaces	tabs   
        ExecStart=/bin/echo $$ $FOO ${FOO}bar "$FOO" %% %n %N %p %i trailing%
        ExecStart=/bin/echo -- --option -x
        """,
    "dollar-path": r"""
        [Service]
        Type=oneshot
        ExecStart=/opt/a$b/c $X
        ExecStart=:/opt/a$b/c $X
        ExecStart=/opt/\x24HOME/c
        ExecStart=@/opt/$x $FOO arg
        ExecStart=@/opt/x ${FOO} arg
        """,
    "specifier-path": r"""
        [Service]
        Type=oneshot
        ExecStart=/opt/%p/%N %j
        ExecStart=/opt/%%percent x
        """,
    "continued": "[Service]\nType=oneshot\nExecStart=/bin/echo a \\\n# a comment\n b \\\n ; another\n  c\\\nd\nExecStart=/bin/echo \\\\\nExecStart=/bin/echo e\\ \nExecStart=/bin/echo f \\",
    "resets": "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nType=simple\nType=nonsense\n",
    "broken-ignored": r"""
        [Service]
        Type=oneshot
        ExecStart=-relative/path x
        ExecStart=/bin/echo kept ; -/bin/dir/ x ; /bin/echo lost
        ExecStart=-
        ExecStart=-/bin/echo "unbalanced
        ExecStart=/bin/echo last
        """,
    "ignored-specifier": "[Service]\nType=oneshot\nExecStart=-/bin/c %Q ; /bin/b\nExecStart=/bin/c ; /bin/d\n",
    "bare-name": "[Service]\nExecStart=sh -c 'sleep 1'\n",
    "bom": "\ufeff[Service]\nExecStart=/bin/echo bom\n",
    "returns": "[Service]\r\nType=oneshot\r\nExecStart=/bin/echo dos\r\nExecStart=/bin/echo mac\rExecStart=/bin/echo two\n",
    "odd-sections": "[Service ]\nExecStart=/bin/no\n[Service]\nExecStart=/bin/yes\n[X-Foo]\nExecStart=/bin/no\n[Unit]\nExecStart=/bin/no\n",
    "swallowed": "[Service]\nExecStart=/bin/echo a \\\nType=oneshot\nRemainAfterExit=yes\n",
    "dbus": "[Service]\nBusName=org.example.Force\nExecStart=/bin/sleep 1\n",
    "identifier": "[Service]\nSyslogIdentifier=mine\nExecStart=/bin/sleep 1\n",
    "escaped\\x2dname": "[Service]\nExecStart=/bin/%p/%P/%N\n",
    "access-main": "[Service]\nType=notify\nNotifyAccess=main\nExecStart=/bin/sleep 1\n",
}


@pytest.fixture(scope="module")
def machine():
    with Machine(harness.FORCE_BIND) as booted:
        yield booted


def services(machine):
    """The names of all services that can be loaded; of a template, an instance."""
    listed = machine.run("systemctl", "list-unit-files", "--no-legend", "--full", "*.service").stdout
    names = [line.split()[0] for line in listed.splitlines() if line.split()[1] not in ("alias", "masked", "generated")]
    return [name.replace("@.", "@inst.") for name in names]


def read(machine, names):
    """{name: {property: text}}, and under "commands" what ExecStartEx= says over D-Bus: [path, [argument...], [flag...]]."""
    script = """
import json, subprocess, sys
names = json.load(sys.stdin)
found = {}
for name in names:
    text = subprocess.run(["systemctl", "show", "--", name], capture_output=True, text=True).stdout
    found[name] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    call = ["busctl", "--json=short", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager", "LoadUnit", "s", name]
    path = json.loads(subprocess.run(call, capture_output=True, text=True).stdout)["data"][0]
    call = ["busctl", "--json=short", "get-property", "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Service", "ExecStartEx"]
    data = json.loads(subprocess.run(call, capture_output=True, text=True).stdout)["data"]
    found[name]["commands"] = [command[:3] for command in data]
json.dump(found, sys.stdout)
"""
    result = machine.run("/usr/bin/python3", "-c", script, input=json.dumps(names), timeout=300)
    return json.loads(result.stdout)


def is_volatile(key):
    return key in VOLATILE or "Timestamp" in key or key.startswith(("Memory", "IP", "IO"))


def unwrapped(command):
    """What stands behind the helper, in the form that it has without: [path, arguments, flags]."""
    path, arguments, flags = command
    assert path == HELPER and arguments[0] == HELPER, command
    end = arguments.index("--")
    argv0 = [option[len("--argv0="):] for option in arguments[1:end] if option.startswith("--argv0=")]
    rest = arguments[end + 1:]
    program = rest[0] if "no-env-expand" in flags else rest[0].replace("$$", "$")
    return [program, [argv0[0] if argv0 else program, *rest[1:]], flags]


def simplified(command):
    path, arguments, flags = command
    return [path, [a.replace("${FOO}", "$FOO") if i == 0 else a for i, a in enumerate(arguments)], flags]


def test_every_command_is_the_same_behind_the_helper(machine):
    for name, text in NASTY.items():
        machine.write(f"/etc/systemd/system/nasty-{name}.service", text)
    machine.systemctl("daemon-reload")
    names = services(machine)
    assert len(names) > 60 + len(NASTY)
    before = read(machine, names)

    machine.write("/etc/systemd/system/service.d/all.conf", "[Service]\nX-ForceBind=yes\n")
    machine.systemctl("daemon-reload")
    try:
        after = read(machine, names)
    finally:
        machine.run("rm", "-r", "/etc/systemd/system/service.d")
        machine.systemctl("daemon-reload")

    wrong, wrapped = [], 0
    for name in names:
        old, new = before[name], after[name]
        if not any(HELPER in command[0] for command in new["commands"]):
            if old["commands"] != new["commands"] or old["LoadState"] == "loaded" and old["commands"]:
                wrong.append((name, "is not wrapped", old["commands"], new["commands"]))
            continue
        wrapped += 1
        commands = [simplified(unwrapped(command)) for command in new["commands"]]
        if commands != [simplified(command) for command in old["commands"]]:
            wrong.append((name, "commands", old["commands"], new["commands"]))
        # Where the manager does not wait for all processes, the helper does
        waits = old["KillMode"] in ("process", "mixed", "none")
        if ("--await-end" in new.get("ExecStopPost", "")) != waits:
            wrong.append((name, "ExecStopPost", old["KillMode"], new.get("ExecStopPost")))
        for key in old.keys() | new.keys():
            if key not in CHANGED and key != "commands" and not is_volatile(key) and sorted(old.get(key, "").split()) != sorted(new.get(key, "").split()):
                wrong.append((name, key, old.get(key), new.get(key)))
        base_name = old.get("SyslogIdentifier") or (old["commands"][0][0].rsplit("/", 1)[1] if "/" in old["commands"][0][0] else old["commands"][0][0])
        if new.get("SyslogIdentifier") != base_name:
            wrong.append((name, "SyslogIdentifier", base_name, new.get("SyslogIdentifier")))
        if new["Type"] != ("notify" if old["Type"] in ("simple", "exec") else old["Type"]):
            wrong.append((name, "Type", old["Type"], new["Type"]))
    assert not wrong, "\n".join(map(str, wrong))
    assert wrapped > 60
