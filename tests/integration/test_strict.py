# SPDX-License-Identifier: LGPL-2.1-or-later
"""--strict: what a program that plays by the rules may still do, and what is refused at the source. Attacks on it are
in test_strict_attacks.py."""
import errno
import os
import signal
import socket

import harness
import pytest
from harness import exchange, inode_of, python, tcp6_socket, tcp_socket

REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def strict(runner, rules, program, sockets=(), options=(), **kwargs):
    return runner.force_bind(["--strict", *options, *(w for rule in rules for w in ("-m", rule))], program, sockets, **kwargs)


def result(runner, rules, code, sockets=(), options=(), **kwargs):
    """What a Python program prints under --strict; the names of errors it meets are printed instead."""
    lines = "\n".join("    " + line for line in code.strip().splitlines())
    program = f"import ctypes, errno, os, socket, struct, sys, threading\ntry:\n{lines}\nexcept OSError as e: print(errno.errorcode[e.errno])"
    process = strict(runner, rules, python(program), sockets, options, **kwargs)
    assert process.wait() == 0, process.stderr
    return process.stdout.strip()


BIND = """
s = socket.socket(socket.AF_{family}, socket.SOCK_{type}, {protocol})
if {v6only} is not None: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, {v6only})
s.bind({address!r})
if s.type == socket.SOCK_STREAM: s.listen()
print(*s.getsockname()[:2])
"""


def bound(runner, rules, address, port, type="STREAM", protocol=0, v6only=None, **kwargs):
    """What a program gets that binds this address, and listens on it."""
    code = BIND.format(family="INET6" if ":" in address else "INET", type=type, protocol=protocol, v6only=v6only,
                       address=(address, port))
    return result(runner, rules, code, **kwargs)


CASES = [
    # rules, address, port, IPV6_V6ONLY, what it gets
    ([":80=allow"], "127.0.0.1", 80, None, "127.0.0.1 80"),
    ([":80=allow"], "::", 80, 0, ":: 80"),
    ([":80=allow"], "127.0.0.1", 81, None, "EACCES"),
    ([], "127.0.0.1", 80, None, "EACCES"),
    (["127.0.0.1:80=allow"], "0.0.0.0", 80, None, "EACCES"),
    (["127.0.0.1:80=allow"], "::ffff:127.0.0.1", 80, 0, "::ffff:127.0.0.1 80"),
    ([":80=:81"], "127.0.0.1", 80, None, "127.0.0.1 81"),
    ([":80=:81"], "127.0.0.1", 81, None, "EACCES"),
    ([":80=:81"], "::", 80, 0, ":: 81"),
    ([":80-90=127.0.0.1"], "0.0.0.0", 85, None, "127.0.0.1 85"),
    ([":80=localhost:81"], "0.0.0.0", 80, None, "127.0.0.1 81"),
    ([":80=sd=nosuch"], "127.0.0.1", 80, None, "127.0.0.1 80"),
    # A socket for both families needs both
    (["[::]/0:80=allow"], "::", 80, 1, ":: 80"),
    (["[::]/0:80=allow"], "::", 80, 0, "EACCES"),
    (["[::]/0:80=allow"], "::ffff:127.0.0.1", 80, 0, "EACCES"),
    (["[::]/0:80=allow"], "::1", 80, 0, "::1 80"),
    (["0.0.0.0/0:80=allow"], "::", 80, 0, "EACCES"),
    (["*=allow", "0.0.0.0/0=deny"], "::", 80, 0, "EACCES"),
    (["*=allow", "0.0.0.0/0=deny"], "::ffff:127.0.0.1", 80, 1, "EACCES"),
    (["*=allow"], "::ffff:127.0.0.1", 80, 1, "EINVAL"),
    (["[::]/0:80=:81"], "::", 80, 0, "EACCES"),
    (["[::]/0:80=:81"], "::", 80, 1, ":: 81"),
]


@pytest.mark.parametrize("rules,address,port,v6only,expected", CASES, ids=[f"{' '.join(c[0])} {c[1]}:{c[2]} {c[3]}" for c in CASES])
def test_only_what_a_rule_gives_is_bound(runner, rules, address, port, v6only, expected):
    assert bound(runner, rules, address, port, v6only=v6only) == expected


def test_every_protocol_is_asked_for(runner):
    assert bound(runner, ["tcp:80=allow"], "127.0.0.1", 80, protocol=262) == "127.0.0.1 80"
    assert bound(runner, ["tcp:80=allow"], "127.0.0.1", 81, protocol=262) == "EACCES"
    assert bound(runner, ["tcp:80=allow"], "127.0.0.1", 80, "DGRAM") == "EACCES"
    assert bound(runner, ["udp:80=allow"], "127.0.0.1", 80, "DGRAM") == "127.0.0.1 80"
    assert bound(runner, ["udplite:80=allow"], "127.0.0.1", 80, "DGRAM", 136) == "127.0.0.1 80"


def test_a_port_of_the_kernels_choice_needs_a_rule_for_port_0(runner):
    assert bound(runner, [":1-65535=allow"], "127.0.0.1", 0) == "EACCES"
    assert bound(runner, [":0=allow"], "127.0.0.1", 0).startswith("127.0.0.1 ")


LISTEN = "s = socket.socket(socket.AF_{family})\ns.listen()\nprint(s.getsockname()[0])"


def test_listen_without_bind_is_a_bind_to_port_0(runner):
    assert result(runner, [":80=allow"], LISTEN.format(family="INET")) == "EACCES"
    assert result(runner, [":0=allow"], LISTEN.format(family="INET")) == "0.0.0.0"
    assert result(runner, ["127.0.0.1:0=allow"], LISTEN.format(family="INET")) == "EACCES"
    assert result(runner, [":0=allow"], LISTEN.format(family="INET6")) == "::"
    assert result(runner, ["[::]/0:0=allow"], LISTEN.format(family="INET6")) == "EACCES"


def test_kernels_own_errors_stay(runner):
    def error(code):
        return result(runner, [":80=allow"], "s = socket.socket()\n" + code)

    assert error("s.bind(('127.0.0.1', 80)); s.bind(('127.0.0.1', 80))") == "EINVAL"
    assert error("s.bind(('192.0.2.1', 80))") == "EADDRNOTAVAIL"
    assert error("s.close(); os.close(9) if 0 else socket.socket(fileno=0).listen()") == "ENOTSOCK"
    assert error("t = socket.socket(); s.bind(('127.0.0.1', 80)); s.listen(); t.bind(('127.0.0.1', 80))") == "EADDRINUSE"


def test_privileged_ports_still_need_the_capability(runner):
    assert bound(runner, [":80=allow"], "127.0.0.1", 80, user=65534) == "EACCES"
    assert bound(runner, [":8080=allow"], "127.0.0.1", 8080, user=65534) == "127.0.0.1 8080"


def test_listen_gives_no_privileged_port_back_that_was_lost(runner):
    """An accepted connection that is disconnected has the address of its listening socket, but not the port."""
    lines = result(runner, ["127.0.0.1:80=allow"], """
a, b = (socket.socket() for _ in range(2))
for s in (a, b): s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
a.bind(("127.0.0.1", 80)); a.listen()
client = socket.create_connection(("127.0.0.1", 80)); client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
accepted = a.accept()[0]; a.close()
b.bind(("127.0.0.1", 80))
os.setresuid(65534, 65534, 65534)
b.listen(); print("bound before"); b.close()
assert ctypes.CDLL(None).connect(accepted.fileno(), bytes(16), 16) == 0
accepted.listen(); print("listens", *accepted.getsockname())""")
    assert lines.splitlines() == ["bound before", "EACCES"]


def test_passed_sockets_are_adopted(runner):
    passed = tcp_socket()
    process = strict(runner, [":8080=sd=0"], python("""
import socket
s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen()
for _ in range(2):
    c, _ = s.accept(); c.sendall(b"served"); c.close()
"""), [passed])
    assert exchange(passed.getsockname()) == b"served"
    assert exchange(passed.getsockname()) == b"served"
    assert process.wait() == 0
    assert harness.listening_inodes() == {inode_of(passed)}


@pytest.mark.parametrize("v6only", [None, True])
def test_a_passed_socket_that_lost_its_port_listens_nowhere_else(runner, v6only):
    """The kernel chose it, and takes it back at disconnection."""
    passed = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=False) if v6only else \
        socket.create_server(("127.0.0.1", 0))
    process = strict(runner, [":8080=sd=0"], python(f"""
import ctypes, errno, socket
s = socket.socket({"socket.AF_INET6" if v6only else ""}); s.bind(({"'::'" if v6only else "'127.0.0.1'"}, 8080))
port = s.getsockname()[1]
assert ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16) == 0
if {bool(v6only)}: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
try: s.listen()
except OSError as e: print(errno.errorcode[e.errno])
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), s.getsockname()[1] == port)"""), [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == (["EACCES", "0", "True"] if v6only else ["1", "True"])


def test_a_dual_stack_socket_serves_separate_binds(runner):
    passed = tcp6_socket()
    assert result(runner, [":8080=sd=0"], """
four, six = socket.socket(), socket.socket(socket.AF_INET6)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
four.bind(("0.0.0.0", 8080)); four.listen(); six.bind(("::", 8080)); six.listen()
print(os.fstat(six.fileno()).st_ino)""", [passed]) == str(inode_of(passed))


@pytest.mark.parametrize("name", ["path", "abstract"])
def test_unix_sockets_are_bound_as_ever(runner, tmp_path, name):
    tmp_path.chmod(0o777)
    code = f"""
import os, socket
path = {str(tmp_path / 'a') if name == 'path' else chr(0) + 'test-strict'!r}
os.umask(0o077); s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect(path)
import struct; print(struct.unpack("iii", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:])
if path[0] == "/": print(os.stat(path).st_uid, oct(os.stat(path).st_mode))
"""
    process = strict(runner, [], ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *python(code)])
    assert process.wait() == 0, process.stderr
    assert process.stdout.split("\n")[0] == "(65534, 65534)"
    if name == "path":
        assert process.stdout.split("\n")[1] == "65534 0o140700"


def test_unix_sockets_are_refused_by_rules(runner, tmp_path):
    assert result(runner, ["unix:*=deny"], f"socket.socket(socket.AF_UNIX).bind('{tmp_path}/a')") == "EACCES"
    assert result(runner, ["*=deny"], "socket.socket(socket.AF_UNIX).bind(chr(0) + 'a')") == "EACCES"


def test_name_look_ups_and_interface_lists_work(runner):
    assert result(runner, [], "print(socket.getaddrinfo('localhost', 80)[0][4][1], len(socket.if_nameindex()) > 0)\n"
                              "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); s.bind((0, 0))") == "80 True"


def test_clients_work(runner):
    server = tcp_socket()
    code = f"s = socket.create_connection({server.getsockname()!r}); u = socket.socket(type=socket.SOCK_DGRAM)\n" \
           f"u.sendto(b'x', ('127.0.0.1', 9)); print('connected')"
    assert result(runner, [], code) == "connected"


# --- what is refused at the source ---------------------------------------------------------------------------------

SYSCALL = """
libc = ctypes.CDLL(None, use_errno=True)
r = libc.syscall({number}, *{arguments})
print(errno.errorcode[ctypes.get_errno()] if r < 0 else "done")
"""

CALLS = [
    ("io_uring_setup", 425, "(4, ctypes.create_string_buffer(256))", "ENOSYS"),
    ("io_uring_enter", 426, "(-1, 0, 0, 0, 0, 0)", "ENOSYS"),
    ("io_uring_register", 427, "(-1, 0, 0, 0)", "ENOSYS"),
    ("userfaultfd", 323, "(0,)", "ENOSYS"),
    ("unshare(CLONE_NEWUSER)", 272, "(0x10000000,)", "EPERM"),
    ("unshare(CLONE_NEWNET)", 272, "(0x40000000,)", "EPERM"),
    ("clone(CLONE_NEWUSER)", 56, "(0x10000011, 0, 0, 0, 0)", "EPERM"),
    ("clone3", 435, "(0, 0)", "ENOSYS"),
    ("setns", 308, "(os.open('/proc/self/ns/net', 0), 0)", "EPERM"),
    ("ptrace", 101, "(0, 0, 0, 0)", "EPERM"),
    ("process_vm_writev", 311, "(os.getpid(), 0, 0, 0, 0, 0)", "EPERM"),
    ("pidfd_getfd", 438, "(os.pidfd_open(os.getpid()), 0, 0)", "EPERM"),
    ("bpf", 321, "(0, 0, 0)", "EPERM"),
    ("a listener", 317, "(1, 8, 0)", "EPERM"),
    ("TCP_REPAIR", 54, "(socket.socket().detach(), 6, 19, ctypes.byref(ctypes.c_int(1)), 4)", "EPERM"),
    ("IP_LOCAL_PORT_RANGE", 54, "(socket.socket().detach(), 0, 51, ctypes.byref(ctypes.c_int(0x00500050)), 4)", "ENOPROTOOPT"),
    ("with upper halves", 54, "(socket.socket().detach(), ctypes.c_long(1 << 32), ctypes.c_long(51 | 1 << 40), "
                              "ctypes.byref(ctypes.c_int(0x00500050)), 4)", "ENOPROTOOPT"),
    ("x32", 0x40000000 + 49, "(0, 0, 0)", "ENOSYS"),
]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
@pytest.mark.parametrize("name,number,arguments,error", CALLS, ids=[c[0] for c in CALLS])
def test_ways_around_are_refused(runner, name, number, arguments, error):
    assert result(runner, ["*=allow"], SYSCALL.format(number=number, arguments=arguments)) == error


@pytest.mark.parametrize("family,type,protocol,error", [
    ("INET", "RAW", 255, "EPERM"), ("INET", "RAW", 6, "EPERM"), ("INET6", "RAW", 58, "EPERM"),
    ("INET", "DGRAM", 1, "EPROTONOSUPPORT"), ("INET6", "DGRAM", 58, "EPROTONOSUPPORT"),
    ("INET", "STREAM", 132, "EPROTONOSUPPORT"), ("INET", "SEQPACKET", 0, "EPERM"), ("INET", "STREAM", 256, "EPROTONOSUPPORT"),
    ("PACKET", "RAW", 0, "EAFNOSUPPORT"), ("VSOCK", "STREAM", 0, "EAFNOSUPPORT"), ("BLUETOOTH", "RAW", 0, "EAFNOSUPPORT"),
    ("INET", "RDM", 0, "EPERM"),
])
def test_other_kinds_of_sockets_are_refused(runner, family, type, protocol, error):
    code = f"socket.socket(socket.AF_{family}, socket.SOCK_{type}, {protocol}); print('made')"
    assert result(runner, ["*=allow"], code) == error


def test_a_rule_that_names_a_protocol_lets_its_sockets_be_made(runner):
    made = "socket.socket(socket.AF_{0}, socket.SOCK_{1}, {2}); print('made')"
    assert result(runner, ["sctp:80=allow"], made.format("INET", "STREAM", 132)) in ("made", "EPROTONOSUPPORT")
    assert result(runner, ["vsock:*:80=allow"], made.format("VSOCK", "STREAM", 0)) in ("made", "EAFNOSUPPORT")
    assert result(runner, ["vsock:*:80=allow"], "s = socket.socket(socket.AF_VSOCK); s.bind((1, 81))") in ("EACCES", "EAFNOSUPPORT")


def test_socket_of_a_family_that_nobody_knows_is_not_bound(runner):
    """It came from elsewhere: the program could not have made it."""
    code = """
fd, = socket.recv_fds(socket.socket(fileno=0), 1, 1)[1]
s = socket.socket(fileno=fd)
for call in ("s.bind(('lo', 0x800))", "s.listen()"):
    try: exec(call); print("done")
    except OSError as e: print(errno.errorcode[e.errno])"""
    said = []
    for options in ([], ["--strict", "-m", "*=allow"]):
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as packet:
            socket.send_fds(ours, [b"."], [packet.fileno()])
            command = python("import errno, socket" + code)
            process = runner.force_bind(options, command, stdin=theirs) if options else runner.run(command, stdin=theirs)
            assert process.wait() == 0, process.stderr
        said.append(process.stdout.split())
    assert said == [["done", errno.errorcode[errno.EOPNOTSUPP]], ["EACCES", "EACCES"]]


@pytest.mark.parametrize("later", [0, 1], ids=["port at once", "port when it sends"])
def test_ipv6_datagram_socket_does_not_become_one_for_ipv4_as_well(runner, later):
    """By giving its port back, which the kernel chose."""
    code = f"""
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.setsockopt(socket.IPPROTO_IP, 24, {later}) # IP_BIND_ADDRESS_NO_PORT
s.bind(("::", 0))
s.connect(("::1", 9))
ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16)
print(len(sys.argv))
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
print("both")"""
    native = runner.run(python("import ctypes, socket, sys" + code))
    assert native.wait() == 0 and native.stdout.split() == ["1", "both"], native.stderr
    for mode in ("--strict", "--strict=datagram"):
        assert result(runner, ["[::]/0:0=allow"], code, options=[mode]).split() == ["1", "EINVAL"]


def test_connection_that_was_accepted_is_no_way_to_the_port_of_the_passed_socket(runner):
    """The rules give that to one bind, and to others a port of the kernel's choice."""
    passed = socket.socket()
    passed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    passed.bind(("127.0.0.1", 8080)); passed.listen()
    with passed:
        assert result(runner, ["127.0.0.1:8080=sd=0", "127.0.0.1:0=allow"], """
s = socket.socket(); s.bind(("127.0.0.1", 8080))
client = socket.create_connection(("127.0.0.1", 8080)); served = s.accept()[0]
ctypes.CDLL(None).connect(served.fileno(), bytes(16), 16)
served.listen(); print(served.getsockname()[1] not in (0, 8080))""", [passed]) == "True"


def test_nothing_is_typed_into_the_terminal_of_a_shell_outside(runner):
    code = """
import errno, fcntl, os, pty, termios
if os.fork() == 0:
    leader, terminal = pty.openpty(); os.setsid(); fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for request in (termios.TIOCSTI, termios.TIOCSTI | 1 << 32, 0x541c): # the last is TIOCLINUX
        failed = ctypes.CDLL(None, use_errno=True).ioctl(terminal, ctypes.c_ulong(request), b"x") != 0
        print(errno.errorcode[ctypes.get_errno()] if failed else "done")
else: os.wait()"""
    native = runner.run(python("import ctypes" + code))
    assert native.wait() == 0 and "EPERM" not in native.stdout.split()[:2], native.stdout + native.stderr
    assert result(runner, [], code).split() == ["EPERM"] * 3


def test_capabilities_that_need_no_bind_are_given_up(runner):
    status = result(runner, [], "print(*(l.split()[1] for l in open('/proc/self/status') if l[:3] in ('Cap', 'NoN')))")
    inherited, permitted, effective, bounding, ambient, no_new_privs = status.split()
    gone = 1 << 12 | 1 << 13 | 1 << 16 | 1 << 17 | 1 << 19 | 1 << 21 | 1 << 38 | 1 << 39 | 1 << 40
    for capabilities in (inherited, permitted, effective, bounding, ambient):
        assert int(capabilities, 16) & gone == 0
    assert no_new_privs == "1"
    assert int(effective, 16) & 1 << 10  # CAP_NET_BIND_SERVICE


INHERIT = """
import os, socket, sys
def passed(s): os.set_inheritable(s.fileno(), True); return s
def tcp(port): s = socket.socket(); s.bind(("127.0.0.1", port)); s.listen(); return passed(s)
def udp(port): s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", port)); return passed(s)
stranger = tcp(8081); client = passed(socket.create_connection(stranger.getsockname())); served = passed(stranger.accept()[0])
sockets = [stranger, client, served, udp(8081), passed(socket.socket(type=socket.SOCK_RAW, proto=255)), tcp(8080),
           passed(socket.socket()), passed(socket.socketpair()[0])]
os.dup2(stranger.fileno(), 0)
os.execv(sys.argv[1], [*sys.argv[1:], " ".join(str(s.fileno()) for s in sockets)])
"""


def test_inherited_sockets_that_no_rule_gives_are_closed(runner):
    """Standard input becomes /dev/null; a socket that could have been made, or that is given, stays."""
    code = """
import os, sys
print(*(int(os.path.exists(f"/proc/self/fd/{fd}")) for fd in sys.argv[1].split()), os.readlink("/proc/self/fd/0"))"""
    process = runner.run([*python(INHERIT), harness.FORCE_BIND, "--strict", "-m", ":8080=allow", *python(code)])
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["0", "0", "0", "0", "0", "1", "1", "1", "/dev/null"]


def test_kept_descriptors_are_those_that_a_rule_names(runner):
    named, other = tcp_socket(), tcp_socket()
    code = "print(os.environ['LISTEN_FDS'], *(os.readlink(f'/proc/self/fd/{fd}').split(':')[0] for fd in (3, 4)))"
    assert result(runner, [":80=sd=http"], code, [named, other], ["--keep-fds"], names=["http", "other"]) == "2 socket /dev/null"


def test_calls_fail_for_good_when_the_supervisor_is_gone(runner):
    process = strict(runner, [":8080=allow"], python("""
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
print("up", flush=True); sys.stdin.readline()
for call in ("s.bind(('127.0.0.1', 8080))", "s.listen()"):
    try: s = socket.socket(); exec(call); print("done")
    except OSError as e: print(errno.errorcode[e.errno])
print(libc.syscall(317, 1, 8, 0))
"""), stdin=(pipe := os.pipe())[0])
    harness.wait_until(lambda: process.stdout.startswith("up"))
    supervisor = process.supervisor()
    os.kill(supervisor, signal.SIGKILL)
    harness.wait_until(lambda: not harness.supervisors())
    os.write(pipe[1], b"go\n")
    assert process.wait() == 0
    assert process.stdout.split() == ["up", "ENOSYS", "ENOSYS", "-1"]
    os.close(pipe[0]); os.close(pipe[1])


def test_target_cannot_signal_or_look_into_the_supervisor(runner):
    """As root, too: it has no CAP_SYS_PTRACE any more, and is in a Landlock domain."""
    code = """
import errno, os, sys
print("up", flush=True); supervisor = int(sys.stdin.readline())
def attempt(f):
    try: f(); print("done")
    except OSError as e: print(errno.errorcode[e.errno])
attempt(lambda: os.kill(supervisor, 0))
attempt(lambda: open(f"/proc/{supervisor}/mem", "rb"))
attempt(lambda: os.readlink(f"/proc/{supervisor}/fd/0"))
"""
    process = strict(runner, [":8080=allow"], python(code), stdin=(pipe := os.pipe())[0])
    harness.wait_until(lambda: process.stdout.startswith("up"))
    os.write(pipe[1], b"%d\n" % process.supervisor())
    assert process.wait() == 0
    assert process.stdout.split() == ["up", "EPERM", "EACCES", "EACCES"]
    os.close(pipe[0]); os.close(pipe[1])


# --- servers -------------------------------------------------------------------------------------------------------


NGINX = """
daemon off; worker_processes 2; pid {0}/pid; error_log stderr warn; user nobody nogroup;
events {{ }}
http {{ access_log off; server {{ listen 8080; listen [::]:8080; listen unix:{0}/unix; location / {{ return 200 served; }} }} }}
"""


@pytest.mark.parametrize("adopts", [False, True], ids=["really bound", "adopted"])
def test_nginx_is_served(runner, tmp_path, adopts):
    (tmp_path / "nginx.conf").write_text(NGINX.format(tmp_path))
    passed = [tcp6_socket("::", 8080)] if adopts else []
    process = strict(runner, [":8080=sd=0" if adopts else ":8080=allow"], ["/usr/sbin/nginx", "-c", tmp_path / "nginx.conf"], passed)
    for address in (("127.0.0.1", 8080), ("::1", 8080)):
        harness.wait_until(lambda: exchange_or_none(address, REQUEST))
        assert exchange(address, REQUEST).endswith(b"served")
    assert exchange(str(tmp_path / "unix"), REQUEST).endswith(b"served")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.stderr


def exchange_or_none(address, data):
    try:
        return exchange(address, data)
    except OSError:
        return None


def test_redis_is_served(runner):
    process = strict(runner, [":6379=allow"], ["/usr/bin/redis-server", "--save", "", "--bind", "127.0.0.1", "::1"])
    assert harness.wait_until(lambda: exchange_or_none(("127.0.0.1", 6379), b"PING\r\nQUIT\r\n")).startswith(b"+PONG")
    assert exchange(("::1", 6379), b"PING\r\nQUIT\r\n").startswith(b"+PONG")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.stderr


def test_python_is_served(runner, tmp_path):
    process = strict(runner, ["tcp:8080=allow"], ["/usr/bin/python3", "-m", "http.server", "-d", tmp_path, "8080"])
    assert harness.wait_until(lambda: exchange_or_none(("127.0.0.1", 8080), REQUEST)).startswith(b"HTTP/1.0 200")
    process.signal(signal.SIGINT)
    assert process.wait() == 0, process.stderr


def test_the_supervisor_lowers_itself(runner):
    process = strict(runner, [":8080=allow"], ["/usr/bin/sleep", "100"])
    pid = process.supervisor()

    def status():
        lines = harness.Path(f"/proc/{pid}/status").read_text().splitlines()
        return dict(line.split(":\t") for line in lines if line.startswith(("Cap", "NoNew", "Seccomp:")))

    def sockets():
        return [fd for fd in os.listdir(f"/proc/{pid}/fd") if "socket" in os.readlink(f"/proc/{pid}/fd/{fd}")]

    harness.wait_until(lambda: status()["Seccomp"] == "2" and not sockets(), "the supervisor's own filter, and no socket left")
    assert status()["NoNewPrivs"] == "1"
    assert int(status()["CapEff"], 16) & (1 << 12 | 1 << 13 | 1 << 16 | 1 << 21) == 0
    assert os.stat(f"/proc/{pid}/fd").st_uid == 0


# --- datagram ------------------------------------------------------------------------------------------------------


def test_datagram_clients_are_refused_on_request(runner):
    code = "s = socket.socket(type=socket.SOCK_DGRAM); s.{}; print(s.getsockname()[0])"
    for call in ("sendto(b'x', ('127.0.0.1', 9))", "connect(('127.0.0.1', 9))"):
        assert result(runner, [":80=allow"], code.format(call)) in ("0.0.0.0", "127.0.0.1")
        process = runner.force_bind(["--strict=datagram", "-m", ":80=allow"], python(f"import socket\n{code.format(call)}"))
        assert process.wait() == 1
        assert "Network is unreachable" in process.stderr


@pytest.mark.parametrize("family,address", [("INET", "127.0.0.1"), ("INET6", "::1"), ("INET6", "::ffff:127.0.0.1")])
def test_datagram_servers_are_served_all_the_same(runner, family, address):
    """Nonblocking as they were made, with what was set before bind."""
    process = runner.force_bind(["--strict=datagram", "-m", "udp:8080=allow"], python(f"""
import fcntl, os, select, socket
s = socket.socket(socket.AF_{family}, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.bind(({address!r}, 8080))
print(fcntl.fcntl(s, fcntl.F_GETFD), s.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST), os.fstat(s.fileno()).st_uid, flush=True)
select.select([s], [], []); data, peer = s.recvfrom(100); s.sendto(data + b" back", peer)
"""), user=65534)
    harness.wait_until(lambda: process.stdout)
    with socket.socket(socket.AF_INET6 if address == "::1" else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(harness.DEADLINE)
        client.sendto(b"there and", (address.removeprefix("::ffff:"), 8080))
        assert client.recv(100) == b"there and back"
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["1", "1", "65534"]


def test_a_passed_datagram_socket_is_adopted_on_request(runner):
    passed = harness.udp_socket()
    process = runner.force_bind(["--strict=datagram", "-m", "udp:8080=sd=0"], python("""
import socket
s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8080))
data, peer = s.recvfrom(100); s.sendto(data + b" back", peer)
"""), [passed])
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(harness.DEADLINE)
        client.sendto(b"there and", passed.getsockname())
        assert client.recv(100) == b"there and back"
    assert process.wait() == 0, process.stderr
