# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that connect() datagram sockets, one for each client, beside the one for all."""
import os
import socket

import pytest
from harness import port_of, python, supervisors, tcp_socket, udp_socket, wait_until

# A DTLS server's way: the first datagram of a client makes a socket of the same address that is connected to it.
# Answers with the number of the client, and "listening socket" or "own socket".
SIBLINGS = """
import selectors, socket, sys
family, address, port = socket.{family}, {address!r}, {port}
def bound():
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port)); s.setblocking(False)
    return s
listening, clients, selector = bound(), [], selectors.DefaultSelector()
selector.register(listening, selectors.EVENT_READ)
print("bound", flush=True)
while True:
    for key, _ in selector.select():
        try: data, peer = key.fileobj.recvfrom(100)
        except BlockingIOError: print("woken for nothing", flush=True); continue
        if key.fileobj is listening:
            s = bound()
            {before}
            s.connect(peer); clients.append(s)
            {after}
            s.send(b"%d listening" % len(clients))
        else:
            key.fileobj.send(b"%d own" % (clients.index(key.fileobj) + 1))
"""


def client(address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect((address, port))
    return s


def ask(s):
    s.send(b"?")
    return s.recv(100).decode()


REGISTERED = "selector.register(s, selectors.EVENT_READ)"


@pytest.mark.parametrize("before,after", [("pass", REGISTERED), (REGISTERED, "pass")],
                         ids=["registered after connect", "registered before connect"])
@pytest.mark.parametrize("address,to", [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
def test_each_client_has_a_connected_socket_beside_the_passed_one(runner, address, to, before, after):
    family = "AF_INET6" if ":" in address else "AF_INET"
    passed = udp_socket(address, family=getattr(socket, family))
    port = port_of(passed)
    process = runner.force_bind(["--auto", "-v"], ["/usr/bin/python3", "-c", SIBLINGS.format(
        family=family, address=address, port=port, before=before, after=after)], [passed])
    wait_until(lambda: "bound" in process.stdout, process.stderr)
    clients = [client(to, port) for _ in range(3)]
    for _ in range(2):
        answers = [ask(s) for s in clients]
    assert answers == ["1 own", "2 own", "3 own"], process.stderr
    assert ask(client(to, port)) == "4 listening", process.stderr
    process.signal()
    process.wait()
    assert "woken" not in process.stdout
    with pytest.raises(OSError):
        passed.getpeername()


def test_nobody_else_can_take_the_address_beside_a_connected_socket(runner):
    passed = udp_socket("0.0.0.0")
    process = runner.force_bind(["--auto"], python(f"""
        import socket
        for client in 9, 10:  # a socket of the program's own for each
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", {port_of(passed)}))
            s.connect(("127.0.0.1", client)); print(s.getpeername()[1], flush=True); kept = s
        input()
    """), [passed])
    wait_until(lambda: process.stdout == "9\n10\n", process.stderr)
    for address in "0.0.0.0", "127.0.0.1":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="already in use"):
                stranger.bind((address, port_of(passed)))
    assert passed.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


def test_program_with_one_socket_reads_on_what_its_first_client_had_sent(runner):
    passed = udp_socket()
    process = runner.force_bind(["--auto"], python(f"""
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", {port_of(passed)}))
        data, peer = s.recvfrom(100, socket.MSG_PEEK)
        s.connect(peer); s.send(s.recv(100) + s.recv(100))
    """), [passed])
    first = client("127.0.0.1", port_of(passed))
    first.send(b"one "), first.send(b"two")
    assert first.recv(100) == b"one two", process.stderr
    assert process.wait() == 0


def test_socket_that_was_connected_is_the_passed_one_again_when_it_is_disconnected(runner):
    passed = udp_socket()
    process = runner.force_bind(["--auto"], python(f"""
        import ctypes, os, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", {port_of(passed)}))
        s.setblocking(False)
        for step in ("connect", "disconnect"):
            if step == "connect": s.connect(("127.0.0.1", 9))
            else: assert ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16) == 0
            print(os.fstat(s.fileno()).st_ino, s.getsockname()[1], s.getblocking())
    """), [passed])
    assert process.wait() == 0, process.stderr
    inode, port = os.fstat(passed.fileno()).st_ino, port_of(passed)
    connected, disconnected = process.stdout.splitlines()
    assert disconnected == f"{inode} {port} False"
    assert connected.split()[0] != str(inode) and connected.split()[1:] == [str(port), "False"]


def test_other_sockets_connect_as_ever(runner):
    passed, stream = udp_socket(), tcp_socket()
    process = runner.force_bind(["--auto"], python(f"""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", {port_of(passed)}))
        socket.create_connection(("127.0.0.1", {port_of(stream)}))
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("127.0.0.1", 9)); print(u.getpeername())
        try: socket.create_connection(("127.0.0.1", 1))
        except ConnectionRefusedError: print("refused")
    """), [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == ["('127.0.0.1', 9)", "refused"]


def test_target_that_may_not_bind_connects_the_passed_socket_and_is_told(runner):
    passed = udp_socket(port=69)
    process = runner.force_bind(["--auto"], python("""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 69)); s.connect(("127.0.0.1", 9))
        print(s.getpeername())
    """), [passed], user=65534)
    assert process.wait() == 0, process.stderr
    assert process.stdout == "('127.0.0.1', 9)\n"
    assert "CAP_NET_BIND_SERVICE" in process.stderr


def member(address, passed, before, after):
    """A program that joins the group before or after bind, and says what it received by it."""
    six = ":" in address
    return python(f"""
        import socket, struct
        group, six = {address!r}, {six}
        level, name = (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP) if six else (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP)
        value = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, group)
        value += struct.pack("=I", socket.if_nametoindex("lo")) if six else socket.inet_aton("127.0.0.1")
        def new(join_first, join_then):
            s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            if join_first: s.setsockopt(level, name, value)
            s.bind({passed.getsockname()[:2]!r})
            if join_then: s.setsockopt(level, name, value)
            return s
        s = new({before}, {after}); t = new({before}, {after})
        if six:  # the loopback interface carries no IPv6 multicast
            print("to all" if "ff0200000000000000000000000000fb" in open("/proc/self/net/igmp6").read() else "no member"); raise SystemExit
        u = socket.socket(s.family, socket.SOCK_DGRAM)
        u.setsockopt(level, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        u.sendto(b"to all", (group, {port_of(passed)})); s.settimeout(5)
        print(s.recv(100).decode(), flush=True)
    """)


@pytest.mark.parametrize("before,after", [(True, False), (False, True)], ids=["before bind", "after bind"])
@pytest.mark.parametrize("address", ["239.255.255.250", "ff02::fb"])
def test_multicast_group_is_joined_by_the_passed_socket_and_left_in_the_end(runner, address, before, after):
    six = ":" in address
    passed = udp_socket("::" if six else "0.0.0.0", family=socket.AF_INET6 if six else socket.AF_INET)
    for _ in range(2):
        process = runner.force_bind(["--auto"], member(address, passed, before, after), [passed])
        assert process.wait() == 0, process.stderr
        assert process.stdout == "to all\n"
        wait_until(lambda: not supervisors(), "the supervisor to end")
        groups = open("/proc/thread-self/net/igmp6" if six else "/proc/thread-self/net/igmp").read().lower()
        assert ("ff0200000000000000000000000000fb" if six else "faffffef") not in groups
