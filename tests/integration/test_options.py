# SPDX-License-Identifier: LGPL-2.1-or-later
"""Socket options that the target set before bind are those of the adopted socket, and go with the target."""
import socket

import harness
import pytest
from harness import python

TCP, TCP6, UDP, UDP6 = "TCP", "TCP6", "UDP", "UDP6"
MAKE = {
    TCP: ("socket.AF_INET, socket.SOCK_STREAM", lambda: harness.tcp_socket()),
    TCP6: ("socket.AF_INET6, socket.SOCK_STREAM", lambda: harness.tcp6_socket()),
    UDP: ("socket.AF_INET, socket.SOCK_DGRAM", lambda: harness.udp_socket()),
    UDP6: ("socket.AF_INET6, socket.SOCK_DGRAM", lambda: harness.udp_socket("::", family=socket.AF_INET6)),
}
SOL, IP, IP6, T, U = socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_IPV6, socket.IPPROTO_TCP, socket.IPPROTO_UDP

# name, kind, level, option, value (int or bytes)
OPTIONS = [
    ("SO_KEEPALIVE", TCP, SOL, socket.SO_KEEPALIVE, 1),
    ("SO_REUSEADDR", UDP, SOL, socket.SO_REUSEADDR, 1),
    ("SO_BROADCAST", UDP, SOL, socket.SO_BROADCAST, 1),
    ("SO_RCVBUF", TCP, SOL, socket.SO_RCVBUF, 50000),
    ("SO_SNDBUF", UDP, SOL, socket.SO_SNDBUF, 60000),
    ("SO_RCVBUFFORCE", UDP, SOL, 33, 3000000),
    ("SO_RCVLOWAT", TCP, SOL, socket.SO_RCVLOWAT, 7),
    ("SO_LINGER", TCP, SOL, socket.SO_LINGER, b"\1\0\0\0\5\0\0\0"),
    ("SO_RCVTIMEO", TCP, SOL, socket.SO_RCVTIMEO, (3).to_bytes(8, "little") + bytes(8)),
    ("SO_PRIORITY", TCP, SOL, socket.SO_PRIORITY, 5),
    ("SO_MARK", TCP, SOL, socket.SO_MARK, 42),
    ("SO_TIMESTAMP", UDP, SOL, 29, 1),
    ("SO_TIMESTAMPNS", UDP, SOL, 35, 1),
    ("SO_BINDTODEVICE", TCP, SOL, socket.SO_BINDTODEVICE, b"lo\0"),
    ("IP_TOS", TCP, IP, socket.IP_TOS, 0x20),
    ("IP_TTL", TCP, IP, socket.IP_TTL, 33),
    ("IP_PKTINFO", UDP, IP, 8, 1),
    ("IP_PKTINFO of IPv6", UDP6, IP, 8, 1),
    ("IP_MTU_DISCOVER", UDP, IP, 10, 2),
    ("IP_RECVERR", UDP, IP, 11, 1),
    ("IP_RECVTTL", UDP, IP, 12, 1),
    ("IP_RECVTOS", UDP, IP, 13, 1),
    ("IP_FREEBIND", TCP, IP, 15, 1),
    ("IP_TRANSPARENT", TCP, IP, socket.IP_TRANSPARENT, 1),
    ("IP_MULTICAST_TTL", UDP, IP, socket.IP_MULTICAST_TTL, 9),
    ("IPV6_RECVPKTINFO", UDP6, IP6, 49, 1),
    ("IPV6_TCLASS", TCP6, IP6, 67, 0x40),
    ("IPV6_UNICAST_HOPS", TCP6, IP6, 16, 44),
    ("IPV6_MTU_DISCOVER", UDP6, IP6, 23, 2),
    ("IPV6_RECVERR", UDP6, IP6, 25, 1),
    ("TCP_NODELAY", TCP, T, socket.TCP_NODELAY, 1),
    ("TCP_MAXSEG", TCP, T, socket.TCP_MAXSEG, 1000),
    ("TCP_DEFER_ACCEPT", TCP, T, socket.TCP_DEFER_ACCEPT, 7),
    ("TCP_FASTOPEN", TCP, T, socket.TCP_FASTOPEN, 16),
    ("TCP_KEEPIDLE", TCP, T, socket.TCP_KEEPIDLE, 77),
    ("TCP_KEEPCNT", TCP6, T, socket.TCP_KEEPCNT, 4),
    ("TCP_USER_TIMEOUT", TCP, T, socket.TCP_USER_TIMEOUT, 5000),
    ("TCP_CONGESTION", TCP, T, socket.TCP_CONGESTION, b"reno\0"),
    ("UDP_GRO", UDP, U, 104, 1),
    ("UDP_SEGMENT", UDP, U, 103, 500),
]
CODE = """
import socket
s = socket.socket({kind})
{set}
s.bind(({host!r}, {port}))
print(s.getsockopt({level}, {get}, 16).hex())
"""


def program(option, wanted, port):
    _, kind, level, number, value = option
    return python(CODE.format(kind=MAKE[kind][0], set=f"s.setsockopt({level}, {number}, {value!r})" if wanted else "",
                              host="::" if "6" in kind else "0.0.0.0", port=port, level=level,
                              get={33: 8}.get(number, number) if level == SOL else number))


def value_under_force_bind(runner, option, wanted, passed):
    process = runner.force_bind(["-m", ":8080=sd=0"], program(option, wanted, 8080), [passed])
    assert process.wait() == 0, process.stderr
    return process.stdout.strip()


@pytest.mark.parametrize("option", OPTIONS, ids=[o[0] for o in OPTIONS])
def test_option_set_before_bind_holds_as_natively(runner, option):
    native = runner.run(program(option, True, 8081))
    assert native.wait() == 0, native.stderr
    untouched = runner.run(program(option, False, 8081))
    assert untouched.wait() == 0
    assert native.stdout != untouched.stdout, "the option makes no difference that could be seen"

    passed = MAKE[option[1]][1]()
    assert value_under_force_bind(runner, option, True, passed) == native.stdout.strip()


@pytest.mark.parametrize("option", OPTIONS, ids=[o[0] for o in OPTIONS])
def test_option_of_one_target_does_not_reach_the_next(runner, option):
    passed = MAKE[option[1]][1]()
    before = value_under_force_bind(runner, option, False, passed)
    value_under_force_bind(runner, option, True, passed)
    harness.wait_until(lambda: not harness.supervisors())
    after = value_under_force_bind(runner, option, False, passed)
    n = 8 if option[0] == "SO_LINGER" else None  # the kernel keeps the time when lingering is switched off
    assert after[:n] == before[:n]


def test_option_that_the_unit_set_stays(runner):
    passed = harness.tcp_socket()
    passed.setsockopt(SOL, socket.SO_KEEPALIVE, 1)
    assert value_under_force_bind(runner, ("", TCP, SOL, socket.SO_KEEPALIVE, 0), False, passed)[:2] == "01"


def test_socket_filter_is_carried_over_and_taken_off_again(runner):
    passed = harness.udp_socket()
    code = """
        import ctypes, socket, struct
        s = socket.socket(type=socket.SOCK_DGRAM)
        if {attach}:
            program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xffff))
            s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))
        s.bind(("0.0.0.0", 8080))
        length = ctypes.c_uint(0)
        ctypes.CDLL(None).getsockopt(s.fileno(), socket.SOL_SOCKET, 26, None, ctypes.byref(length))
        print(length.value)
    """
    for attach, instructions in ((True, "1"), (False, "0")):
        process = runner.force_bind(["-m", ":8080=sd=0"], python(code.format(attach=attach)), [passed])
        assert process.wait() == 0, process.stderr
        assert process.stdout.strip() == instructions
        harness.wait_until(lambda: not harness.supervisors())
