# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adoption that the target cannot tell from its own bind."""
import os
import signal
import socket
import subprocess

import harness
import pytest
from harness import exchange, inode_of, port_of, python, tcp6_socket, tcp_socket, udp_socket

RULE = ["-m", ":8080=sd=0"]


def output(runner, code, sockets, options=RULE, **kwargs):
    """Runs the code under force-bind to its end; what it printed."""
    process = runner.force_bind(options, python(code), sockets, **kwargs)
    status = process.wait()
    assert status == 0, process.stderr
    return process.stdout.strip()


def test_bind_returns_exactly_0(runner, probe):
    passed = tcp_socket()
    process = runner.force_bind(RULE, [probe, "bind-result", "8080"], [passed])
    assert process.wait() == 0
    assert process.stdout.strip() == "0"


def test_socket_is_the_passed_one_at_the_same_descriptor(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket
        s = socket.socket(); n = s.fileno(); s.bind(("0.0.0.0", 8080))
        print(n == s.fileno(), os.fstat(n).st_ino, s.getsockname()[1])
    """, [passed]) == f"True {inode_of(passed)} {port_of(passed)}"


def test_second_bind_of_the_adopted_socket_fails_with_einval(runner):
    assert output(runner, """
        import errno, socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080))
        try: s.bind(("0.0.0.0", 8080))
        except OSError as e: print(errno.errorcode[e.errno])
    """, [tcp_socket()]) == "EINVAL"


def test_socket_comes_again_after_close_and_bind(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket
        for _ in range(3):
            s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); print(os.fstat(s.fileno()).st_ino, end=" "); s.close()
    """, [passed]) == " ".join([str(inode_of(passed))] * 3)


def test_every_socket_of_a_reuseport_group_is_the_passed_one(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket
        group = []
        for _ in range(4):
            s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(("0.0.0.0", 8080))
            s.listen(1); group.append(s)
        print(len({os.fstat(s.fileno()).st_ino for s in group}), os.fstat(group[0].fileno()).st_ino)
    """, [passed]) == f"1 {inode_of(passed)}"


@pytest.mark.parametrize("blocking", [True, False])
def test_nonblocking_mode_is_the_targets(runner, blocking):
    passed = tcp_socket()
    passed.setblocking(blocking)  # the opposite of what the target wants
    assert output(runner, f"""
        import os, socket
        s = socket.socket(); s.setblocking({not blocking}); s.bind(("0.0.0.0", 8080)); print(os.get_blocking(s.fileno()))
    """, [passed]) == str(not blocking)


@pytest.mark.parametrize("inheritable", [True, False])
def test_descriptor_survives_exec_as_the_target_wanted(runner, inheritable):
    assert output(runner, f"""
        import os, socket
        s = socket.socket(); s.set_inheritable({inheritable}); s.bind(("0.0.0.0", 8080))
        os.execvp("sh", ["sh", "-c", f"test -e /proc/self/fd/{{s.fileno()}} && echo open || echo closed"])
    """, [tcp_socket()]) == ("open" if inheritable else "closed")


def test_signal_driven_io_works(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import fcntl, os, signal, socket, sys
        s = socket.socket()
        fcntl.fcntl(s, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(s, 10, signal.SIGUSR1)  # F_SETSIG
        fcntl.fcntl(s, fcntl.F_SETFL, fcntl.fcntl(s, fcntl.F_GETFL) | fcntl.FASYNC)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        s.bind(("0.0.0.0", 8080)); s.listen(1)
        print("ready", flush=True)
        info = signal.sigwaitinfo([signal.SIGUSR1])
        print(info.si_signo == signal.SIGUSR1, fcntl.fcntl(s, fcntl.F_GETOWN) == os.getpid(), flush=True)
    """), [passed])
    harness.wait_until(lambda: "ready" in process.stdout)
    with socket.create_connection(passed.getsockname()):
        assert process.wait() == 0
    assert process.stdout.split()[1:] == ["True", "True"]


def test_signals_are_sent_to_nobody_that_the_target_may_not_signal_itself(runner):
    """F_SETOWN asks for no permission, the signal is sent with that of whoever called it."""
    passed = tcp_socket()
    victim = subprocess.Popen(["sleep", "60"])
    process = runner.force_bind(RULE, python(f"""
        import fcntl, os, signal, socket
        os.setgid(65534); os.setuid(65534)
        s = socket.socket()
        fcntl.fcntl(s, fcntl.F_SETOWN, {victim.pid})
        fcntl.fcntl(s, 10, signal.SIGKILL)  # F_SETSIG
        fcntl.fcntl(s, fcntl.F_SETFL, fcntl.fcntl(s, fcntl.F_GETFL) | fcntl.FASYNC)
        s.bind(("0.0.0.0", 8080)); s.listen(1)
        print(fcntl.fcntl(s, fcntl.F_GETOWN), flush=True)
        s.accept()
    """), [passed])
    harness.wait_until(lambda: process.stdout)
    with socket.create_connection(passed.getsockname()):
        assert process.wait() == 0
    assert process.stdout.split() == ["0"] and victim.poll() is None
    victim.kill()
    victim.wait()


def test_descriptors_duplicated_before_bind_are_the_adopted_socket(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket, fcntl
        s = socket.socket(); a = os.dup(s.fileno()); b = os.dup2(s.fileno(), 77, inheritable=True)
        other = socket.socket()
        s.bind(("0.0.0.0", 8080))
        print(*[os.fstat(fd).st_ino for fd in (s.fileno(), a, b)], os.fstat(other.fileno()).st_ino,
              fcntl.fcntl(a, fcntl.F_GETFD), fcntl.fcntl(b, fcntl.F_GETFD))
    """, [passed]).split()[:3] == [str(inode_of(passed))] * 3


def test_descriptor_0_can_be_adopted(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket
        os.close(0); s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(s.fileno(), os.fstat(0).st_ino)
    """, [passed]) == f"0 {inode_of(passed)}"


@pytest.mark.parametrize("user", [None, 65534])
def test_epoll_registration_before_bind_works_after_it(runner, user):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import select, socket
        s = socket.socket(); e = select.epoll(); d = s.dup()
        e.register(s, select.EPOLLIN); e.register(d, select.EPOLLIN | select.EPOLLET)
        s.bind(("0.0.0.0", 8080)); s.listen(1)
        print(e.poll(0), flush=True)
        print(sorted(e.poll(10)) == sorted([(s.fileno(), select.EPOLLIN), (d.fileno(), select.EPOLLIN)]), flush=True)
        e.modify(s, 0); e.unregister(d)
        print(e.poll(0))
        try: e.register(s, 0)
        except FileExistsError: print("registered")
        e.unregister(s)
    """), [passed], user=user)
    harness.wait_until(lambda: process.stdout)
    with socket.create_connection(passed.getsockname()):
        assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == ["[]", "True", "[]", "registered"]


def test_udp_socket_is_not_given_to_a_tcp_bind(runner):
    passed = udp_socket()
    assert output(runner, """
        import socket
        s = socket.socket(); s.bind(("127.0.0.1", 8080)); print(s.getsockname()[1])
        u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 8080)); print(u.getsockname()[1])
    """, [passed]).split() == ["8080", str(port_of(passed))]


def test_udp_datagrams_arrive_through_the_passed_socket(runner):
    passed = udp_socket()
    process = runner.force_bind(RULE, python("""
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
        data, peer = s.recvfrom(100); s.sendto(data.upper(), peer)
    """), [passed])
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hello", passed.getsockname())
        assert client.recvfrom(100) == (b"HELLO", passed.getsockname())
    assert process.wait() == 0


def test_mptcp_bind_gets_the_tcp_socket(runner):
    passed = tcp_socket()
    assert output(runner, """
        import os, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.bind(("0.0.0.0", 8080))
        print(os.fstat(s.fileno()).st_ino)
    """, [passed]) == str(inode_of(passed))


SEPARATE = """
    import os, select, socket
    four = socket.socket(); four.bind(("0.0.0.0", 8080)); four.listen(1)
    six = socket.socket(socket.AF_INET6); six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    six.bind(("::", 8080)); six.listen(1)
    print(four.getsockname(), os.fstat(six.fileno()).st_ino, flush=True)
    while True:
        for s in select.select([four, six], [], [])[0]:
            c, peer = s.accept(); c.sendall(f"{'four' if s is four else 'six'} {peer[0]}".encode()); c.close()
"""


def test_ipv4_half_is_parked_and_ipv6_half_serves_both_families(runner):
    passed = tcp6_socket()
    process = runner.force_bind(RULE, python(SEPARATE), [passed])
    assert exchange(("127.0.0.1", port_of(passed))) == b"six ::ffff:127.0.0.1"
    assert exchange(("::1", port_of(passed))) == b"six ::1"
    assert process.stdout.strip() == f"('0.0.0.0', 8080) {inode_of(passed)}"
    assert harness.listening_inodes() == {inode_of(passed)}


HALVES = {"four": 'four = socket.socket(); four.bind(("0.0.0.0", 8080)); four.listen(1)',
          "six": 'six = socket.socket(socket.AF_INET6); six.bind(("::", 8080)); six.listen(1)'}


@pytest.mark.parametrize("user", [None, 65534], ids=["root", "nobody"])
@pytest.mark.parametrize("first,second", [("four", "six"), ("six", "four")])
def test_ipv4_socket_is_not_given_to_both_halves(runner, first, second, user):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python(f"""
import os, select, socket
{HALVES[first]}
{HALVES[second]}
print(os.fstat({first}.fileno()).st_ino, {second}.getsockname()[:2], flush=True)
ready = select.select([four, six], [], [])[0]
for s in ready:
    c, peer = s.accept(); c.sendall(f"{{len(ready)}} {{'four' if s is four else 'six'}} {{peer[0]}}".encode()); c.close()
"""), [passed], user=user)
    assert exchange(("127.0.0.1", port_of(passed))) == f"1 {first} 127.0.0.1".encode()
    assert process.wait() == 0, process.stderr
    address = "::" if second == "six" else "0.0.0.0"
    assert process.stdout.strip() == f"{inode_of(passed)} ('{address}', 8080)"


@pytest.mark.parametrize("first,second", [("four", "six"), ("six", "four")])
def test_ipv4_socket_goes_to_the_second_half_if_the_first_was_closed(runner, first, second):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python(
        f"import os, socket\n{HALVES[first]}; {first}.close()\n{HALVES[second]}; print(os.fstat({second}.fileno()).st_ino)"),
        [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == str(inode_of(passed))


def test_parking_works_for_an_unprivileged_target(runner):
    passed = tcp6_socket()
    runner.force_bind(RULE, python(SEPARATE), [passed], user=65534)
    assert exchange(("127.0.0.1", port_of(passed))) == b"six ::ffff:127.0.0.1"


def test_each_half_gets_its_own_socket_where_two_were_passed(runner):
    port = 8080
    four, six = tcp_socket("0.0.0.0", port), tcp6_socket("::", port, v6only=True)
    runner.force_bind(["-m", ":8080=sd=http"], python(SEPARATE), [six, four],
                      names=["http", "http"])
    assert exchange(("127.0.0.1", port)) == b"four 127.0.0.1"
    assert exchange(("::1", port)) == b"six ::1"


def test_ipv4_only_program_fails_with_eafnosupport_if_no_rule_gives_the_dual_stack_socket_to_ipv6(runner):
    passed = tcp6_socket()
    process = runner.force_bind(["-m", "0.0.0.0/0:8080=sd=0", "-m", "[::]/0:8080=deny"], python("""
        import errno, socket
        s = socket.socket()
        try: s.bind(("127.0.0.1", 8080))
        except OSError as e: print(errno.errorcode[e.errno])
    """), [passed])
    assert process.wait() == 0
    assert process.stdout.strip() == "EAFNOSUPPORT"
    assert f"ListenStream=0.0.0.0:{port_of(passed)}" in process.stderr


def test_ipv4_only_program_under_a_dual_stack_socket_is_told_what_to_do(runner, notify):
    passed = tcp6_socket()
    line = f"ListenStream=0.0.0.0:{port_of(passed)}" # the port that clients know, not the program's
    process = runner.force_bind([*RULE, "--ready=listen"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.accept()
    """), [passed], env={"NOTIFY_SOCKET": notify.path})
    assert notify.wait_for("ERRNO=") == "ERRNO=97"
    assert line in process.stderr
    assert any(line in status for status in notify.lines() if status.startswith("STATUS="))
    assert "READY=1" not in notify.lines()


def test_dual_stack_program_gets_the_ipv4_socket(runner):
    passed = tcp_socket("0.0.0.0")
    process = runner.force_bind(RULE, python("""
        import socket
        s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", 8080)); s.listen(1); c = socket.socket(fileno=s._accept()[0]); c.sendall(repr(c.getpeername()[0]).encode())
    """), [passed])
    assert exchange(("127.0.0.1", port_of(passed))) == b"'127.0.0.1'"
    assert process.wait() == 0


def test_ipv6_only_bind_does_not_get_the_ipv4_socket(runner):
    assert output(runner, """
        import socket
        s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("::", 8080)); print(s.getsockname()[:2])
    """, [tcp_socket()]) == "('::', 8080)"


def test_of_several_sockets_of_a_name_the_requested_address_wins(runner):
    sockets = [tcp_socket("127.0.0.1", port) for port in (8081, 8082, 8083)]
    assert output(runner, """
        import socket
        for port in (8083, 8081, 8082):
            s = socket.socket(); s.bind(("127.0.0.1", port)); print(s.getsockname()[1], end=" ")
    """, sockets, ["-m", ":*=sd=web"], names=["web"] * 3) == "8083 8081 8082"


def test_auto_adopts_what_asks_for_its_address(runner):
    passed = tcp_socket("127.0.0.1", 8080)
    assert output(runner, """
        import os, socket
        for address in ("127.0.0.1", "0.0.0.0"):
            s = socket.socket(); s.bind((address, 8080)); print(os.fstat(s.fileno()).st_ino, end=" ")
    """, [passed], ["--auto"]) == " ".join([str(inode_of(passed))] * 2)


def test_auto_never_widens_and_names_the_rule_that_would(runner):
    passed = tcp_socket("0.0.0.0", 8080)
    process = runner.force_bind(["--auto"], python("""
        import errno, socket
        s = socket.socket()
        try: s.bind(("127.0.0.1", 8080))
        except OSError as e: print(errno.errorcode[e.errno])
    """), [passed], names=["web"])
    assert process.wait() == 0
    assert process.stdout.strip() == "EADDRINUSE"
    assert "127.0.0.1:8080=sd=web" in process.stderr


def backlog_of(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[28:32], "little")  # tcpi_sacked: the backlog of a listening socket


def test_listen_does_not_shrink_the_backlog(runner):
    passed = tcp_socket(backlog=100)
    output(runner, "import socket; s = socket.socket(); s.bind(('0.0.0.0', 8080)); s.listen(3)", [passed])
    assert backlog_of(passed) == 100


def test_listen_may_enlarge_the_backlog(runner):
    passed = tcp_socket(backlog=100)
    output(runner, "import socket; s = socket.socket(); s.bind(('0.0.0.0', 8080)); s.listen(200)", [passed])
    assert backlog_of(passed) == 200


@pytest.mark.parametrize("how", ["SHUT_RD", "SHUT_RDWR"])
def test_shutdown_leaves_the_passed_socket_and_its_queue_alone(runner, how):
    passed = tcp_socket()
    with socket.create_connection(passed.getsockname()) as waiting:
        assert output(runner, f"""
            import errno, socket
            s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.shutdown(socket.{how})
            try: s.accept()
            except OSError as e: print(errno.errorcode[e.errno])
        """, [passed]) == "EINVAL"
        runner.force_bind(RULE, python("""
            import socket
            s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.accept()[0].sendall(b"next")
        """), [passed])
        waiting.settimeout(10)
        assert waiting.recv(10) == b"next"


def test_shutdown_wakes_a_thread_that_waits_in_accept(runner, probe):
    passed = tcp_socket()
    process = runner.force_bind(RULE, [probe, "shutdown-wakes", "8080"], [passed])
    assert process.wait() == 0
    assert sorted(process.stdout.splitlines()) == ["accept EINVAL", "shutdown 0"]
    assert passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_listen_after_shutdown_serves_again(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1); s.shutdown(socket.SHUT_RD); s.listen(1)
        s.accept()[0].sendall(b"again")
    """), [passed])
    assert exchange(passed.getsockname()) == b"again"
    assert process.wait() == 0


def test_shutdown_of_a_datagram_socket_leaves_the_passed_one_alone(runner):
    passed = udp_socket()
    assert output(runner, """
        import errno, socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError as e: print(errno.errorcode[e.errno])
    """, [passed]) == "ENOTCONN"
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"still", passed.getsockname())
        passed.settimeout(10)
        assert passed.recv(10) == b"still"


def test_shutdown_of_a_datagram_socket_for_writing_leaves_the_passed_one_sending(runner):
    passed = udp_socket()
    assert output(runner, """
        import errno, socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
        try: s.shutdown(socket.SHUT_WR)
        except OSError as e: print(errno.errorcode[e.errno])
    """, [passed]) == "ENOTCONN"
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        passed.sendto(b"still", client.getsockname())
        client.settimeout(10)
        assert client.recv(10) == b"still"


def test_shutdown_for_writing_asks_nobody(runner):
    passed = tcp_socket()
    process = runner.force_bind(RULE, python("""
        import socket, sys
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
        c, _ = s.accept(); print("accepted", flush=True); sys.stdin.readline(); c.shutdown(socket.SHUT_WR); c.recv(1)
    """), [passed], stdin=subprocess.PIPE)
    with socket.create_connection(passed.getsockname()) as client:
        supervisor = process.supervisor()
        harness.wait_until(lambda: "accepted" in process.stdout)
        harness.os.kill(supervisor, signal.SIGSTOP)
        process.popen.stdin.write(b"go\n")
        process.popen.stdin.flush()
        client.settimeout(10)
        assert client.recv(1) == b""
        harness.os.kill(supervisor, signal.SIGCONT)
    assert process.wait() == 0
    process.popen.stdin.close()


def test_connected_datagram_socket_is_free_again_for_the_next_target(runner):
    passed = udp_socket()
    code = """
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
        try: print(s.getpeername())
        except OSError: print("free")
        s.connect(("127.0.0.1", 9))
    """
    assert output(runner, code, [passed]) == "free"
    assert output(runner, code, [passed]) == "free"


def test_ipv4_socket_that_a_dual_stack_program_leaves_unserved_is_named(runner, notify):
    four, six = tcp_socket("0.0.0.0", 8080), tcp6_socket("::", 8080, v6only=True)
    process = runner.force_bind(["--auto", "--ready=listen"], python("""
        import socket
        s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", 8080)); s.listen(1); s.accept()
    """), [four, six], names=["web", "web"], env={"NOTIFY_SOCKET": notify.path})
    hint = harness.wait_until(lambda: [line for line in notify.lines() if "web 0.0.0.0:8080 is not served" in line])
    assert "one ListenStream=8080" in hint[0]
    assert "nobody serves passed socket web, 0.0.0.0:8080" in process.stderr


def test_passed_socket_that_nothing_adopts_is_named_at_the_end(runner):
    process = runner.force_bind(["-m", ":8080=sd=web"], ["true"], [tcp_socket("127.0.0.1", 8081)], names=["web"])
    assert process.wait() == 0
    harness.wait_until(lambda: "nothing has adopted passed socket web, 127.0.0.1:8081" in process.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])  # KillSignal=
def test_program_that_is_stopped_before_it_binds_is_not_blamed(runner, number):
    process = runner.force_bind(["-m", ":8080=sd=web"], ["sleep", "1000"], [tcp_socket("127.0.0.1", 8081)], names=["web"])
    os.kill(process.supervisor(), number)  # as KillMode=control-group does
    process.signal(number)
    assert process.wait() == -number
    harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")
    assert process.stderr == ""


def test_unmatched_bind_of_a_program_that_adopts_nothing_is_named_at_the_end(runner):
    process = runner.force_bind(["-m", ":80=sd=web"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080))
    """), [tcp_socket("127.0.0.1", 8081)], names=["web"])
    assert process.wait() == 0
    harness.wait_until(lambda: "the program has bound 0.0.0.0:8080, which no rule matches: for that it would be "
                               "-m :8080=sd=0" in process.stderr)


def test_udp_socket_that_the_target_connected_hears_everybody_once_the_target_is_gone(runner):
    passed = udp_socket(port=8081)  # the kernel takes back a port that it chose itself
    passed.settimeout(harness.DEADLINE)
    first, other = udp_socket(), udp_socket()
    process = runner.force_bind(RULE, python("""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
        s.connect(s.recvfrom(100)[1]); s.send(b"connected")
    """), [passed])
    first.sendto(b"first", passed.getsockname())
    first.settimeout(harness.DEADLINE)
    assert first.recv(100) == b"connected"
    assert process.wait() == 0, process.stderr
    harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")
    other.sendto(b"other", passed.getsockname())
    assert passed.recv(100) == b"other"


@pytest.mark.parametrize("family,address", [("AF_INET", "127.0.0.1"), ("AF_UNIX", None)])
def test_process_that_listens_on_a_socket_which_another_has_bound_gets_the_passed_one(runner, tmp_path, family, address):
    passed = tcp_socket() if address else harness.unix_socket(tmp_path / "s")
    process = runner.force_bind(["--auto", "-v"], python(f"""
        import os, select, socket
        s = socket.socket(socket.{family}); d = s.dup()
        epoll = select.epoll(); epoll.register(d, select.EPOLLIN)
        child = os.fork()
        if child == 0:
            s.bind({passed.getsockname()!r}); os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        s.listen(1)
        assert epoll.poll() == [(d.fileno(), select.EPOLLIN)]
        d.accept()[0].sendall(b"served")
    """), [passed])
    assert harness.exchange(passed.getsockname()) == b"served", process.stderr
    assert process.wait() == 0, process.stderr
    assert "another process has this socket open" in process.stderr


def test_socket_that_a_privileged_helper_binds_is_the_passed_one_for_who_listens(runner):
    passed = tcp_socket()
    process = runner.force_bind(["--auto"], python(f"""
        import os, socket
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
            socket.socket(fileno=fds[0]).bind({passed.getsockname()!r}); theirs.send(b"."); os._exit(0)
        s = socket.socket()
        socket.send_fds(ours, [b"."], [s.fileno()])
        ours.recv(1); s.listen(); s.accept()[0].sendall(b"served")
    """), [passed])
    assert harness.exchange(passed.getsockname()) == b"served", process.stderr


def test_datagram_socket_that_two_processes_share_is_warned_of(runner):
    passed = harness.udp_socket()
    process = runner.force_bind(["--auto"], python(f"""
        import os, socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        child = os.fork()
        if child == 0: s.bind({passed.getsockname()!r}); os._exit(0)
        os.waitpid(child, 0)
    """), [passed])
    assert process.wait() == 0
    assert "receives nothing" in process.stderr


def test_socket_that_no_other_process_has_is_not_said_to_be_shared(runner):
    sockets = [tcp_socket(), harness.udp_socket()]
    process = runner.force_bind(["--auto", "-v"], python(f"""
        import os, socket
        for kind, address in ((socket.SOCK_STREAM, {sockets[0].getsockname()!r}), (socket.SOCK_DGRAM, {sockets[1].getsockname()!r})):
            s = socket.socket(socket.AF_INET, kind); d = os.dup(s.fileno()); s.bind(address)
    """), sockets)
    assert process.wait() == 0
    assert process.stderr.count("adopted") == 2 and "another process" not in process.stderr
