# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job in one test each."""
import harness

SERVER = """
import socket
s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(5)
while True:
    c, a = s.accept(); c.sendall(repr(a).encode()); c.close()
"""


def test_unaware_program_serves_through_the_passed_socket(runner):
    passed = harness.tcp_socket()
    process = runner.force_bind(["-m", ":8080=sd=0"], ["/usr/bin/python3", "-c", SERVER], [passed])
    answer = harness.exchange(("127.0.0.1", harness.port_of(passed)))
    assert b"127.0.0.1" in answer
    assert harness.holds_socket(process.pid, passed)
    assert harness.listening_inodes() == {harness.inode_of(passed)}


def test_program_binds_by_itself_without_passed_sockets(runner):
    runner.force_bind(["-m", ":8080=sd=0"], ["/usr/bin/python3", "-c", SERVER])
    harness.wait_until(lambda: harness.listening_inodes())
    assert b"127.0.0.1" in harness.exchange(("127.0.0.1", 8080))
