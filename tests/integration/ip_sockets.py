# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who has which IP socket, looked at from outside: the kernel's tables of a network, and each descriptor of a process."""
import ctypes
import os
import re
import socket
import struct
from pathlib import Path
from typing import NamedTuple

import harness

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP = 4, 20, 0x301
TCP_CLOSE, TCP_LISTEN = 7, 10
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, PIDFD_THREAD = 434, 438, os.O_EXCL
IPPROTO_MPTCP, SO_NETNS_COOKIE = 262, 71
EPHEMERAL = range(32768, 61000)


class Bound(NamedTuple):
    """A socket with an address; inode by which /proc/PID/fd names it; state of <linux/tcp_states.h>"""
    protocol: int
    address: str
    port: int
    state: int
    inode: int


def _diagnosed(family, protocol):
    """sock_diag(7): unlike /proc/net/tcp it has TCP sockets that are bound and do not listen (Linux 6.8)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as s:
        request = struct.pack("=BBBBI48x", family, protocol, 0, 0, 0xffffffff)
        s.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_REQUEST_DUMP, 1, 0) + request)
        while True:
            data = s.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != SOCK_DIAG_BY_FAMILY:
                    return  # NLMSG_DONE, or an error: such sockets are unknown
                state = data[17]
                port, = struct.unpack_from("!H", data, 20)
                size = 4 if data[16] == socket.AF_INET else 16
                address = socket.inet_ntop(data[16], data[24:24 + size])
                inode, = struct.unpack_from("=I", data, 16 + 68)
                yield Bound(protocol, address, port, state, inode)
                data = data[(length + 3) & ~3:]


def _listed(name, protocol):
    """/proc/net/NAME, for protocols of which sock_diag may not know"""
    path = Path(f"/proc/thread-self/net/{name}")
    for line in path.read_text().splitlines()[1:] if path.exists() else ():
        fields = line.split()
        address, port = fields[1].split(":")
        words = struct.pack(f"={len(address) // 8}I", *(int(address[i:i + 8], 16) for i in range(0, len(address), 8)))
        family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
        yield Bound(protocol, socket.inet_ntop(family, words), int(port, 16), int(fields[3], 16), int(fields[9]))


def in_this_network():
    """All that is bound in the caller's network namespace."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_UDPLITE, socket.IPPROTO_SCTP, 33):
            found += _diagnosed(family, protocol)
    for name, protocol in (("raw", socket.IPPROTO_RAW), ("icmp", socket.IPPROTO_ICMP)):
        found += _listed(name, protocol)
        found += _listed(f"{name}6", protocol)
    return found


def is_given(bound, given):
    """Whether rules give it: given has (protocol, address, port)."""
    return (bound.protocol, bound.address.removeprefix("::ffff:"), bound.port) in given


def is_clients(bound):
    """A connection from a port that the kernel chose"""
    return (bound.protocol == socket.IPPROTO_TCP and bound.state not in (TCP_LISTEN, TCP_CLOSE) and
            bound.port in EPHEMERAL)


def is_closed(bound):
    return bound.protocol == socket.IPPROTO_TCP and bound.state == TCP_CLOSE


def _copies(pid):
    """Our own copies of all sockets that the threads of a process have open; None: it cannot be looked into."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            pidfd = harness.libc.syscall(SYS_PIDFD_OPEN, int(task.name), PIDFD_THREAD)
            try:
                for fd in (task / "fd").iterdir():
                    if os.readlink(fd).startswith("socket:"):
                        copy = harness.libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd.name), 0)
                        if copy >= 0:
                            yield socket.socket(fileno=copy)
            finally:
                if pidfd >= 0:
                    os.close(pidfd)
    except (FileNotFoundError, ProcessLookupError):
        pass  # closed meanwhile, or ended


def _network_of(s):
    return s.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)


def held_by(pid):
    """The sockets of a process in our network that are bound, or that need no address to receive: raw, packet. (In a
    network of its own, a process reaches nobody.)"""
    with socket.socket() as own:
        network = _network_of(own)
    found = []
    for s in _copies(pid):
        with s:
            family, kind, protocol = s.family, s.type, s.proto
            if family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET) and _network_of(s) != network:
                continue
            inode = os.fstat(s.fileno()).st_ino
            protocol = socket.IPPROTO_TCP if protocol == IPPROTO_MPTCP else protocol
            if family in (socket.AF_INET, socket.AF_INET6):
                name = s.getsockname()
                state = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] if kind == socket.SOCK_STREAM else 0
                if kind == socket.SOCK_RAW or protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6) or name[1] != 0:
                    found.append(Bound(protocol, name[0], name[1], state, inode))
            elif family == socket.AF_PACKET:
                found.append(Bound(protocol, "packet", 0, 0, inode))
            elif family == socket.AF_VSOCK:
                cid, port = s.getsockname()
                if port != 0xffffffff:
                    found.append(Bound(protocol, "vsock", port, 0, inode))
    return found
