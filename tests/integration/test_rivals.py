# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ip2unix, force-bind-seccomp and port-restricter test or promise, in our rules, where no other test covers it."""
import os
import subprocess

import harness
import pytest
from harness import exchange, python, tcp6_socket, tcp_socket, udp_socket


def test_port_range_and_its_edges_go_to_a_socket_of_their_own(runner):
    inside, outside = tcp_socket(port=7001), tcp_socket(port=7002)
    process = runner.force_bind(["-m", ":*=sd=outside", "-m", ":1000-2000=sd=inside"], python("""
        import socket
        for port in (999, 1000, 1444, 2000, 2001):
            s = socket.socket(); s.bind(("1.2.3.4", port)); print(port, s.getsockname()[1])
    """), [inside, outside], names=["inside", "outside"])
    assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == ["999 7002", "1000 7001", "1444 7001", "2000 7001", "2001 7002"]


def test_program_that_closes_every_descriptor_first_is_served(runner):
    passed = tcp_socket()
    process = runner.force_bind(["-m", ":1234=sd=0"], python("""
        import os, socket
        os.closerange(3, 1024)
        s = socket.socket(); s.bind(("9.8.7.6", 1234)); s.listen(10); c = s.accept()[0]; c.sendall(c.recv(10).upper())
    """), [passed])
    assert exchange(passed.getsockname(), b"abcdefghij") == b"ABCDEFGHIJ"
    assert process.wait() == 0


@pytest.mark.parametrize("address,family", [("9.10.11.12", "AF_INET"), ("dead::beef", "AF_INET6")])
def test_address_that_no_interface_has_is_served_from_a_private_network(runner, address, family):
    passed = tcp_socket() if family == "AF_INET" else tcp6_socket("::1")
    runner.force_bind(["-m", ":99=sd=0"], ["unshare", "--net", *python(f"""
        import socket
        s = socket.socket(socket.{family}); s.bind(("{address}", 99)); s.listen()
        c, peer = s.accept(); c.sendall(peer[0].encode())
    """)], [passed])
    assert exchange(passed.getsockname()[:2]) == passed.getsockname()[0].encode()


def test_datagram_server_connects_to_its_client(runner):
    passed = udp_socket()
    process = runner.force_bind(["-m", ":9999=sd=0"], python("""
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 9999))
        data, peer = s.recvfrom(8); other, _, _, same = s.recvmsg(7); assert peer == same
        s.connect(peer); s.send(data + other + s.recv(4))
    """), [passed])
    with harness.socket.socket(type=harness.socket.SOCK_DGRAM) as client:
        client.settimeout(harness.DEADLINE)
        client.connect(passed.getsockname())
        for part in (b"recvfrom", b"recvmsg", b"recv"):
            client.send(part)
        assert client.recv(100) == b"recvfromrecvmsgrecv"
    assert process.wait() == 0


@pytest.mark.parametrize("how", ["epoll", "SIGIO"])
def test_who_waits_for_a_socket_before_bind_is_woken_when_it_became_a_unix_socket(runner, tmp_path, how):
    process = runner.force_bind(["-m", "1.2.3.4:9191=unix:web.sock"], python(f"""
        import array, fcntl, os, select, signal, socket, termios
        s = socket.socket(); epoll = select.epoll()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
        if "{how}" == "epoll": epoll.register(s.fileno(), select.EPOLLIN)
        else: fcntl.fcntl(s.fileno(), fcntl.F_SETOWN, os.getpid()); fcntl.ioctl(s, termios.FIOASYNC, array.array("i", [1]))
        s.bind(("1.2.3.4", 9191)); s.listen(10); print("ready", flush=True)
        if "{how}" == "epoll": assert epoll.poll(10)[0][0] == s.fileno()
        else: assert signal.sigtimedwait([signal.SIGIO], 10)
        c = s.accept()[0]; c.sendall(b"woken by {how}")
    """), cwd=tmp_path)
    harness.wait_until(lambda: process.stdout, "the program to listen")
    assert exchange(str(tmp_path / "web.sock")) == b"woken by " + how.encode(), process.stderr
    assert process.wait() == 0


def test_child_that_closes_its_copy_leaves_the_path(runner, tmp_path):
    process = runner.force_bind(["-m", ":1234=unix:web.sock"], python("""
        import os, socket
        s = socket.socket(); s.bind(("1.2.3.4", 1234)); s.listen(10)
        if os.fork() == 0: os.closerange(3, 1024); os._exit(0)
        os.wait(); print("ready", flush=True); c = s.accept()[0]; assert c.recv(3) == b"foo"
    """), cwd=tmp_path)
    harness.wait_until(lambda: process.stdout, "the program to listen")
    exchange(str(tmp_path / "web.sock"), b"foo")
    assert process.wait() == 0


def test_action_that_fails_again_and_again_leaks_no_descriptor(runner):
    process = runner.force_bind(["-m", ":666=unix:/dev/null/not/existing"], python("""
        import errno, os, socket, sys
        before = os.listdir("/proc/self/fd")
        for _ in range(100):
            s = socket.socket()
            try: s.bind(("127.0.0.1", 666)); raise SystemExit(1)
            except OSError as e: assert e.errno == errno.ENOTDIR
            s.close()
        assert os.listdir("/proc/self/fd") == before
        print("done", flush=True); sys.stdin.readline()
    """), stdin=subprocess.PIPE)
    harness.wait_until(lambda: process.stdout or process.popen.poll() is not None, "the binds to fail")
    assert len(os.listdir(f"/proc/{process.supervisor()}/fd")) < 12
    process.popen.stdin.close()
    assert process.wait() == 0
