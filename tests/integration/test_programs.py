# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of every kind are served through the passed socket, unchanged, and bind by themselves without one."""
import os
import shutil
import subprocess
from pathlib import Path

import harness
import pytest
from harness import FORCE_BIND, exchange, inode_of, port_of, tcp6_socket, tcp_socket

SOURCES = Path(__file__).parent / "servers"
PORT = "8080"

# name: (how it is built from servers/server.c)
C_PROGRAMS = {
    "dynamic": ["gcc"],
    "static": ["gcc", "-static"],
    "musl": ["musl-gcc", "-static"],
    "musl dynamic": ["musl-gcc"],
    "raw system calls": ["gcc", "-static", "-DRAW"],
    "i386": ["gcc", "-m32"],
    "i386 static": ["gcc", "-m32", "-static"],
    "i386 raw system calls": ["gcc", "-m32", "-static", "-DRAW"],
    "i386 socketcall": ["gcc", "-m32", "-static", "-DSOCKETCALL"],
}
OTHER_PROGRAMS = ["Go with cgo", "Go without cgo", "node", "Java", "Java nio", "Python"]
DUAL_STACK = ["Go with cgo", "Go without cgo", "node", "Java", "Java nio"]


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """{name: command line} of every server, built."""
    directory = tmp_path_factory.mktemp("servers")
    for parent in (directory, *directory.parents[:2]):
        os.chmod(parent, 0o755)
    commands = {}
    for name, compiler in C_PROGRAMS.items():
        program = directory / name.replace(" ", "-")
        subprocess.run([*compiler, "-D_GNU_SOURCE", "-O1", "-o", program, SOURCES / "server.c"], check=True)
        commands[name] = [str(program), PORT]
    for cgo, sources in (("1", ["server.go", "server_cgo.go"]), ("0", ["server.go"])):
        program = directory / f"go-{cgo}"
        environment = dict(os.environ, CGO_ENABLED=cgo, GO111MODULE="off", GOCACHE=str(directory / "cache"), GOFLAGS="",
                           GOPATH=str(directory / "go"), HOME=str(directory))
        subprocess.run(["go", "build", "-o", program, *sources], cwd=SOURCES, env=environment, check=True)
        commands["Go with cgo" if cgo == "1" else "Go without cgo"] = [str(program), PORT]
    subprocess.run(["javac", "-d", directory, SOURCES / "Server.java"], check=True)
    java = ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", str(directory), "Server", PORT]
    for file in ("server.js", "server.py"):
        shutil.copy(SOURCES / file, directory)
    commands.update({"Java": java, "Java nio": [*java, "nio"], "node": ["node", str(directory / "server.js"), PORT],
                     "Python": ["/usr/bin/python3", str(directory / "server.py"), PORT]})
    return commands


def assert_served_through(runner, passed, command, options=("-m", f":{PORT}=sd=0"), address="127.0.0.1", **kwargs):
    process = runner.force_bind(list(options), command, [passed], **kwargs)
    answer = exchange((address, port_of(passed)), deadline=30)
    assert answer.startswith(b"served"), process.stderr
    process.wait_for_socket(passed)
    assert harness.listening_inodes() == {inode_of(passed)}, process.stderr
    return answer.split()[1]


@pytest.mark.parametrize("name", [*C_PROGRAMS, *OTHER_PROGRAMS])
def test_program_is_served_through_the_passed_socket(runner, programs, name):
    peer = assert_served_through(runner, tcp_socket("0.0.0.0"), programs[name])
    assert peer in (b"IPv4", b"127.0.0.1", b"::ffff:127.0.0.1")


@pytest.mark.parametrize("name", DUAL_STACK)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_dual_stack_program_serves_both_families(runner, programs, name, address):
    peer = assert_served_through(runner, tcp6_socket(), programs[name], address=address)
    assert peer.endswith(b"127.0.0.1") if address == "127.0.0.1" else peer in (b"::1", b"0:0:0:0:0:0:0:1")


@pytest.mark.parametrize("name", [*C_PROGRAMS, *OTHER_PROGRAMS])
def test_program_binds_by_itself_where_nothing_is_passed(runner, programs, name):
    process = runner.force_bind(["-v", "-m", f":{PORT}=sd=0"], programs[name])
    harness.wait_until(harness.listening_inodes, process.stderr, deadline=30)
    assert exchange(("127.0.0.1", int(PORT)), deadline=30).startswith(b"served")
    assert "really bound, no socket was passed" in process.stderr


@pytest.mark.parametrize("name", ["dynamic", "static", "i386", "Go without cgo", "node"])
def test_program_of_an_unprivileged_user_is_served(runner, programs, name):
    assert_served_through(runner, tcp_socket("0.0.0.0"), programs[name], user=65534)


def test_program_in_an_empty_environment_is_served(runner, programs):
    assert_served_through(runner, tcp_socket("0.0.0.0"), ["env", "-i", *programs["dynamic"]])


def test_program_of_a_shell_is_served(runner, programs):
    assert_served_through(runner, tcp_socket("0.0.0.0"), ["sh", "-c", '"$0" "$@" & wait', *programs["static"]])


def test_program_that_becomes_nobody_before_bind_is_served(runner, programs):
    assert_served_through(runner, tcp_socket("0.0.0.0"), [*programs["dynamic"], "65534"])


def test_setuid_program_of_nobody_is_served(runner, programs, tmp_path):
    program = tmp_path / "setuid"
    shutil.copy(programs["static"][0], program)
    os.chmod(program, 0o4755)
    assert_served_through(runner, tcp_socket("0.0.0.0"),
                          ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", program, PORT])


def test_program_below_changed_root_is_served(runner, programs, tmp_path):
    shutil.copy(programs["static"][0], tmp_path / "server")
    assert_served_through(runner, tcp_socket("0.0.0.0"), ["chroot", tmp_path, "/server", PORT])


def test_unreadable_program_is_served_for_root(runner, programs, tmp_path):
    """Its process is not dumpable."""
    program = tmp_path / "unreadable"
    shutil.copy(programs["static"][0], program)
    os.chmod(program, 0o711)
    assert_served_through(runner, tcp_socket("0.0.0.0"),
                          ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", program, PORT])


def test_x32_program_is_served(runner, tmp_path):
    program = tmp_path / "x32"
    subprocess.run(["gcc", "-O1", "-nostdlib", "-static", "-fno-stack-protector", "-o", program, SOURCES / "x32.c"],
                   check=True)
    native = runner.run([program])
    if native.wait() == 99:
        pytest.skip("this kernel has no x32 ABI (CONFIG_X86_X32_ABI)")
    passed = tcp_socket()
    blocked = tcp_socket("0.0.0.0", int(PORT))  # a real bind would fail
    process = runner.run([FORCE_BIND, "-m", f":{PORT}=sd=0", "--", program], [passed])
    assert process.wait() == 0
    blocked.close()
