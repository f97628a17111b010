# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which passed sockets there are, and what the target sees of them."""
import os
import socket

import harness
import pytest
from harness import exchange, inode_of, port_of, python, tcp_socket

SHOW = python("""
    import os
    print(sorted(name for name in os.environ if name.startswith("LISTEN_")))
    print(sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2)[:-1])
""")


def test_listen_variables_and_descriptors_are_cleared_in_the_target(runner):
    process = runner.force_bind(["-m", ":8080=sd=0"], SHOW, [tcp_socket(), tcp_socket()], names=["a", "b"])
    assert process.wait() == 0
    assert process.stdout.splitlines() == ["[]", "[]"]


def test_keep_fds_leaves_both_to_the_target(runner):
    process = runner.force_bind(["--keep-fds", "-m", ":8080=sd=0"], SHOW, [tcp_socket(), tcp_socket()], names=["a", "b"])
    assert process.wait() == 0
    assert process.stdout.splitlines() == ["['LISTEN_FDNAMES', 'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_PIDFDID']", "[3, 4]"]


def test_what_is_no_socket_stays_open_at_its_number(runner, tmp_path):
    (tmp_path / "file").write_text("content")
    passed = tcp_socket()
    with open(tmp_path / "file") as file:
        process = runner.force_bind(["-m", ":8080=sd=1"], python("""
            import os, socket
            s = socket.socket(); s.bind(("0.0.0.0", 8080))
            print(os.read(3, 100), os.fstat(s.fileno()).st_ino, os.path.exists("/proc/self/fd/4"))
        """), [file, passed])
        assert process.wait() == 0
    # Descriptor 4 is free, so the target's own socket gets it.
    assert process.stdout.strip() == f"b'content' {inode_of(passed)} True"


def test_sockets_of_another_process_are_not_taken(runner):
    process = runner.force_bind(["-m", ":8080=sd=0"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(s.getsockname()[1])
    """), [tcp_socket()], listen_pid=1)
    assert process.wait() == 0
    assert process.stdout.strip() == "8080"
    assert "LISTEN_PID=1 is not this process" in process.stderr and "exec" in process.stderr


@pytest.mark.parametrize("environment,status,words", [
    (["-u", "LISTEN_PID"], 0, ["LISTEN_FDS=1 is set, but LISTEN_PID is not", "LISTEN_PID=$$ exec force-bind"]),
    (["LISTEN_FDS=4"], 125, ["LISTEN_FDS=4", "not all of them are open", "sudo"]),
    (["LISTEN_FDS=x"], 125, ["LISTEN_FDS=x", "expected a number"]),
    (["LISTEN_FDNAMES=a:b"], 125, ["LISTEN_FDNAMES=a:b", "as many names"]),
])
def test_environment_that_cannot_be_right_is_told_with_what_is_in_it(runner, environment, status, words):
    process = runner.run(["env", *environment, harness.FORCE_BIND, "-m", ":8080=sd=0", "--", "true"], [tcp_socket()])
    assert process.wait() == status
    assert len(process.stderr.splitlines()) == 1 and all(word in process.stderr for word in words), process.stderr


def test_missing_socket_that_a_rule_makes_mandatory_is_told(runner):
    process = runner.force_bind(["-m", ":8080=sd=0|deny"], python("""
        import socket
        try: socket.socket().bind(("0.0.0.0", 8080))
        except OSError: pass
    """))
    assert process.wait() == 0
    assert "tcp 0.0.0.0:8080: refused with EACCES, no socket was passed (rule: :8080=sd=0|deny)" in process.stderr


def test_1200_sockets_can_be_passed(runner):
    sockets = [tcp_socket() for _ in range(1200)]
    last = sockets[-1]
    runner.force_bind(["-m", ":8080=sd=1199"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
        while True: s.accept()[0].sendall(str(s.fileno()).encode())
    """), sockets)
    assert exchange(("127.0.0.1", port_of(last))) == b"3"


def test_names_select(runner):
    one, two = tcp_socket(), tcp_socket()
    process = runner.force_bind(["-m", ":8080=sd=two", "-m", ":8081=sd-one"], python("""
        import os, socket
        for port in (8080, 8081):
            s = socket.socket(); s.bind(("0.0.0.0", port)); print(os.fstat(s.fileno()).st_ino)
    """), [one, two], names=["one", "two"])
    assert process.wait() == 0
    assert process.stdout.split() == [str(inode_of(two)), str(inode_of(one))]


def test_unknown_name_takes_no_other_socket(runner):
    process = runner.force_bind(["-m", ":8080=sd=three"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(s.getsockname()[1])
    """), [tcp_socket()], names=["one"])
    assert process.wait() == 0
    assert process.stdout.strip() == "8080"


def test_inherited_descriptor_is_adopted(runner):
    passed = tcp_socket()
    fd = passed.fileno()
    process = runner.run(["sh", "-c", f"exec {harness.FORCE_BIND} -m :8080=fd=9 -- \"$@\" 9<&{3}", "sh", *python("""
        import os, socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(os.fstat(s.fileno()).st_ino, os.path.exists("/proc/self/fd/9"))
    """)], [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == f"{inode_of(passed)} False"
    assert fd == passed.fileno()


def test_standard_input_can_be_the_passed_socket(runner):
    passed = tcp_socket()
    process = runner.force_bind(["-m", ":8080=fd=0"], python("""
        import os, socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(os.fstat(s.fileno()).st_ino)
    """), stdin=passed)
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == str(inode_of(passed))


def test_two_names_for_one_descriptor_are_refused(runner):
    process = runner.force_bind(["-m", ":8080=sd=0"], ["true"], [tcp_socket()], names=["a", "b"])
    assert process.wait() == 125
    assert "LISTEN_FDNAMES" in process.stderr


@pytest.mark.parametrize("rule,program,make,told", [
    ("tcp:8080=sd=htpp", 'socket.socket().bind(("0.0.0.0", 8080))', lambda path: tcp_socket(port=18080),
     "tcp 0.0.0.0:8080: really bound: what the rule names was not passed; there are sd=0 http (rule: tcp:8080=sd=htpp)"),
    (":8080=sd=0", 'socket.socket().bind(("0.0.0.0", 8080))', lambda path: harness.unix_socket(path / "web", socket.SOCK_DGRAM),
     "passed socket http is datagram unix:{path}/web, which cannot take its place; "
     "the .socket unit needs ListenStream=0.0.0.0:8080"),
    (":8080=sd=0", 'socket.socket(type=socket.SOCK_DGRAM).bind(("0.0.0.0", 8080))', lambda path: tcp_socket(port=18080),
     "passed socket http is tcp 127.0.0.1:18080, which cannot take its place; "
     "the .socket unit needs ListenDatagram=0.0.0.0:18080"),
    ("unix:*=sd=0", 'socket.socket(socket.AF_UNIX).bind("{path}/mine")', lambda path: tcp_socket(port=18080),
     "the .socket unit needs ListenStream={path}/mine"),
    (":8080=sd=1|deny", 'socket.socket().bind(("0.0.0.0", 8080))', lambda path: tcp_socket(port=18080),
     "tcp 0.0.0.0:8080: refused with EACCES: what the rule names was not passed; there are sd=0 http"),
])
def test_socket_that_cannot_be_given_is_told_once_with_the_reason_and_the_remedy(runner, tmp_path, rule, program, make,
                                                                                told):
    code = f"""
        import socket
        for _ in range(2):
            try: {program.format(path=tmp_path)}
            except OSError: pass
    """
    process = runner.force_bind(["-m", rule], python(code), [make(tmp_path)], names=["http"])
    assert process.wait() == 0
    harness.wait_until(lambda: not harness.supervisors())
    lines = [line for line in process.stderr.splitlines() if told.format(path=tmp_path) in line]
    assert len(lines) == 1, process.stderr
