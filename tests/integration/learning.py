# SPDX-License-Identifier: LGPL-2.1-or-later
"""force-bind --learn --unit= on a machine (see machine.py)."""


def learn(machine, unit):
    """The text of the drop-in for this service, which is stopped before and after."""
    result = machine.run("force-bind", "--learn", "--unit", unit, timeout=120)
    assert result.stderr == "", result.stderr
    return result.stdout


def install(machine, text):
    """Writes a text that was learnt to where its first line says, and has systemd read it. Returns the path."""
    path = text.splitlines()[0].removeprefix("# ")
    machine.write(path, text)
    machine.systemctl("daemon-reload")
    return path
