# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the integration tests share: running a program with passed sockets the way systemd does, the service
manager's side of sd_notify, and looking at who holds which socket.

The whole test session lives in a network namespace of its own (see conftest.py), so ports are free, and is the
reaper of every process it starts, so none can get lost.
"""
import atexit
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def public_copy(program):
    """A copy that every user may execute, wherever the repository lies; removed in the end."""
    directory = tempfile.mkdtemp(prefix="force-bind-test-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chmod(directory, 0o755)
    return shutil.copy(program, directory)


FORCE_BIND = public_copy(os.environ.get("FORCE_BIND", REPOSITORY / "build" / "force-bind"))
GENERATOR = public_copy(os.environ.get("FORCE_BIND_GENERATOR", REPOSITORY / "build" / "force-bind-generator"))
LISTEN_FDS_START = 3
DEADLINE = 15.0

CLONE_NEWNET = 0x40000000
PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)


# The network namespace that the tests were started in, for what has to be fetched
HOST_NETWORK = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def in_host_network(command, **kwargs):
    """subprocess.run() of a command in the network namespace that the tests were started in."""
    return subprocess.run(["nsenter", f"--net=/proc/self/fd/{HOST_NETWORK}", *command], pass_fds=[HOST_NETWORK], **kwargs)


def enter_own_network():
    """Moves this process to a network namespace of its own with its loopback up."""
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET): the tests want root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # A port is free again as soon as a test's program is gone
    Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0")


def become_subreaper():
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_until(predicate, what="", deadline=DEADLINE):
    """Returns the first true value of predicate(); fails when the deadline (in seconds) is over."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or predicate}")
        time.sleep(0.005)


# --- sockets ---------------------------------------------------------------------------------------------------


_opened = []


def _kept(s):
    _opened.append(s)
    return s


def close_sockets():
    """Closes every socket that the functions below have made, for the end of a test."""
    while _opened:
        _opened.pop().close()


def tcp_socket(address="127.0.0.1", port=0, backlog=4096):
    """A listening IPv4 socket, as ListenStream=ADDRESS:PORT makes it."""
    s = _kept(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(backlog)
    return s


def tcp6_socket(address="::", port=0, v6only=False, backlog=4096):
    """A listening IPv6 socket; dual-stack like ListenStream=PORT unless v6only."""
    s = _kept(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
    s.bind((address, port))
    s.listen(backlog)
    return s


def udp_socket(address="127.0.0.1", port=0, family=socket.AF_INET):
    s = _kept(socket.socket(family, socket.SOCK_DGRAM))
    s.bind((address, port))
    return s


def unix_socket(path, kind=socket.SOCK_STREAM, backlog=4096):
    """A Unix socket; a path that starts with "@" is abstract."""
    s = _kept(socket.socket(socket.AF_UNIX, kind))
    path = str(path)
    s.bind("\0" + path[1:] if path.startswith("@") else path)
    if kind != socket.SOCK_DGRAM:
        s.listen(backlog)
    return s


def port_of(s):
    return s.getsockname()[1]


def inode_of(s):
    """The number by which /proc/PID/fd names this socket."""
    return os.fstat(s.fileno()).st_ino


def exchange(address, data=b"", family=None, deadline=DEADLINE):
    """Connects, sends data, closes the sending side, returns all that comes back. address is (host, port) or a path."""
    if isinstance(address, tuple):
        family = family or (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    else:
        family = socket.AF_UNIX
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(deadline)
        s.connect(address)
        if data:
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        parts = []
        while True:
            part = s.recv(65536)
            if not part:
                return b"".join(parts)
            parts.append(part)


def python(code):
    """A program: the command line that runs this Python code."""
    return ["/usr/bin/python3", "-c", textwrap.dedent(code)]


# --- processes -------------------------------------------------------------------------------------------------


def children_of(pid):
    """All living descendants of a process; those that were orphaned come to us, see become_subreaper()."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            fields = stat.rsplit(")", 1)[1].split()
            if fields[0] not in "ZX":
                parents[int(entry)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {p for p, parent in parents.items() if parent in new} - found
        found |= new
    return found


def own_descendants():
    return children_of(os.getpid())


def reap_orphans(known):
    """Reaps ended children that nobody else waits for (subprocess.Popen waits for those in known)."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in known:
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                try:
                    os.waitpid(int(entry), os.WNOHANG)
                except ChildProcessError:
                    pass


def sockets_of(pid):
    """{descriptor: inode} of the sockets that a process has open."""
    found = {}
    try:
        for entry in os.listdir(f"/proc/{pid}/fd"):
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{entry}"))
            except OSError:
                continue
            if match:
                found[int(entry)] = int(match.group(1))
    except OSError:
        pass
    return found


def holds_socket(pid, s):
    return inode_of(s) in sockets_of(pid).values()


def listening_inodes():
    """Inodes of everything in our network namespace that listens (TCP) or is bound (UDP)."""
    inodes = set()
    for name, states in (("tcp", {"0A"}), ("tcp6", {"0A"}), ("udp", {"07"}), ("udp6", {"07"})):
        for line in Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in states:
                inodes.add(int(fields[9]))
    return inodes


def supervisors():
    """PIDs of the supervisors among our descendants (and of targets that are still force-bind, before execve)."""
    found = []
    for pid in own_descendants():
        try:
            exe = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if exe == os.path.realpath(FORCE_BIND):
            found.append(pid)
    return sorted(found)


class Process:
    """A started program. stderr (and force-bind's log in it) goes to a file, stdout to another."""

    def __init__(self, popen, stdout_path, stderr_path):
        self.popen = popen
        self.pid = popen.pid
        self.stdout_path = stdout_path
        self.stderr_path = stderr_path

    @property
    def stdout(self):
        return Path(self.stdout_path).read_text(errors="replace")

    @property
    def stderr(self):
        return Path(self.stderr_path).read_text(errors="replace")

    def wait(self, timeout=DEADLINE):
        """The exit status; negative: the signal that ended it."""
        return self.popen.wait(timeout)

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def end(self):
        """Asks it to end until it does: a server that is still starting its processes may miss a signal."""
        for _ in range(int(DEADLINE)):
            self.signal()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.wait(1)
        return self.wait(0)

    def supervisor(self):
        """PID of the one supervisor there is, once the program has been executed."""
        def find():
            found = supervisors()  # once: between two looks the program may become force-bind
            return self.pid not in found and found

        return wait_until(find, "a supervisor")[0]

    def wait_for_socket(self, s, pid=None):
        """Waits until the process (or one that it started) holds this socket."""
        wait_until(lambda: any(holds_socket(p, s) for p in ({pid} if pid else own_descendants() - set(supervisors()))),
                   "the program to hold the passed socket; its stderr: " + self.stderr)


class Runner:
    """Starts programs for one test and sees to it that none is left."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.processes = []

    def run(self, command, sockets=(), names=None, env=None, user=None, cwd=None, stdin=subprocess.DEVNULL,
            stdout=None, stderr=None, listen_pid=None, clear_env=False, preexec=None):
        """Starts command with sockets (objects with fileno()) at descriptors 3, 4 ... and LISTEN_* set for it, as
        systemd does. names: FileDescriptorName= of each. listen_pid: another LISTEN_PID. Returns a Process."""
        n = len(self.processes)
        stdout_path, stderr_path = self.directory / f"stdout.{n}", self.directory / f"stderr.{n}"
        fds = [s if isinstance(s, int) else s.fileno() for s in sockets]
        environment = {} if clear_env else dict(os.environ)
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"):
            environment.pop(name, None)
        environment.update(env or {})
        if fds:
            environment["LISTEN_FDS"] = str(len(fds))
            if names is not None:
                environment["LISTEN_FDNAMES"] = ":".join(names)
        out = stdout if stdout is not None else open(stdout_path, "wb")
        err = stderr if stderr is not None else open(stderr_path, "wb")
        launcher = [sys.executable, str(Path(__file__).with_name("launcher.py")),
                    ",".join(map(str, fds)), str(listen_pid or 0), str(user if user is not None else -1), "--"]
        popen = subprocess.Popen(launcher + [str(c) for c in command], pass_fds=fds, env=environment, cwd=cwd,
                                 stdin=stdin, stdout=out, stderr=err, start_new_session=True, preexec_fn=preexec)
        for stream, given in ((out, stdout), (err, stderr)):
            if given is None:
                stream.close()
        process = Process(popen, stdout_path, stderr_path)
        self.processes.append(process)
        return process

    def force_bind(self, options, program, sockets=(), **kwargs):
        """run() of force-bind with these options before this program (both lists)."""
        return self.run([FORCE_BIND, *options, "--", *program], sockets, **kwargs)

    def finish(self):
        """Ends whatever is left of the test. Returns the supervisors that did not end by themselves."""
        mine = own_descendants()
        stuck = []
        for pid in mine - set(supervisors()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in self.processes:
            try:
                process.popen.wait(5)
            except subprocess.TimeoutExpired:
                pass
        known = {p.pid for p in self.processes}
        end = time.monotonic() + 5
        while own_descendants() and time.monotonic() < end:
            for pid in own_descendants() - set(supervisors()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            reap_orphans(set())
            time.sleep(0.005)
        for pid in own_descendants():
            stuck.append(pid)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap_orphans(known)
        return stuck


class Notify:
    """The service manager's end of sd_notify(3). Pass env={"NOTIFY_SOCKET": notify.path}."""

    def __init__(self, directory):
        self.path = str(Path(directory) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.messages = []

    def receive(self, timeout=0.0):
        """Takes in what has come; waits up to timeout seconds for the first message."""
        while True:
            self.socket.settimeout(timeout or 0.000001)
            try:
                self.messages.append(self.socket.recv(65536).decode())
            except (TimeoutError, BlockingIOError):
                return self.messages
            timeout = 0.0

    def lines(self):
        self.receive()
        return [line for message in self.messages for line in message.splitlines()]

    def wait_for(self, prefix, deadline=DEADLINE):
        """The first line that begins with prefix ("READY=1", "STATUS=")."""
        return wait_until(lambda: next((line for line in self.lines() if line.startswith(prefix)), None),
                          f"a notification {prefix}; there were {self.messages}", deadline)
