# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a sandbox was opened for the helper is closed again for the target (--close-calls, --close-families)."""
import signal
import subprocess

import harness
import pytest
from harness import python, tcp_socket

PIDFD_GETFD = 438

CALL = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall({PIDFD_GETFD}, -1, 0, 0)
print(ctypes.get_errno(), flush=True)
"""

SERVE = """
import socket
s = socket.socket(); s.bind(("127.0.0.1", 9000)); s.listen()
c, _ = s.accept(); c.sendall(b"served"); c.close()
"""


@pytest.mark.parametrize("rules", [[], ["--auto"]], ids=["without a supervisor", "with one"])
def test_closed_call_ends_the_target(runner, rules):
    sockets = [tcp_socket("127.0.0.1", 9000)] if rules else []
    process = runner.force_bind([*rules, "--close-calls=pidfd_getfd"], python(CALL), sockets)
    assert process.wait() == -signal.SIGSYS
    assert process.stdout == ""


@pytest.mark.parametrize("error,number", [("EPERM", 1), ("38", 38), ("ENOTSUP", 95)])
def test_closed_call_fails_with_the_errno_of_the_unit(runner, error, number):
    process = runner.force_bind([f"--close-calls=seccomp,pidfd_getfd:{error}"], python(CALL))
    assert process.wait() == 0
    assert process.stdout == f"{number}\n"


def test_target_is_served_while_the_supervisors_calls_are_closed_to_it(runner):
    passed = tcp_socket("127.0.0.1", 9000)
    process = runner.force_bind(["--auto", "--close-calls=seccomp,pidfd_open,pidfd_getfd,process_vm_readv",
                                 "--close-families=AF_UNIX"], python(SERVE + CALL), [passed])
    assert harness.exchange(passed.getsockname()) == b"served"
    assert process.wait() == -signal.SIGSYS


def test_closed_family_fails_with_eafnosupport_and_others_work(runner):
    process = runner.force_bind(["--close-families=AF_UNIX"], python("""
        import socket
        socket.socket(socket.AF_INET).close()
        try:
            socket.socket(socket.AF_UNIX)
        except OSError as error:
            print(error.errno)
    """))
    assert process.wait() == 0
    assert process.stdout == "97\n"


def test_what_is_closed_is_closed_to_children(runner):
    process = runner.force_bind(["--close-calls=pidfd_getfd:EPERM"], ["sh", "-c", 'python3 -c "$0"; true', CALL])
    assert process.wait() == 0
    assert process.stdout == "1\n"


def test_closed_capabilities_are_gone_for_good(runner):
    process = runner.force_bind(["--close-capabilities=CAP_SYS_PTRACE,CAP_SETPCAP"],
                                ["grep", "-E", "^Cap(Inh|Prm|Eff|Bnd)", "/proc/self/status"])
    assert process.wait() == 0
    masks = [int(line.split()[1], 16) for line in process.stdout.splitlines()]
    assert len(masks) == 4 and all(mask & (1 << 19 | 1 << 8) == 0 for mask in masks)
    assert masks[1] & 1 << 21  # CAP_SYS_ADMIN stays


@pytest.mark.parametrize("option,expected", [
    ("--close-capabilities=CAP_X", "CAP_SYS_PTRACE or CAP_SETPCAP"),
    ("--close-calls=", "names of system calls"), ("--close-calls=nonsense", "names of system calls"),
    ("--close-calls=seccomp,", "names of system calls"), ("--close-calls=seccomp:EFOO", "names of system calls"),
    ("--close-calls=,seccomp", "names of system calls"), ("--close-families=AF_X", "AF_UNIX, AF_INET"),
    ("--close-families=", "AF_UNIX, AF_INET"), ("--close-families=AF_UNIX,", "AF_UNIX, AF_INET"),
])
def test_wrong_list_ends_with_125(option, expected):
    result = subprocess.run([harness.FORCE_BIND, option, "--", "/bin/true"], capture_output=True, text=True)
    assert result.returncode == 125
    assert option.split("=")[0] in result.stderr and expected in result.stderr
