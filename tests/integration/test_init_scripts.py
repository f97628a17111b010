# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that exist only as an init script: systemd-sysv-generator makes their units, and a drop-in of two lines makes
them socket-activated all the same. One of our own under systemd of three generations, and Debian 12's."""

import harness
import pytest
from test_systemd import machine as debian_machine  # noqa: F401
from test_types import EVERYTHING, PORT, PROGRAM, say
from test_units import machine, units  # noqa: F401

pytestmark = pytest.mark.systemd

SCRIPT = f"""#!/bin/sh
### BEGIN INIT INFO
# Provides:          test-init
# Required-Start:    $remote_fs
# Default-Start:     2 3 4 5
# Short-Description: a daemon of the tests
### END INIT INFO
case "$1" in
start) start-stop-daemon --start --oknodo --pidfile /run/test-init.pid --exec /usr/bin/python3 --startas {PROGRAM} -- fork pidfile=/run/test-init.pid {PORT} ;;
stop) start-stop-daemon --stop --oknodo --retry 5 --pidfile /run/test-init.pid ;;
esac
"""
OURS = f"[X-ForceBind]\nListen=tcp:127.0.0.1:{PORT}\n"
SERVICE, SOCKET = "test-init.service", "test-init.socket"


@pytest.fixture
def script(machine, units):  # noqa: F811
    machine.write(PROGRAM, EVERYTHING.read_text(), 0o755)
    machine.write("/etc/init.d/test-init", SCRIPT, 0o755)
    machine.run("mkdir", "-p", "/etc/rc2.d")
    machine.run("ln", "-sf", "../init.d/test-init", "/etc/rc2.d/S01test-init")
    units({"test-init.service.d/socket.conf": OURS})
    yield units
    machine.systemctl("stop", SOCKET, SERVICE, check=False)
    machine.run("rm", "/etc/init.d/test-init", "/etc/rc2.d/S01test-init")
    machine.systemctl("daemon-reload")


def has_sysv_generator(machine):  # noqa: F811
    return machine.run("test", "-e", "/lib/systemd/system-generators/systemd-sysv-generator", check=False).returncode == 0


def test_service_of_an_init_script_lives_by_its_socket(machine, script):  # noqa: F811
    if not has_sysv_generator(machine):
        assert "test-init.service has an init script, but no systemd-sysv-generator" in machine.generator_said()
        assert machine.run("ls", "/run/systemd/generator", check=False).stdout.count("test-init") == 0
        return
    machine.systemctl("start", SOCKET)
    pid, _ = say(machine, "hello")
    harness.wait_until(lambda: machine.show(SERVICE, "MainPID") == pid)
    assert machine.show(SERVICE, "StatusText") == "1 socket adopted, 0 bound"
    assert machine.show(SERVICE, "SourcePath") == "/etc/init.d/test-init"

    # A daemon that dies does not leave the service active, and clients waiting
    machine.run("kill", "-9", pid)
    harness.wait_until(lambda: machine.show(SERVICE, "ActiveState") == "failed")
    second, _ = say(machine, "hello")
    assert second != pid
    for _ in range(2):
        machine.systemctl("restart", SERVICE)
    assert say(machine, "hello")[0] not in (pid, second)
    machine.systemctl("stop", SERVICE)
    assert machine.pids(SERVICE) == []
    assert say(machine, "hello")
    assert "eft-over process" not in machine.journal("-u", SERVICE, "-b")


def test_service_enabled_by_rc_links_starts_at_boot_with_its_socket_and_once(machine, script):  # noqa: F811
    if not has_sysv_generator(machine):
        return
    assert SERVICE in machine.show("multi-user.target", "Wants").split()
    assert SOCKET in machine.show("sockets.target", "Wants").split()
    machine.systemctl("start", "sockets.target", SOCKET)
    machine.systemctl("start", SERVICE)
    pid, _ = say(machine, "hello")
    assert machine.run("pgrep", "-c", "-f", f"{PROGRAM} fork").stdout.strip() in ("1", "2")  # the daemon, and its supervisor
    machine.systemctl("start", SERVICE)
    assert say(machine, "hello")[0] == pid == machine.show(SERVICE, "MainPID")


def test_service_of_an_init_script_really_binds_without_its_socket(machine, script):  # noqa: F811
    if not has_sysv_generator(machine):
        return
    script.mask(SOCKET)
    machine.systemctl("start", SERVICE)
    assert machine.show(SERVICE, "StatusText") == "0 sockets adopted, 0 bound" and say(machine, "hello")


# --- Debian 12's own, with the stock packages ---------------------------------------------------------------------


def main_process(debian_machine, service):  # noqa: F811
    """Its PID, None as long as the manager knows none."""
    pid = debian_machine.show(service, "MainPID")
    return pid if pid != "0" else None


@pytest.fixture
def drop_in(debian_machine):  # noqa: F811
    written = []

    def write(name):
        path = f"{name}.service.d/socket.conf"
        debian_machine.unit(path, (harness.REPOSITORY / "units" / path).read_text())
        written.append(name)
        debian_machine.systemctl("start", f"{name}.socket")

    yield write
    for name in written:
        debian_machine.systemctl("stop", f"{name}.socket", f"{name}.service", check=False)
        debian_machine.run("rm", "-r", f"/etc/systemd/system/{name}.service.d")
    debian_machine.systemctl("daemon-reload")


def test_slapd_serves_ldap_over_passed_sockets_and_one_of_its_own(debian_machine, drop_in):  # noqa: F811
    drop_in("slapd")
    search = ["ldapsearch", "-x", "-s", "base", "-b", "", "-LLL", "namingContexts"]
    for uri in ("ldap://127.0.0.1", "ldap://[::1]", "ldapi:///"):
        assert "namingContexts:" in debian_machine.run(*search, "-H", uri).stdout
    pid = harness.wait_until(lambda: main_process(debian_machine, "slapd.service"))
    assert debian_machine.run("readlink", f"/proc/{pid}/exe").stdout.strip() == "/usr/sbin/slapd"
    debian_machine.systemctl("restart", "slapd.service")
    assert "namingContexts:" in debian_machine.run(*search, "-H", "ldapi:///").stdout
    debian_machine.run("kill", "-9", debian_machine.show("slapd.service", "MainPID"))
    harness.wait_until(lambda: debian_machine.show("slapd.service", "ActiveState") == "failed")
    assert "namingContexts:" in debian_machine.run(*search, "-H", "ldap://127.0.0.1").stdout


FETCH = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
s.sendto(b"\\0\\1hello\\0octet\\0", (sys.argv[1], 69))
data, peer = s.recvfrom(1000)
s.sendto(b"\\0\\4" + data[2:4], peer)
print(data[4:].decode(), peer[0])
"""


def test_tftpd_hpa_sends_a_file(debian_machine, drop_in):  # noqa: F811
    debian_machine.write("/srv/tftp/hello", "content")
    drop_in("tftpd-hpa")
    for address in ("127.0.0.1", "::1", "127.0.0.1"):
        mapped = address
        assert debian_machine.run("/usr/bin/python3", "-c", FETCH, address).stdout.split() == ["content", mapped]
    pid = harness.wait_until(lambda: main_process(debian_machine, "tftpd-hpa.service"))
    assert debian_machine.run("readlink", f"/proc/{pid}/exe").stdout.strip() == "/usr/sbin/in.tftpd"
    debian_machine.systemctl("restart", "tftpd-hpa.service")
    assert debian_machine.run("/usr/bin/python3", "-c", FETCH, "127.0.0.1").stdout.split()[0] == "content"
