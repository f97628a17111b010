# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hostile programs (attacks/) get no IP socket that is bound where no rule lets them. Each attack is carried out
without force-bind first, where it has to succeed; whether it did is looked up from outside (ip_sockets.py)."""
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import harness
import ip_sockets
import pytest
from slow_file import slow_file

NOBODY = 65534
RULE = "tcp:127.0.0.1:5000=allow"
GIVEN = {(socket.IPPROTO_TCP, "127.0.0.1", 5000)}
VICTIM, VICTIM_PORT = 1, 6001  # attacks/attack.h
IN_TIME = 60


class Attack(NamedTuple):
    """A line of attack NAME ARGUMENT..."""
    command: str
    users: tuple = (0, NOBODY)
    options: tuple = ("--strict", "-m", RULE)
    given: frozenset = frozenset(GIVEN)


ROOT = (0,)
DATAGRAM = ("--strict=datagram", "-m", RULE)
IPV6 = ("--strict", "-m", "tcp:[::]:5000=allow")

ATTACKS = [
    *map(Attack, """other-port other-address port-zero bind-only listen-without-bind listen-without-bind-ipv6
        unspecified-family unspecified-family-allowed-port long-length ipv6 ipv6-any ipv6-length-24 mapped mapped-any vsock
        listen-after-connect listen-after-fast-open listen-on-accepted listen-on-client steal-by-reuse-port
        rewrite-port rewrite-address rewrite-family rewrite-mapped rewrite-shared-memory rewrite-proc-mem exchange-page
        exchange-descriptor-of-bind exchange-descriptor-of-listen unconnect-during-listen
        free-bind bind-to-device address-without-port port-range-listen port-range-datagram address-form
        address-form-stream fast-open-connect
        upper-halves upper-halves-of-listen i386-calls i386-listen i386-socketcall rewrite-socketcall x32-calls ring
        shared-descriptors shared-memory shared-all vfork own-table-of-a-thread socket-of-another-network own-mounts
        own-user-namespace execute-during-bind passed-by-child changed-by-tracer listener-of-its-own filter-that-allows
        filter-that-traces write-with-process-vm write-proc-mem trace take-socket
        kill-supervisor kill-supervisor-and-listen stop-supervisor signals-to-supervisor trace-supervisor
        write-supervisor limit-supervisor limit-itself take-listener inherited-listener""".split()),
    *(Attack(name, ROOT) for name in ("packet", "transparent", "repair", "repair-connection", "network-of-another")),
    Attack("port-range-of-all", ROOT, DATAGRAM),
    *(Attack(name, options=DATAGRAM) for name in ("send-datagram", "send-message", "connect-datagram")),
    Attack("toggle-v6only-during-bind", options=IPV6, given=frozenset()),
    Attack("toggle-v6only-during-listen", options=IPV6, given=frozenset()),
    # kind FAMILY TYPE PROTOCOL PORT
    Attack("kind 2 1 262"),       # MPTCP
    Attack("kind 2 2 0"),         # UDP
    Attack("kind 2 2 0 5000"),    # of which the rule is not
    Attack("kind 2 2 136 5000"),  # UDP-Lite
    Attack("kind 2 1 132 5000"), Attack("kind 2 5 132 5000"),  # SCTP
    Attack("kind 2 6 33 5000"),   # DCCP
    Attack("kind 2 3 1", ROOT), Attack("kind 10 3 58", ROOT), Attack("kind 2 3 255", ROOT), Attack("kind 2 3 6", ROOT),  # raw
    Attack("kind 2 2 1"), Attack("kind 10 2 58"),  # ping
    Attack("kind 43 1 0"), Attack("kind 2 1 256"), Attack("upper-layer smc"),
]


@pytest.fixture(scope="session")
def attack_program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("attacks")
    for parent in (directory, *directory.parents[:2]):
        os.chmod(parent, 0o755)
    sources = sorted(Path(__file__).with_name("attacks").glob("*.c"))
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-pthread", "-no-pie", "-Wall", "-Wextra", "-Werror", "-o",
                    directory / "attack", *sources], check=True)
    return str(directory / "attack")


@pytest.fixture(autouse=True)
def network():
    """Ping sockets for everybody, and what an attack may have changed as it was."""
    settings = Path("/proc/sys/net/ipv4")
    (settings / "ping_group_range").write_text("0 65534")
    yield
    (settings / "ip_local_port_range").write_text("32768 60999")


def pid_in_namespace(pid):
    """The PID that a process has in its attempt's namespace; None: it has ended, or is not in one"""
    try:
        pids = re.search(r"NSpid:(.*)", Path(f"/proc/{pid}/status").read_text())[1].split()
    except FileNotFoundError:
        return None
    return int(pids[-1]) if len(pids) > 1 else None


class Attempts:
    def __init__(self, runner, program):
        self.runner, self.program = runner, program

    def run(self, attack, user, options=(), before=(), in_time=IN_TIME, **kwargs):
        """Carries an attack out beside a victim, below force-bind if there are options, with both in a PID namespace of
        their own, where nobody else can come to harm. Returns what it says, what it got that it was not given, and stderr."""
        known = {bound.inode for bound in ip_sockets.in_this_network()}
        process = self.runner.run([
            "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--",
            "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", self.program, "victim",
            *before, *([harness.FORCE_BIND, *options, "--"] if options else []), self.program, *attack.command.split()],
            **kwargs)
        harness.wait_until(lambda: re.search("done|ended", process.stdout) or process.popen.poll() is not None,
                           f"the end of {attack}", in_time)
        errors = process.stderr if "stderr" not in kwargs else ""
        assert "started" in process.stdout, f"the attack did not begin: {errors}"
        found = self.escapes(known, attack.given)
        said = process.stdout
        self.runner.finish()
        return said, found, errors

    @staticmethod
    def escapes(known, given):
        """What there is now that nobody was given: sockets of our network, but those known and the victim's own; and of
        the processes that we started, but the victim; both may name the same."""
        there = ip_sockets.in_this_network()
        # getsockname() of a closed TCP connection tells the port that it had
        inodes = {bound.inode for bound in there}
        found = set()
        for pid in harness.own_descendants() - set(harness.supervisors()):
            held = {bound for bound in ip_sockets.held_by(pid) if bound.inode in inodes or not ip_sockets.is_closed(bound)}
            if pid_in_namespace(pid) == VICTIM:
                known = known | {bound.inode for bound in held if bound.port == VICTIM_PORT}
            elif pid_in_namespace(pid):
                found |= held
        found |= {bound for bound in there if bound.inode not in known}
        return {bound for bound in found if not ip_sockets.is_given(bound, given) and not ip_sockets.is_clients(bound)}

    def check(self, attack, user, **kwargs):
        said, found, errors = self.run(attack, user, **kwargs)
        if "missing" in said:
            pytest.skip(next(line for line in said.splitlines() if "missing" in line))
        assert found, f"the control failed: this attack does not even work natively: {said} {errors}"
        said, found, errors = self.run(attack, user, attack.options, **kwargs)
        assert not found, f"escaped: {said} {errors}"
        assert "escaped" not in said


@pytest.fixture
def attempts(runner, attack_program):
    return Attempts(runner, attack_program)


CASES = [(attack, user) for attack in ATTACKS for user in attack.users]


@pytest.mark.parametrize("attack,user", CASES, ids=[f"{a.command} as {'root' if u == 0 else 'nobody'}" for a, u in CASES])
def test_attack_that_works_natively_fails_under_strict(attempts, attack, user):
    attempts.check(attack, user)


@pytest.mark.parametrize("user", [0, NOBODY])
def test_ring_that_was_set_up_before_is_no_use(attempts, user):
    attempts.check(Attack("inherited-ring"), user, before=[attempts.program, "with-ring"])


@pytest.mark.parametrize("user", [0, NOBODY])
def test_inherited_socket_that_no_rule_gives_is_no_use(attempts, user):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 6002))
        # The test has it open as well, and it is known therefore: only what the target holds counts.
        attempts.check(Attack("inherited 3"), user, before=["env", "-u", "LISTEN_FDS", "--"], sockets=[bound])


@pytest.mark.parametrize("user", [0, NOBODY])
def test_supervisor_that_has_few_descriptors_gives_the_passed_socket_only(attempts, user):
    with harness.tcp_socket("127.0.0.1", 5000) as passed:
        attack = Attack("limit-descriptors", options=("--strict", "-m", "*=sd=0"))
        attempts.check(attack, user, before=["env", "LISTEN_PID=2", "LISTEN_FDS=1"], sockets=[passed])


@pytest.mark.parametrize("user", [0, NOBODY])
def test_full_log_that_nobody_reads_opens_nothing(attempts, user):
    read_end, write_end = os.pipe()
    try:
        attempts.check(Attack("fill-log"), user, stderr=write_end)
    finally:
        os.close(read_end)
        os.close(write_end)


def test_setuid_program_below_is_fenced_as_well(attempts, tmp_path):
    program = tmp_path / "setuid"
    shutil.copy(attempts.program, program)
    program.chmod(0o4755)
    attempts.program = program
    attempts.check(Attack("privileged-port"), NOBODY)


@pytest.mark.parametrize("user", [0, NOBODY])
def test_fenced_program_has_no_capability_that_needs_no_bind(runner, attack_program, user):
    process = runner.run([harness.FORCE_BIND, "--strict", "-m", RULE, "--", "grep", "^Cap", "/proc/self/status"], user=user)
    assert process.wait() == 0, process.stderr
    harmful = sum(1 << number for number in (12, 13, 19, 21, 38, 39, 40))  # NET_ADMIN NET_RAW SYS_PTRACE SYS_ADMIN ...
    sets = dict(line.split(":\t") for line in process.stdout.splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if user == 0 else [])):  # no_new_privs seals the last
        assert int(sets[name], 16) & harmful == 0, process.stdout


@pytest.mark.parametrize("user", [0, NOBODY])
def test_fenced_server_serves_where_it_may_and_is_a_client_as_ever(runner, user):
    process = runner.run([harness.FORCE_BIND, "--strict", "-m", RULE, "--", *harness.python("""
        import socket, threading
        server = socket.socket(); server.bind(("127.0.0.1", 5000)); server.listen()
        client = socket.create_connection(("127.0.0.1", 5000)); server.accept()[0].sendall(b"served"); print(client.recv(9))
        datagrams = socket.socket(type=socket.SOCK_DGRAM); datagrams.sendto(b"x", ("127.0.0.1", 9)); print("sent")
    """)], user=user)
    assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == ["b'served'", "sent"]


@pytest.mark.parametrize("user", [0, NOBODY])
def test_threads_whose_memory_never_comes_keep_nobody_else_waiting(runner, attack_program, tmp_path, user):
    mount = tmp_path / "slow"
    mount.mkdir()
    with slow_file(mount) as path:
        process = runner.run([harness.FORCE_BIND, "--strict", "-m", RULE, "--", "sh", "-c", """
            "$0" flood "$1" 2000 | { read started; read done; echo "$done"; "$0" allowed-bind; }""", attack_program, path],
            user=user)
        harness.wait_until(lambda: re.search("bound|refused|missing", process.stdout), "another bind to be answered", IN_TIME)
        assert "bound" in process.stdout
        os.kill(process.pid, 9)


@pytest.mark.slow
@pytest.mark.parametrize("user", [0, NOBODY])
def test_none_of_so_many_hostile_binds_escapes(attempts, user):
    """FORCE_BIND_HOSTILE_BINDS=1000000 for a long run"""
    number = int(os.environ.get("FORCE_BIND_HOSTILE_BINDS", "30000"))
    attempts.check(Attack(f"hostile-binds {number} 4"), user, in_time=60 + number / 500)
