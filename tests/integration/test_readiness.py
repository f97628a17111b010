# SPDX-License-Identifier: LGPL-2.1-or-later
"""READY=1 says that clients are served; STATUS= why not yet; MAINPID= who serves after daemonising."""
import subprocess

import harness
import pytest
from harness import exchange, python, tcp_socket, udp_socket

# Does one thing for each line of standard input, and says so.
STEPS = """
import os, socket, sys
sockets = {}
print("executed", flush=True)
for line in sys.stdin:
    what, port = line.split()
    if what == "bind": sockets[port] = socket.socket(); sockets[port].bind(("0.0.0.0", int(port)))
    if what == "udp": sockets[port] = socket.socket(type=socket.SOCK_DGRAM); sockets[port].bind(("0.0.0.0", int(port)))
    if what == "listen": sockets[port].listen(1)
    if what == "close": sockets.pop(port).close()
    print(line.strip(), flush=True)
"""


class Steps:
    def __init__(self, runner, notify, options, sockets=(), names=None):
        self.process = runner.force_bind(options, python(STEPS), sockets, names=names, stdin=subprocess.PIPE,
                                         env={"NOTIFY_SOCKET": notify.path})
        self.notify = notify
        harness.wait_until(lambda: "executed" in self.process.stdout, self.process.stderr)

    def do(self, step):
        n = len(self.process.stdout.splitlines())
        self.process.popen.stdin.write(step.encode() + b"\n")
        self.process.popen.stdin.flush()
        harness.wait_until(lambda: len(self.process.stdout.splitlines()) > n, self.process.stderr)

    def ready(self):
        """How many READY=1 there were. The supervisor answers before it notifies: let it come to rest."""
        pid = harness.supervisors()[0]
        harness.wait_until(lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "S")
        return self.notify.lines().count("READY=1")

    def end(self):
        self.process.popen.stdin.close()
        assert self.process.wait() == 0


def test_ready_comes_with_listen_and_once(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "-m", ":8080=sd=0"], [tcp_socket()])
    assert steps.ready() == 0
    steps.do("bind 8080")
    assert steps.ready() == 0
    steps.do("listen 8080")
    notify.wait_for("READY=1")
    steps.do("listen 8080")
    steps.do("bind 8080")
    steps.do("listen 8080")
    assert steps.ready() == 1
    steps.end()


def test_ready_waits_for_every_socket_and_status_names_what_is_missing(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "-m", ":8080=sd=web", "-m", ":8081=sd=admin"],
                  [tcp_socket(), tcp_socket()], ["web", "admin"])
    steps.do("bind 8080")
    assert "listen() on web 127.0.0.1:" in notify.wait_for("STATUS=1 socket adopted")
    steps.do("listen 8080")
    harness.wait_until(lambda: any("waiting for a bind for rule :8081=sd=admin" in line for line in notify.lines()))
    assert steps.ready() == 0
    steps.do("bind 8081")
    assert steps.ready() == 0
    steps.do("listen 8081")
    notify.wait_for("READY=1")
    assert notify.wait_for("STATUS=2 sockets adopted, 0 bound")
    steps.end()


def test_status_names_what_is_missing_before_the_first_bind(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "-m", ":8080=sd=0"], [tcp_socket()])
    assert notify.wait_for("STATUS=") == "STATUS=0 sockets adopted, 0 bound; waiting for a bind for rule :8080=sd=0"
    steps.end()


def test_ready_bind_does_not_wait_for_listen(runner, notify):
    steps = Steps(runner, notify, ["--ready=bind", "-m", ":8080=sd=0"], [tcp_socket()])
    assert steps.ready() == 0
    steps.do("bind 8080")
    notify.wait_for("READY=1")
    steps.end()


def test_ready_exec_comes_at_execution(runner, notify):
    steps = Steps(runner, notify, ["--ready=exec", "-m", ":8080=sd=0"], [tcp_socket()])
    notify.wait_for("READY=1")
    steps.end()


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_closed_standard_descriptors_do_not_matter_and_stay_closed(runner, notify, tmp_path, closed):
    redirections = " ".join(f"{fd}>&-" for fd in closed)
    process = runner.run(["sh", "-c", f'exec "$0" -v --ready=exec -d -- "$@" {redirections}', harness.FORCE_BIND, *python(f"""
        import os
        closed = [fd for fd in (0, 1, 2) if not os.path.exists(f"/proc/self/fd/{{fd}}")]
        with open({str(tmp_path / "closed")!r}, "w") as file: file.write(str(closed))
    """)], env={"NOTIFY_SOCKET": notify.path})
    assert process.wait() == 0
    assert (tmp_path / "closed").read_text() == str(closed)
    notify.wait_for("READY=1")


def test_ready_exec_does_not_come_if_the_program_cannot_be_executed(runner, notify):
    process = runner.force_bind(["--ready=exec", "-m", ":8080=sd=0"], ["/nonexistent"], [tcp_socket()],
                                env={"NOTIFY_SOCKET": notify.path})
    assert process.wait() == 127
    harness.wait_until(lambda: not harness.supervisors())
    assert notify.lines() == []


def test_ready_status_sends_the_status_and_never_ready(runner, notify):
    passed = tcp_socket()
    process = runner.force_bind(["--ready=status", "-m", ":8080=sd=0"], python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(); s.accept()
    """), [passed], env={"NOTIFY_SOCKET": notify.path})
    notify.wait_for("STATUS=1 socket adopted, 0 bound; waiting for listen()")
    harness.wait_until(lambda: "STATUS=1 socket adopted, 0 bound" in notify.lines())
    harness.exchange(passed.getsockname())
    assert process.wait() == 0
    assert not [line for line in notify.lines() if line.startswith("READY")]


def test_ready_no_sends_nothing(runner, notify):
    steps = Steps(runner, notify, ["-m", ":8080=sd=0"], [tcp_socket()])
    steps.do("bind 8080")
    steps.do("listen 8080")
    steps.end()
    harness.wait_until(lambda: not harness.supervisors())
    assert notify.lines() == []


@pytest.mark.parametrize("options", [["-m", ":8080=sd=0"], ["--auto"]])
def test_ready_comes_with_the_first_listen_where_nothing_was_passed(runner, notify, options):
    steps = Steps(runner, notify, ["--ready=listen", *options])
    steps.do("bind 8080")
    assert steps.ready() == 0
    steps.do("listen 8080")
    notify.wait_for("READY=1")
    assert exchange_connects(8080)
    steps.end()


def exchange_connects(port):
    with harness.socket.create_connection(("127.0.0.1", port)):
        return True


def test_datagram_socket_is_ready_when_bound(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "-m", ":8080=sd=0"], [udp_socket()])
    assert steps.ready() == 0
    steps.do("udp 8080")
    notify.wait_for("READY=1")
    steps.end()


def test_auto_waits_for_every_passed_socket(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "--auto"], [tcp_socket("0.0.0.0", 8080), udp_socket("0.0.0.0", 8081)],
                  ["web", "dns"])
    steps.do("bind 8080")
    steps.do("listen 8080")
    assert "a bind to dns 0.0.0.0:8081" in harness.wait_until(
        lambda: next((line for line in notify.lines() if "waiting for a bind" in line and "listen()" not in line), None))
    steps.do("udp 8081")
    notify.wait_for("READY=1")
    steps.end()


def test_socket_that_was_thrown_away_and_made_again_counts_once(runner, notify):
    steps = Steps(runner, notify, ["--ready=listen", "-m", ":8080-8081=sd=web|allow"], [tcp_socket("127.0.0.1", 9000)], ["other"])
    for step in ("bind 8080", "close 8080", "bind 8080", "listen 8080"):
        steps.do(step)
    notify.wait_for("READY=1")
    steps.end()


def test_main_process_is_told_once_the_first_one_is_gone(runner, notify):
    passed = tcp_socket()
    process = runner.force_bind(["-m", ":8080=sd=0"], python("""
        import os, socket
        if os.fork(): os._exit(0)
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
        while True: s.accept()[0].sendall(str(os.getpid()).encode())
    """), [passed], env={"NOTIFY_SOCKET": notify.path})
    assert process.wait() == 0
    assert notify.wait_for("MAINPID=") == "MAINPID=" + exchange(passed.getsockname()).decode()


def test_worker_does_not_take_the_place_of_a_main_process_that_told_it_was_ready(runner, notify):
    """The manager reads MAINPID= before it hears of the main process's end, and would not start the service again."""
    passed = tcp_socket()
    process = runner.force_bind(["--ready=listen", "-m", ":8080=sd=0"], python("""
        import os, socket
        go, ready = os.pipe()
        if os.fork(): os.read(go, 1); os._exit(0)
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); s.listen(1)
        os.write(ready, b"x")
        while True: s.accept()[0].send(b"x")
    """), [passed], env={"NOTIFY_SOCKET": notify.path})
    assert process.wait() == 0
    notify.wait_for("READY=1")
    exchange(passed.getsockname())
    runner.finish()
    assert not any(line.startswith("MAINPID") for line in notify.lines())


def test_main_process_is_not_told_while_the_first_one_lives(runner, notify):
    steps = Steps(runner, notify, ["-m", ":8080=sd=0"], [tcp_socket()])
    steps.do("bind 8080")
    steps.do("listen 8080")
    steps.end()
    assert not any(line.startswith("MAINPID") for line in notify.lines())


def test_ready_is_in_the_name_of_the_first_process_for_root(runner, notify):
    steps = Steps(runner, notify, ["--ready=exec", "-m", ":8080=sd=0"], [tcp_socket()])
    notify.socket.settimeout(10)
    message, ancillary, _, _ = notify.socket.recvmsg(4096, 1024)
    assert b"READY=1" in message
    assert int.from_bytes(ancillary[0][2][:4], "little") == steps.process.pid
    steps.end()
