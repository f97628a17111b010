# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hand-written .socket units of every kind beside a service with X-ForceBind=yes, under systemd of three generations."""
import json
import socket

import harness
import pytest
from test_systemd import script
from test_units import machine, units  # noqa: F401

pytestmark = pytest.mark.systemd

# Binds what it is told to, JSON lists of [family, type, protocol, address, *options], and answers each client or datagram
# with what getsockopt() says of options that are asked for: "[LEVEL, NAME]" on a line.
PROGRAM = """
    import json, os, select, socket, sys
    sockets = []
    for family, kind, protocol, address, *options in map(json.loads, sys.argv[1:]):
        s = socket.socket(family, kind, protocol)
        for level, name, value in options:
            s.setsockopt(level, name, value)
        if family == socket.AF_UNIX:
            address = address.replace("@", chr(0))
            if os.path.exists(address): os.unlink(address)
        s.bind(tuple(address) if isinstance(address, list) else address)
        if kind != socket.SOCK_DGRAM: s.listen(3)
        sockets.append(s)
    print("serving", flush=True)
    while True:
        for s in select.select(sockets, [], [])[0]:
            if s.type == socket.SOCK_DGRAM:
                told, peer = s.recvfrom(1000)
            else:
                c, _ = s.accept(); told = c.recv(1000)
            try: answer = s.getsockopt(*json.loads(told))
            except OSError as e: answer = str(e)
            answer = json.dumps([s.fileno(), answer]).encode()
            if s.type == socket.SOCK_DGRAM: s.sendto(answer, peer)
            else: c.sendall(answer); c.close()
"""

ASK = """
import json, os, socket, sys
family, kind, protocol, address, question = json.loads(sys.argv[1])
s = socket.socket(family, kind, protocol); s.settimeout(10)
if family == socket.AF_UNIX:
    address = address.replace("@", chr(0))
    if kind == socket.SOCK_DGRAM: s.bind("")
s.connect(tuple(address) if isinstance(address, list) else address)
s.send(json.dumps(question).encode())
print(s.recv(1000).decode())
"""

INET, INET6, UNIX = int(socket.AF_INET), int(socket.AF_INET6), int(socket.AF_UNIX)
STREAM, DGRAM, SEQPACKET = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM), int(socket.SOCK_SEQPACKET)
MPTCP = 262
TYPE = (socket.SOL_SOCKET, socket.SO_TYPE)
SOCKET = "test-s.socket"


@pytest.fixture(scope="module", autouse=True)
def program(machine):  # noqa: F811
    script(machine, "binds", PROGRAM)


def ask(machine, family, kind, address, question=TYPE, protocol=0, check=True):  # noqa: F811
    """What the server says of one of its socket's options; None if it does not."""
    done = machine.run("/usr/bin/python3", "-c", ASK, json.dumps([family, kind, protocol, address, question]), check=check, timeout=30)
    return json.loads(done.stdout)[1] if done.returncode == 0 else None


def write(units, settings, *binds, service="", name="test-s", more=None):  # noqa: F811
    quoted = " ".join("'" + json.dumps(bind).replace("%", "%%") + "'" for bind in binds)
    units({f"{name}.socket": f"[Socket]\n{settings}", f"{name}.service": f"[Service]\nX-ForceBind=yes\n{service}ExecStart=/usr/local/bin/binds {quoted}\n",
           **(more or {})})
    units.machine.systemctl("start", f"{name}.socket")


def assert_adopted(machine, n, service="test-s.service"):  # noqa: F811
    harness.wait_until(lambda: machine.show(service, "ActiveState") == "active")
    assert machine.show(service, "StatusText") == f"{n} socket{'s' * (n != 1)} adopted, 0 bound", machine.journal("-u", service, "-n", "20")


# Settings of the .socket unit, what the program binds, where clients come, which may be elsewhere
KINDS = {
    "several streams": ("ListenStream=127.0.0.1:7300\nListenStream=127.0.0.1:7301\nFileDescriptorName=web",
                        [[INET, STREAM, 0, ["127.0.0.1", 7300]], [INET, STREAM, 0, ["127.0.0.1", 7301]]]),
    "datagrams": ("ListenDatagram=127.0.0.1:7300", [[INET, DGRAM, 0, ["127.0.0.1", 7300]]]),
    "both of one port": ("ListenStream=127.0.0.1:7300\nListenDatagram=127.0.0.1:7300",
                         [[INET, DGRAM, 0, ["127.0.0.1", 7300]], [INET, STREAM, 0, ["127.0.0.1", 7300]]]),
    "IPv6 only": ("ListenStream=[::1]:7300\nBindIPv6Only=ipv6-only", [[INET6, STREAM, 0, ["::1", 7300], [41, 26, 1]]]),
    "dual stack": ("ListenStream=7300\nBindIPv6Only=both", [[INET6, STREAM, 0, ["::", 7300], [41, 26, 0]]]),
    "default of the system": ("ListenStream=7300\nBindIPv6Only=default", [[INET6, STREAM, 0, ["::", 7300]]]),
    "Unix stream": ("ListenStream=/run/test-s.sock", [[UNIX, STREAM, 0, "/run/test-s.sock"]]),
    "Unix sequential packets": ("ListenSequentialPacket=/run/test-s.sock", [[UNIX, SEQPACKET, 0, "/run/test-s.sock"]]),
    "Unix datagrams": ("ListenDatagram=/run/test-s.sock", [[UNIX, DGRAM, 0, "/run/test-s.sock"]]),
    "abstract": ("ListenStream=@test-s", [[UNIX, STREAM, 0, "@test-s"]]),
    "MPTCP": ("ListenStream=127.0.0.1:7300\nSocketProtocol=mptcp", [[INET, STREAM, 0, ["127.0.0.1", 7300]]]),
    "MPTCP asked for": ("ListenStream=127.0.0.1:7300", [[INET, STREAM, MPTCP, ["127.0.0.1", 7300]]]),
    "UDP-Lite": ("ListenDatagram=127.0.0.1:7300\nSocketProtocol=udplite", [[INET, DGRAM, 136, ["127.0.0.1", 7300]]]),
    "next to others": ("ListenStream=127.0.0.1:7300\nListenFIFO=/run/test-s.fifo\nListenNetlink=kobject-uevent 1\n"
                       "ListenMessageQueue=/test-s\nListenDatagram=/run/test-s.dgram", [[INET, STREAM, 0, ["127.0.0.1", 7300]]]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_sockets_of_this_kind_are_adopted(machine, units, kind):  # noqa: F811
    settings, binds = KINDS[kind]
    write(units, settings, *binds, service=f"[X-ForceBind]\nReady={'exec' if kind == 'next to others' else 'listen'}\n[Service]\n")
    for family, type_, protocol, address, *_ in reversed(binds):
        client = [["127.0.0.1" if address[0] == "::" and kind == "dual stack" else address[0], address[1]], address][isinstance(address, str)]
        assert ask(machine, INET if client[0] == "127.0.0.1" else family, type_, client, protocol=136 if protocol == 136 else 0) == type_
    if kind != "next to others":
        assert_adopted(machine, len(binds))
    machine.systemctl("restart", "test-s.service")
    family, type_, protocol, address, *_ = binds[0]
    assert ask(machine, family, type_, address, protocol=136 if protocol == 136 else 0) == type_
    machine.systemctl("stop", "test-s.service")
    assert machine.show(SOCKET, "ActiveState") == "active" and machine.show(SOCKET, "Result") == "success"


# A setting of the .socket unit, and the option (level, name, value) that it stands for; the program sets none of them
OPTIONS = {
    "FreeBind=yes": (0, 15, 1), "Transparent=yes": (0, 19, 1), "BindToDevice=lo": (1, 25, None), "ReusePort=yes": (1, 15, 1),
    "KeepAlive=yes": (1, 9, 1), "KeepAliveTimeSec=77": (6, 4, 77), "KeepAliveIntervalSec=7": (6, 5, 7), "KeepAliveProbes=3": (6, 6, 3),
    "NoDelay=yes": (6, 1, 1), "Priority=5": (1, 12, 5), "DeferAcceptSec=5": (6, 9, None), "ReceiveBuffer=300K": (1, 8, 2 * 300 * 1024),
    "SendBuffer=300K": (1, 7, 2 * 300 * 1024), "IPTOS=low-delay": (0, 1, 16), "IPTTL=9": (0, 2, 9), "Mark=7": (1, 36, 7),
    "TCPCongestion=reno": (6, 13, None), "Timestamping=us": (1, 29, 1), "PassPacketInfo=yes": (0, 8, 1),
}


@pytest.mark.parametrize("setting", OPTIONS)
def test_option_of_the_unit_holds_for_the_adopted_socket(machine, units, setting):  # noqa: F811
    level, name, wanted = OPTIONS[setting]
    # SO_REUSEADDR is what every server sets; the others are the unit's
    write(units, f"ListenStream=127.0.0.1:7302\n{setting}\nBacklog=77", [INET, STREAM, 0, ["127.0.0.1", 7302], [1, 2, 1]])
    for _ in range(2):
        got = ask(machine, INET, STREAM, ["127.0.0.1", 7302], (level, name))
        assert got == wanted if wanted is not None else got not in (0, None)
        assert "LISTEN 0      77 " in machine.run("ss", "-ltnH", "sport = :7302").stdout
        machine.systemctl("restart", "test-s.service")


def test_owner_mode_links_and_removal_of_a_unix_socket_are_the_units(machine, units):  # noqa: F811
    write(units, "ListenStream=/run/test-s/deep/sock\nSocketUser=daemon\nSocketGroup=games\nSocketMode=0640\nDirectoryMode=0711\n"
          "Symlinks=/run/test-s.link\nRemoveOnStop=yes\nPassCredentials=yes", [UNIX, STREAM, 0, "/run/test-s/deep/sock"])
    for path in ("/run/test-s/deep/sock", "/run/test-s.link", "/run/test-s/deep/sock"):
        assert ask(machine, UNIX, STREAM, path, (1, 16)) == 1  # SO_PASSCRED
        assert machine.run("stat", "-c", "%U %G %a", "/run/test-s/deep/sock").stdout.split() == ["daemon", "games", "640"]
        machine.systemctl("restart", "test-s.service")
    machine.systemctl("stop", SOCKET, "test-s.service")
    assert machine.run("ls", "/run/test-s/deep").stdout == ""


def test_socket_unit_with_another_service_brings_it_its_settings(machine, units):  # noqa: F811
    units({"test-apart.socket": "[Socket]\nListenStream=127.0.0.1:7303\nService=test-other.service\nX-ForceBind=yes\n",
           "test-other.service": f"[Service]\nExecStart=/usr/local/bin/binds '{json.dumps([INET, STREAM, 0, ['127.0.0.1', 7303]])}'\n"})
    machine.systemctl("start", "test-apart.socket")
    assert ask(machine, INET, STREAM, ["127.0.0.1", 7303]) == STREAM
    assert_adopted(machine, 1, "test-other.service")
    machine.systemctl("stop", "test-apart.socket", "test-other.service")


def test_two_socket_units_of_one_service_are_both_adopted(machine, units):  # noqa: F811
    write(units, "ListenStream=127.0.0.1:7304\n", [INET, STREAM, 0, ["127.0.0.1", 7304]], [INET, STREAM, 0, ["127.0.0.1", 7305]],
          service="Sockets=test-s.socket test-more.socket\n",
          more={"test-more.socket": "[Socket]\nListenStream=127.0.0.1:7305\nService=test-s.service\n"})
    machine.systemctl("start", "test-more.socket")
    assert ask(machine, INET, STREAM, ["127.0.0.1", 7305]) == STREAM == ask(machine, INET, STREAM, ["127.0.0.1", 7304])
    assert_adopted(machine, 2)


def test_stored_and_opened_files_next_to_a_socket_do_not_matter(machine, units):  # noqa: F811
    machine.write("/run/test-file", "x")
    opens = "OpenFile=/run/test-file:test-file:read-only\n" if machine.systemctl("--version").split()[1] >= "253" else ""
    write(units, "ListenStream=127.0.0.1:7306\n", [INET, STREAM, 0, ["127.0.0.1", 7306]],
          service=f"FileDescriptorStoreMax=5\nNotifyAccess=all\n{opens}ExecStartPre=/bin/sh -c 'systemd-notify --fd=0 --fdname=stored FDSTORE=1 || :'\n")
    for _ in range(2):
        assert ask(machine, INET, STREAM, ["127.0.0.1", 7306]) == STREAM
        assert_adopted(machine, 1)
        machine.systemctl("restart", "test-s.service")


def test_vsock_is_adopted_where_the_kernel_has_it(machine, units):  # noqa: F811
    vsock = getattr(socket, "AF_VSOCK", 40)
    write(units, "ListenStream=vsock::7307\n", [int(vsock), STREAM, 0, [0xFFFFFFFF, 7307]])
    machine.systemctl("start", "test-s.service")  # nobody can connect: there is no vsock_loopback
    assert_adopted(machine, 1)


def test_socket_unit_that_waits_to_be_flushed_loses_only_what_came_before(machine, units):  # noqa: F811
    write(units, "ListenStream=127.0.0.1:7308\nFlushPending=yes\nMaxConnections=3\n", [INET, STREAM, 0, ["127.0.0.1", 7308]])
    machine.systemctl("start", "test-s.service")
    assert ask(machine, INET, STREAM, ["127.0.0.1", 7308]) == STREAM
    assert_adopted(machine, 1)
