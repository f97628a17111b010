# SPDX-License-Identifier: LGPL-2.1-or-later
"""force-bind --learn: what is printed for programs of all kinds, that the text works as it is for Debian's daemons,
and that nothing is left of the learning."""
import os
import signal
import subprocess

import harness
import pytest
import roots
from harness import FORCE_BIND, python
from learning import install, learn
from machine import Machine
from test_systemd import script

HEAD = "[X-ForceBind]\n"


def learn_program(runner, program, **kwargs):
    return runner.run([FORCE_BIND, "--learn", "--", *program], **kwargs)


def learnt(process, status=0):
    """The text without its first line, which names the program."""
    assert process.wait() == status, process.stderr
    assert harness.own_descendants() == set()
    first, _, text = process.stdout.partition("\n")
    assert not status or process.stdout == ""
    assert status or first.startswith("# /etc/systemd/system/NAME.service.d/socket.conf, where NAME.service runs /")
    return text


BIND = """
    import os, socket, sys, threading, time
    def bound(family, kind, address, listen=True, v6only=None, reuse=False):
        s = socket.socket(family, kind)
        if v6only is not None:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
        if reuse:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(address)
        if listen and kind != socket.SOCK_DGRAM:
            s.listen(5)
        return s
    four, six, unix = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
    stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
"""


def server(code, end="threading.Event().wait()"):
    return python(BIND + code + "\n    " + end)


# --- programs --------------------------------------------------------------------------------------------------


def test_families_protocols_and_unix_sockets(runner, tmp_path):
    text = learnt(learn_program(runner, server("""
    os.umask(0o117)
    kept = [bound(six, stream, ("::", 8001)), bound(six, stream, ("::", 8002), v6only=1),
            bound(four, stream, ("0.0.0.0", 8002)), bound(four, stream, ("127.0.0.1", 8003)),
            bound(four, datagram, ("0.0.0.0", 8004)), bound(six, datagram, ("::1", 8004)),
            bound(unix, stream, "relative"), bound(unix, stream, chr(0) + "100%")]
"""), cwd=tmp_path))
    assert text == HEAD + "".join(f"Listen={listen}\n" for listen in [
        "tcp:8001", "tcp:[::]:8002", "tcp:0.0.0.0:8002", "tcp:127.0.0.1:8003", "udp:0.0.0.0:8004", "udp:[::1]:8004",
        f"unix:{tmp_path}/relative", "unix:@100%%"]) + "SocketMode=0660\n"


def test_probes_clients_and_failed_binds_are_left_out(runner):
    text = learnt(learn_program(runner, server("""
    bound(four, stream, ("127.0.0.1", 8001), listen=False).close()
    bound(four, stream, ("127.0.0.1", 8002)).close()
    kept = [bound(four, stream, ("127.0.0.1", 8003)), bound(four, datagram, ("0.0.0.0", 0)),
            bound(four, stream, ("127.0.0.1", 0))]
    for address in ("127.0.0.1", 8003), ("192.0.2.1", 8004):
        try:
            bound(four, stream, address)
        except OSError:
            pass
    try:
        bound(four, datagram, ("192.0.2.1", 8005))
    except OSError:
        pass
    bare = socket.socket(); bare.listen()
""")))
    chosen = "the program leaves the choice to the kernel, so no client can know it beforehand"
    assert text == HEAD + f"""Listen=tcp:127.0.0.1:8003
#
# Left out, and bound by the program itself as ever:
#   udp 0.0.0.0:0: {chosen}
#   tcp 127.0.0.1:0: {chosen}
#   tcp 0.0.0.0:0: {chosen}
"""


def test_workers_of_one_address_are_one_line(runner):
    text = learnt(learn_program(runner, server("""
    for _ in range(3):
        if os.fork() == 0:
            mine = [bound(four, stream, ("0.0.0.0", 8001), reuse=True),
                    bound(four, datagram, ("0.0.0.0", 8001), reuse=True)]
            threading.Event().wait()
    time.sleep(3600)
""")))
    assert text == HEAD + "Listen=tcp:0.0.0.0:8001\nListen=udp:0.0.0.0:8001\n"


def test_a_daemon_in_the_background_is_waited_for_and_ended(runner, tmp_path):
    process = learn_program(runner, server(f"""
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    s = bound(four, stream, ("127.0.0.1", 8001))
"""))
    assert learnt(process) == HEAD + "Listen=tcp:127.0.0.1:8001\n"
    assert not os.path.exists("/proc/" + (tmp_path / "pid").read_text())


def test_a_program_that_ends_by_itself_is_told_of(runner):
    process = learn_program(runner, server("""
    s, t = bound(four, stream, ("127.0.0.1", 8001)), bound(six, stream, ("::1", 8001))
""", end="sys.exit(3)"))
    assert learnt(process) == HEAD + "Listen=tcp:127.0.0.1:8001\nListen=tcp:[::1]:8001\n"
    assert "has ended already (status 3)" in process.stderr


def test_nothing_is_left_where_nobody_reads_the_text(tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = server('    s = bound(four, stream, ("127.0.0.1", 8001))')
    with open(tmp_path / "errors", "w") as errors:
        result = subprocess.run([FORCE_BIND, "--learn", "--", *program], stdout=write_end, stderr=errors)
    os.close(write_end)
    assert result.returncode == 1
    assert "cannot write to standard output: Broken pipe" in (tmp_path / "errors").read_text()
    assert harness.own_descendants() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_prints_what_was_seen_so_far(runner, number):
    process = learn_program(runner, server("""
    s = bound(four, stream, ("127.0.0.1", 8001))
    while True:  # never quiet
        bound(four, stream, ("127.0.0.1", 8002)).close()
        time.sleep(0.1)
"""))
    harness.wait_until(harness.listening_inodes, "the program to listen")
    process.signal(number)
    assert learnt(process).startswith(HEAD + "Listen=tcp:127.0.0.1:8001\n")


def test_a_program_that_does_not_listen_yet_is_waited_for(runner):
    process = learn_program(runner, server("""
    s = bound(four, stream, ("127.0.0.1", 8001), listen=False)
    time.sleep(4)
    s.listen()
"""))
    assert learnt(process) == HEAD + "Listen=tcp:127.0.0.1:8001\n"


def test_what_the_program_prints_does_not_get_into_the_text(runner):
    process = learn_program(runner, server("""
    print("hello", flush=True)
    s = bound(four, stream, ("127.0.0.1", 8001))
"""))
    assert learnt(process) == HEAD + "Listen=tcp:127.0.0.1:8001\n"
    assert "hello\n" in process.stderr


def test_more_binds_than_are_noted(runner):
    """Sockets that are closed make room: the last one is seen after a thousand others."""
    process = learn_program(runner, server("""
    for port in range(9000, 10000):
        bound(four, stream, ("127.0.0.1", port)).close()
    s = bound(four, stream, ("127.0.0.1", 8001))
"""))
    assert learnt(process) == HEAD + "Listen=tcp:127.0.0.1:8001\n"


@pytest.mark.parametrize("program, status, message", [
    (["/bin/true"], 1, "/bin/true has bound nothing that systemd could listen on for it"),
    (["/bin/gone"], 127, "cannot execute /bin/gone: No such file or directory"),
    (["/etc/passwd"], 126, "cannot execute /etc/passwd: Permission denied"),
])
def test_nothing_learnt_is_a_failure(runner, program, status, message):
    process = learn_program(runner, program)
    learnt(process, status)
    assert message in process.stderr


@pytest.mark.parametrize("options, message", [
    (["--learn", "-m", ":80=allow", "true"], "expected no rules"),
    (["--learn", "--auto", "true"], "expected no rules"),
    (["--unit=x", "true"], "--unit=x says from whom to --learn, which is not given"),
    (["--learn", "--unit=x", "true"], "expected no other"),
    (["--learn"], "expected a program to run"),
    (["--learn", "--unit=x.socket"], "expected the name of a service"),
    (["--learn", "--unit=x*"], "expected the name of a service"),
    (["--learn", "--unit=x@.service"], "x@.service is a template"),
])
def test_options_that_do_not_go_together(runner, options, message):
    process = runner.run([FORCE_BIND, *options])
    assert process.wait() == 125
    assert message in process.stderr


def test_unit_needs_systemd_as_pid_1(runner):
    if os.path.exists("/run/systemd/system"):
        pytest.skip("this machine was booted with systemd")
    process = runner.run([FORCE_BIND, "--learn", "--unit=x"])
    assert process.wait() == 124
    assert "needs a system that was booted with systemd" in process.stderr


# --- services --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[pytest.param(None, id="252"),
                                        pytest.param("trixie", id="257", marks=pytest.mark.slow),
                                        pytest.param("forky", id="262", marks=pytest.mark.slow)])
def machine(request):
    with Machine(FORCE_BIND, roots.root(request.param) if request.param else "/") as booted:
        script(booted, "server", BIND + """
    kept = [bound(four, stream, ("127.0.0.1", int(sys.argv[1])))]
    threading.Event().wait()
""")
        yield booted


def no_trace(machine, unit):
    """Nothing is left of the learning."""
    assert machine.show(unit, "ActiveState") == "inactive"
    assert machine.run("find", "/run/systemd/system", "-mindepth", "1").stdout == ""
    assert machine.run("find", "/run", "-maxdepth", "1", "-name", "force-bind*").stdout == ""
    assert machine.systemctl("list-units", "--all", "--plain", "--no-legend", "force-bind*") == ""
    assert "--learn" not in machine.show(unit, "ExecStart")


def refused(machine, unit, message):
    result = machine.run("force-bind", "--learn", "--unit", unit, check=False)
    assert (result.returncode, result.stdout) == (124, ""), result.stderr
    assert message in result.stderr


OWN = """
    [Service]
    ExecStart=/usr/bin/python3 /usr/local/bin/server 8001
"""


@pytest.fixture
def own(machine):
    """Writes units of its own, by file below /etc/systemd/system; removed in the end."""
    written = []

    def write(units):
        for name, text in units.items():
            machine.write("/etc/systemd/system/" + name, text)
            written.append(name)
        machine.systemctl("daemon-reload")

    yield write
    machine.systemctl("stop", "own*", check=False)
    machine.run("rm", "-rf", *[f"/etc/systemd/system/{name.split('/')[0]}" for name in written])
    machine.systemctl("daemon-reload")


@pytest.mark.systemd
def test_a_running_service_is_left_alone(machine, own):
    own({"own.service": OWN})
    machine.systemctl("start", "own")
    pid = machine.show("own", "MainPID")
    refused(machine, "own.service", "own.service is active, and learning has to start it: stop it first")
    assert machine.show("own", "MainPID") == pid


@pytest.mark.systemd
def test_what_cannot_be_learnt_from_is_refused(machine, own):
    own({"own.service": OWN,
         "own-known.service": OWN, "own-known.service.d/x.conf": "[X-ForceBind]\nListen=tcp:8001\n",
         "own-active.service": OWN, "own-active.socket": "[Socket]\nListenStream=127.0.0.1:8009\n",
         "own-accept@.service": OWN, "own-accept.socket": "[Socket]\nAccept=yes\nListenStream=127.0.0.1:8008\n",
         "own-bad.service": "[Service]\nType=simple\n"})
    machine.run("systemctl", "mask", "own-masked.service")
    machine.systemctl("start", "own-active.socket")
    refused(machine, "own-gone", "there is no own-gone.service")
    refused(machine, "own-known", "own-known.service has X-ForceBind settings already")
    refused(machine, "own-active", "own-active.socket is active and passes its sockets to own-active.service")
    refused(machine, "own-accept@x", "own-accept@x.service serves connections that systemd accepts itself")
    refused(machine, "own-bad", "own-bad.service cannot be started: systemctl calls it bad-setting")
    refused(machine, "own-masked", "own-masked.service cannot be started: systemctl calls it masked")
    result = machine.run("setpriv", "--reuid=65534", "force-bind", "--learn", "--unit=own", check=False)
    assert result.returncode == 124 and "needs root" in result.stderr
    machine.run("systemctl", "unmask", "own-masked.service")
    no_trace(machine, "own")


@pytest.mark.systemd
def test_a_service_that_fails_is_told_of_and_leaves_nothing(machine, own):
    own({"own.service": "[Service]\nType=exec\nExecStart=/bin/false\n"})
    result = machine.run("force-bind", "--learn", "--unit", "own", check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert "own.service has bound nothing that systemd could listen on for it" in result.stderr
    no_trace(machine, "own")


@pytest.mark.systemd
def test_a_service_that_fails_after_it_has_bound_is_learnt_from(machine, own):
    script(machine, "failing", BIND + """
    s = bound(four, stream, ("127.0.0.1", 8001))
    sys.exit(1)
""")
    own({"own.service": "[Service]\nType=notify\nExecStart=/usr/bin/python3 /usr/local/bin/failing\n"})
    result = machine.run("force-bind", "--learn", "--unit", "own")
    assert result.stdout.endswith(HEAD + "Listen=tcp:127.0.0.1:8001\n")
    assert "own.service did not start as it should" in result.stderr
    no_trace(machine, "own")


@pytest.mark.systemd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cleans_up(machine, own, number):
    own({"own.service": "[Service]\nType=notify\nExecStart=/usr/bin/python3 /usr/local/bin/server 8001\n"})
    process = machine.start("force-bind", "--learn", "--unit", "own", stdout=-1, stderr=-1)
    harness.wait_until(lambda: "127.0.0.1:8001" in machine.run("ss", "-Hltn").stdout, "the service to listen")
    os.kill(min(harness.children_of(process.pid) - {process.pid}), number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.endswith(".service.d/socket.conf\n" + HEAD + "Listen=tcp:127.0.0.1:8001\n")
    no_trace(machine, "own")


@pytest.mark.systemd
def test_the_service_runs_in_its_own_sandbox_and_type(machine, own):
    own({"own@.service": """
        [Service]
        Type=forking
        DynamicUser=yes
        PrivateNetwork=yes
        RestrictAddressFamilies=AF_INET
        SystemCallFilter=@system-service
        ExecStart=/bin/sh -c "/usr/bin/python3 /usr/local/bin/server %i & sleep 1"
    """})
    text = learn(machine, "own@8001")
    assert text == "# /etc/systemd/system/own@8001.service.d/socket.conf\n" + HEAD + "Listen=tcp:127.0.0.1:8001\n"
    no_trace(machine, "own@8001")


@pytest.mark.systemd
def test_a_path_in_a_runtime_directory_outlives_the_service(machine, own):
    script(machine, "unix-server", BIND + """
    s = bound(unix, stream, sys.argv[1])
    while True:
        c, _ = s.accept(); c.sendall(b"here"); c.close()
""")
    own({"own.service": """
        [Service]
        User=games
        RuntimeDirectory=own
        ExecStart=/usr/bin/python3 /usr/local/bin/unix-server /run/own/sock
    """})
    text = learn(machine, "own")
    assert "Listen=unix:/run/own/sock\nSocketUser=games\nSocketGroup=" in text
    own({install(machine, text).removeprefix("/etc/systemd/system/"): text})
    machine.systemctl("start", "own.socket")
    client = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/own/sock'); print(s.recv(9))"
    for _ in range(2):
        assert "here" in machine.run("timeout", "20", "/usr/bin/python3", "-c", client).stdout
        machine.systemctl("stop", "own.service")


@pytest.mark.systemd
def test_a_path_whose_directory_goes_with_the_service_is_left_out(machine, own):
    own({"own.service": OWN.rstrip() + """
        ExecStartPre=mkdir -p /run/gone
        ExecStart=
        ExecStart=/usr/bin/python3 /usr/local/bin/both-server
        ExecStopPost=rm -r /run/gone
    """})
    script(machine, "both-server", BIND + """
    kept = bound(four, stream, ("127.0.0.1", 8001)), bound(unix, stream, "/run/gone/sock")
    threading.Event().wait()
""")
    text = learn(machine, "own")
    assert text.endswith(HEAD + "Listen=tcp:127.0.0.1:8001\n#\n# Left out, and bound by the program itself as ever:\n"
                                "#   stream unix:/run/gone/sock: its directory is removed when the service stops\n")
    no_trace(machine, "own")


@pytest.mark.systemd
def test_a_socket_unit_of_the_name_is_told_of(machine, own):
    own({"own.service": OWN, "own.socket": "[Socket]\nListenStream=127.0.0.1:8009\n"})
    assert learn(machine, "own").endswith(
        HEAD + "Auto=yes\n#\n# own.socket exists already (/etc/systemd/system/own.socket), and Listen= does not "
        "change it. It has to say:\n#   ListenStream=127.0.0.1:8001\n")
    no_trace(machine, "own")


@pytest.mark.systemd
def test_a_socket_unit_of_the_name_with_accept_needs_another(machine, own):
    own({"own.service": OWN, "own@.service": "[Service]\nExecStart=true\n", "own.socket": "[Socket]\nListenStream=127.0.0.1:8009\nAccept=yes\n"})
    text = learn(machine, "own")
    assert text.endswith("Another .socket unit has to say:\n#   Service=own.service\n#   ListenStream=127.0.0.1:8001\n")
    no_trace(machine, "own")
