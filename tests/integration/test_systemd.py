# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under a real systemd as PID 1: Debian's daemons with their own unit files, and what the manager sees of them."""
import json
import os
import subprocess
import time
from pathlib import Path

import harness
import pytest
from machine import Machine

pytestmark = pytest.mark.systemd

LOAD = (Path(__file__).parent / "load.py").read_text()
NGINX = "/usr/sbin/nginx -g 'daemon on; master_process on;'"
REDIS = "/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no"
# What the helper needs of a sandbox, see LIMITS in force-bind(1)
AMENDMENTS = "SystemCallFilter=seccomp pidfd_open pidfd_getfd process_vm_readv\n"


@pytest.fixture(scope="module")
def machine():
    with Machine(harness.FORCE_BIND) as booted:
        yield booted


@pytest.fixture
def units(machine):
    """Writes units for one test; stops and removes them afterwards."""
    written = []

    def write(name, text):
        machine.unit(name, text)
        written.append(name)

    yield write
    names = [name for name in written if "/" not in name]
    names += [name.split(".d/")[0] for name in written if "/" in name]
    for name in names:
        machine.systemctl("stop", name, check=False)
        machine.systemctl("reset-failed", name, check=False)
    for name in written:
        machine.run("rm", "-f", "/etc/systemd/system/" + name)
    machine.systemctl("daemon-reload")


def wrap(command, options, extra=""):
    return f"[Service]\nExecStart=\nExecStart=/usr/bin/force-bind {options} -- {command}\n{extra}"



def under_load(machine, port, request, restarts, unit):
    """Restarts the unit while clients connect; the counts of load.py."""
    client = machine.start("/usr/bin/python3", "-c", LOAD, "127.0.0.1", str(port), "5", request, stdout=subprocess.PIPE)
    try:
        assert client.stdout.readline() == "started\n"
        for _ in range(restarts):
            machine.systemctl("reset-failed", unit)
            machine.systemctl("restart", unit)
        assert client.poll() is None, "the load was over too early"
        return json.loads(client.stdout.readline())
    finally:
        client.kill()
        client.wait()
        client.stdout.close()


def no_process_left(machine):
    return harness.wait_until(lambda: machine.run("pgrep", "-c", "force-bind", check=False).stdout.strip() == "0")


# --- Debian's daemons ------------------------------------------------------------------------------------------


@pytest.fixture
def nginx(machine, units):
    name = "nginx.service.d/socket.conf"
    units(name, (harness.REPOSITORY / "units" / name).read_text())
    machine.systemctl("start", "nginx.socket")
    yield "nginx.service"
    machine.systemctl("stop", "nginx.socket", "nginx.service")


def test_first_connection_starts_nginx_and_is_served(machine, nginx):
    assert machine.systemctl("is-active", nginx, check=False) == "inactive"
    assert "Server: nginx" in machine.run("curl", "-sSi", "http://127.0.0.1/").stdout
    assert machine.systemctl("is-active", nginx) == "active"
    assert "Server: nginx" in machine.run("curl", "-sSi", "http://[::1]/").stdout


def test_main_process_is_nginx_itself(machine, nginx):
    machine.run("curl", "-sS", "http://127.0.0.1/")
    pid = machine.show(nginx, "MainPID")
    assert machine.run("readlink", f"/proc/{pid}/exe").stdout.strip() == "/usr/sbin/nginx"


def test_nginx_restarts_under_load_and_nobody_is_refused(machine, nginx):
    machine.run("curl", "-sS", "http://127.0.0.1/")
    counts = under_load(machine, 80, "GET / HTTP/1.0\\r\\n\\r\\n", 10, nginx)
    assert counts["answered"] > 100
    assert counts["refused"] == 0 and counts["other"] == 0, counts
    assert "left-over process" not in machine.journal("-u", nginx)


def test_nginx_reloads(machine, nginx):
    machine.run("curl", "-sS", "http://127.0.0.1/")
    machine.systemctl("reload", nginx)
    assert "Server: nginx" in machine.run("curl", "-sSi", "http://127.0.0.1/").stdout


def test_nothing_is_left_after_stop_and_the_socket_starts_it_again(machine, nginx):
    machine.run("curl", "-sS", "http://127.0.0.1/")
    machine.systemctl("stop", nginx)
    no_process_left(machine)
    assert machine.systemctl("is-active", "nginx.socket") == "active"
    assert "Server: nginx" in machine.run("curl", "-sSi", "http://127.0.0.1/").stdout


def test_nginx_started_without_its_socket_really_binds(machine, units):
    units("nginx.service.d/socket.conf", wrap(NGINX, "-m :80=sd=http"))
    machine.systemctl("start", "nginx.service")
    assert "Server: nginx" in machine.run("curl", "-sSi", "http://127.0.0.1/").stdout


def test_journal_has_the_fields(machine, units, nginx):
    units("nginx.service.d/verbose.conf", "[X-ForceBind]\nVerbose=yes\n")
    machine.run("curl", "-sS", "http://127.0.0.1/")
    text = machine.journal("-u", nginx, "-o", "json", "-n", "50", "FORCE_BIND_RULE=auto")
    entries = [json.loads(line) for line in text.splitlines()]
    adopted = [e for e in entries if e["FORCE_BIND_RESULT"].endswith("nginx.socket, [::]:80")][-1]
    assert adopted["FORCE_BIND_RESULT"].startswith("adopted sd=")
    assert adopted["FORCE_BIND_REQUESTED"] == "tcp [::]:80"
    assert adopted["MESSAGE_ID"] == "0f7df1c705b24a42b9dd47d163e7780f"
    assert adopted["OBJECT_PID"].isdigit() and adopted["OBJECT_COMM"] == "nginx"
    assert adopted["PRIORITY"] == "6" and adopted["SYSLOG_IDENTIFIER"] == "force-bind"


@pytest.fixture
def redis(machine, units):
    units("redis-server.socket", "[Socket]\nListenStream=127.0.0.1:6379\nListenStream=[::1]:6379\n"
          "BindIPv6Only=ipv6-only\nFileDescriptorName=redis\n")
    units("redis-server.service.d/socket.conf",
          wrap(REDIS, "-v -m :6379=sd=redis", AMENDMENTS + "ExecPaths=/usr/bin/force-bind\n"))
    machine.systemctl("start", "redis-server.socket")
    return "redis-server.service"


def ping(machine, address):
    return machine.run("bash", "-c", f"exec 3<>/dev/tcp/{address}/6379; echo PING >&3; read -r line <&3; echo $line").stdout.strip()


def test_redis_keeps_its_sandbox_and_is_served(machine, redis):
    assert "+PONG" in ping(machine, "127.0.0.1")
    assert machine.show(redis, "NoExecPaths") == "/" and machine.show(redis, "PrivateUsers") == "yes"
    pid = machine.show(redis, "MainPID")
    assert "redis" in machine.run("readlink", f"/proc/{pid}/exe").stdout
    assert "+PONG" in ping(machine, "::1")
    sockets = machine.run("ss", "-ltnH").stdout
    assert sockets.count(":6379") == 2, sockets


def test_redis_restarts_under_load_and_nobody_is_refused(machine, redis):
    assert "+PONG" in ping(machine, "127.0.0.1")
    counts = under_load(machine, 6379, "PING\\r\\n", 5, redis)
    assert counts["answered"] > 100
    assert counts["refused"] == 0 and counts["other"] == 0, counts


# --- what the manager sees ---------------------------------------------------------------------------------------


def script(machine, name, code):
    """A program in the machine."""
    machine.write(f"/usr/local/bin/{name}", "#!/usr/bin/python3\n" + harness.textwrap.dedent(code), 0o755)
    return f"/usr/local/bin/{name}"


FORK = "if os.fork(): os._exit(0)"
LISTEN = 's = socket.socket(); s.bind(("127.0.0.1", 7001)); s.listen(5)'


@pytest.mark.parametrize("steps", [[FORK, LISTEN], [LISTEN, FORK], [LISTEN, FORK, "os.setsid(); time.sleep(0.05)", FORK]],
                         ids=["forks, listens", "listens, forks", "listens, forks twice"])
def test_forking_service_without_pid_file_gets_its_main_process(machine, units, steps):
    program = script(machine, "forker", "import os, socket, time\n" + "\n".join(steps) + """
if os.fork() == 0:
    while True: os.read(os.pipe()[0], 1)
while True:
    c, _ = s.accept(); c.sendall(str(os.getpid()).encode()); c.close()
""")
    units("forker.socket", "[Socket]\nListenStream=127.0.0.1:7001\n")
    units("forker.service", f"[Service]\nType=forking\nNotifyAccess=all\n"
          f"ExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "forker.socket")
    pid = machine.run("bash", "-c", "cat </dev/tcp/127.0.0.1/7001").stdout
    harness.wait_until(lambda: machine.show("forker.service", "MainPID") == pid)
    machine.systemctl("stop", "forker.service")
    assert machine.show("forker.service", "Result") == "success"
    no_process_left(machine)


def test_main_process_is_no_stranger_with_the_number_of_the_one_that_listened(machine, units):
    """The process that called listen() is gone, and its number is another's, when the first process ends."""
    program = script(machine, "passer", f"""
        import os, socket
        if os.fork() == 0:
            {LISTEN}
            if os.fork() > 0:
                os._exit(0)
            while True: s.accept()[0].close()
        pid, _ = os.wait()
        os.mkfifo("/run/go")
        open("/run/listened", "w").write(str(pid))
        open("/run/go").read()
    """)
    stranger = script(machine, "stranger", """
        import os, signal, sys
        while True:
            open("/proc/sys/kernel/ns_last_pid", "w").write(str(int(sys.argv[1]) - 1))
            pid = os.fork()
            if pid == 0:
                os.setsid(); os.close(1); os.close(2)
                while True: signal.pause()
            if pid == int(sys.argv[1]):
                break
            os.kill(pid, signal.SIGKILL)
    """)
    units("passer.socket", "[Socket]\nListenStream=127.0.0.1:7001\n")
    units("passer.service", f"[Service]\nType=forking\nNotifyAccess=all\nExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "passer.socket")
    machine.systemctl("start", "--no-block", "passer.service")
    listened = harness.wait_until(lambda: machine.run("cat", "/run/listened", check=False).stdout)
    machine.run(stranger, listened)
    machine.run("bash", "-c", "echo >/run/go")
    harness.wait_until(lambda: machine.show("passer.service", "MainPID") != "0")
    main = machine.show("passer.service", "MainPID")
    machine.run("kill", "-KILL", listened)
    assert main != listened
    assert machine.run("cat", f"/proc/{main}/cgroup").stdout.strip().endswith("/passer.service")


def test_forking_service_without_its_socket_gets_its_main_process(machine, units):
    program = script(machine, "alone", f"import os, socket\n{LISTEN.replace('7001', '7009')}\n{FORK}\nos.setsid(); os.fork(); os.read(os.pipe()[0], 1)\n")
    units("alone.service", f"[Service]\nType=forking\nNotifyAccess=all\nExecStart=/usr/bin/force-bind -a --ready=status -- {program}\n")
    machine.systemctl("start", "alone.service")
    harness.wait_until(lambda: machine.show("alone.service", "MainPID") != "0")
    machine.systemctl("stop", "alone.service")
    no_process_left(machine)


def test_forking_service_with_a_worker_gets_its_main_process_at_once(machine, units):
    program = script(machine, "parent", f"import os, socket, time\n{LISTEN}\n{FORK}\nos.setsid(); os.fork(); os.read(os.pipe()[0], 1)\n")
    units("parent.socket", "[Socket]\nListenStream=127.0.0.1:7001\n")
    units("parent.service", "[Service]\nType=forking\nKillMode=mixed\nNotifyAccess=all\n"
          f"ExecStart=/usr/bin/force-bind -a -- {program}\nExecStopPost=/usr/bin/force-bind --await-end\n")
    machine.systemctl("start", "parent.socket")
    took = []
    for _ in range(5):
        machine.systemctl("start", "parent.service")
        begin = time.monotonic()
        harness.wait_until(lambda: machine.show("parent.service", "MainPID") != "0")
        took.append(time.monotonic() - begin)
        machine.systemctl("stop", "parent.service")
    assert min(took) < 0.15, took  # a daemon without workers has 0.2 s to fork again
    no_process_left(machine)


@pytest.mark.parametrize("access", ["all", "main"])
def test_service_is_active_when_its_socket_listens_and_status_says_what_is_missing(machine, units, access):
    program = script(machine, "slow", """
        import os, socket, time
        s = socket.socket(); s.bind(("127.0.0.1", 7002))
        while not os.path.exists("/run/go"): time.sleep(0.01)
        s.listen(5)
        while True: s.accept()[0].close()
    """)
    machine.run("rm", "-f", "/run/go")
    units("slow.socket", "[Socket]\nListenStream=127.0.0.1:7002\n")
    units("slow.service", f"[Service]\nType=notify\nNotifyAccess={access}\n"
          f"ExecStart=/usr/bin/force-bind --ready=listen -m :7002=sd=slow.socket -- {program}\n")
    machine.systemctl("start", "slow.socket")
    machine.systemctl("start", "--no-block", "slow.service")
    harness.wait_until(lambda: "waiting for listen() on slow.socket 127.0.0.1:7002" in machine.show("slow.service", "StatusText"))
    assert machine.systemctl("is-active", "slow.service", check=False) == "activating"
    machine.run("touch", "/run/go")
    harness.wait_until(lambda: machine.systemctl("is-active", "slow.service", check=False) == "active")
    assert machine.show("slow.service", "StatusText") == "1 socket adopted, 0 bound"


@pytest.mark.parametrize("end,result,code,status", [("exit 3", "exit-code", "1", "3"), ("kill -SEGV $$", "signal", "2", "11"),
                                                    ("exit 0", "success", "1", "0")])
@pytest.mark.parametrize("wrapped", [True, False])
def test_failure_shows_as_without_us(machine, units, end, result, code, status, wrapped):
    prefix = "/usr/bin/force-bind -m :7003=sd=0 -- " if wrapped else ""
    units("failing.service", f"[Service]\nExecStart={prefix}/bin/sh -c '{end.replace('$', '$$')}'\n")
    machine.systemctl("start", "failing.service")
    harness.wait_until(lambda: machine.show("failing.service", "ActiveState") in ("failed", "inactive"))
    assert machine.show("failing.service", "Result") == result
    assert machine.show("failing.service", "ExecMainStatus") == status


def test_service_of_nobody_without_new_privileges_is_served(machine, units):
    program = script(machine, "server", """
        import os, socket
        s = socket.socket(); s.bind(("0.0.0.0", 80)); s.listen(5)
        while True:
            c, _ = s.accept(); c.sendall(str(os.getuid()).encode()); c.close()
    """)
    units("server.socket", "[Socket]\nListenStream=0.0.0.0:80\n")
    units("server.service", "[Service]\nUser=nobody\nNoNewPrivileges=yes\nPrivateTmp=yes\nProtectSystem=strict\n"
          f"ProtectProc=invisible\nPrivateNetwork=yes\nExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "server.socket")
    assert machine.run("bash", "-c", "cat </dev/tcp/127.0.0.1/80").stdout == "65534"


def test_dynamic_user_with_a_system_call_filter_is_served(machine, units):
    program = script(machine, "server", """
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 80)); s.listen(5)
        while True:
            c, _ = s.accept(); c.sendall(b"served"); c.close()
    """)
    units("server.socket", "[Socket]\nListenStream=0.0.0.0:80\n")
    units("server.service", "[Service]\nDynamicUser=yes\nSystemCallFilter=@system-service\nSystemCallArchitectures=native\n"
          "MemoryDenyWriteExecute=yes\nRestrictAddressFamilies=AF_INET AF_UNIX\nRestrictNamespaces=yes\nCapabilityBoundingSet=\n"
          f"{AMENDMENTS}ExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "server.socket")
    assert machine.run("bash", "-c", "cat </dev/tcp/127.0.0.1/80").stdout == "served"


def test_system_call_filter_without_the_amendment_fails_with_124_and_says_what_to_add(machine, units):
    units("blocked.service", "[Service]\nSystemCallFilter=@system-service\n"
          "ExecStart=/usr/bin/force-bind -m :7004=sd=0 -- /bin/true\n")
    machine.systemctl("start", "blocked.service", check=False)
    harness.wait_until(lambda: machine.show("blocked.service", "ActiveState") == "failed")
    assert machine.show("blocked.service", "ExecMainStatus") == "124"
    assert "SystemCallFilter=seccomp pidfd_open pidfd_getfd process_vm_readv" in machine.journal("-u", "blocked.service")


def test_unix_socket_unit_survives_unlink_and_shutdown_by_the_daemon(machine, units):
    program = script(machine, "local", """
        import os, socket
        if os.path.exists("/run/local.sock"): os.unlink("/run/local.sock")
        s = socket.socket(socket.AF_UNIX); s.bind("/run/local.sock"); s.listen(5); os.chmod("/run/local.sock", 0o600)
        c, _ = s.accept(); c.sendall(b"served"); c.close()
        s.shutdown(socket.SHUT_RDWR); os.unlink("/run/local.sock")
    """)
    units("local.socket", "[Socket]\nListenStream=/run/local.sock\n")
    units("local.service", f"[Service]\nExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "local.socket")
    client = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/local.sock'); print(s.recv(10).decode())"
    for _ in range(3):
        assert machine.run("/usr/bin/python3", "-c", client).stdout.strip() == "served"
        harness.wait_until(lambda: machine.systemctl("is-active", "local.service", check=False) == "inactive")
    assert machine.systemctl("is-active", "local.socket") == "active"
    assert machine.run("stat", "-c", "%a", "/run/local.sock").stdout.strip() == "600"


def test_tcp_socket_unit_survives_shutdown_by_the_daemon(machine, units):
    program = script(machine, "once", """
        import socket
        s = socket.socket(); s.bind(("127.0.0.1", 7005)); s.listen(5)
        c, _ = s.accept(); c.sendall(b"served"); c.close(); s.shutdown(socket.SHUT_RDWR)
    """)
    units("once.socket", "[Socket]\nListenStream=127.0.0.1:7005\n")
    units("once.service", f"[Service]\nExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "once.socket")
    for _ in range(3):
        assert machine.run("bash", "-c", "cat </dev/tcp/127.0.0.1/7005").stdout == "served"
        harness.wait_until(lambda: machine.systemctl("is-active", "once.service", check=False) == "inactive")
    assert machine.systemctl("is-active", "once.socket") == "active"


def test_killed_daemon_is_restarted_and_nobody_is_refused(machine, units):
    program = script(machine, "server", """
        import socket
        s = socket.socket(); s.bind(("127.0.0.1", 7006)); s.listen(5)
        while True:
            c, _ = s.accept(); c.recv(100); c.sendall(b"served"); c.close()
    """)
    units("server.socket", "[Socket]\nListenStream=127.0.0.1:7006\n")
    units("server.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=0\n"
          f"ExecStart=/usr/bin/force-bind -a -- {program}\n")
    machine.systemctl("start", "server.socket")
    client = machine.start("/usr/bin/python3", "-c", LOAD, "127.0.0.1", "7006", "5", "hello", stdout=subprocess.PIPE)
    try:
        assert client.stdout.readline() == "started\n"
        for _ in range(10):
            pid = harness.wait_until(lambda: machine.show("server.service", "MainPID").replace("0", "", 1) and
                                     machine.show("server.service", "MainPID"))
            machine.run("kill", "-KILL", pid, check=False)
            harness.wait_until(lambda: machine.show("server.service", "MainPID") not in ("0", pid))
        counts = json.loads(client.stdout.readline())
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
    assert counts["answered"] > 100 and counts["refused"] == 0 and counts["other"] == 0, counts


def test_a_machine_changes_no_device_node_of_the_host(machine):
    """A getty takes its terminal's node over; that once made the host's /dev/null unusable."""
    assert int(machine.run("stat", "-c", "%d", "/dev/null").stdout) != os.stat("/dev/null").st_dev
    assert machine.run("stat", "-c", "%a %t:%T", "/dev/null").stdout.strip() == "666 1:3"


@pytest.mark.parametrize("path", ["/run/postgresql/.s.PGSQL.5432", "/var/run/postgresql/.s.PGSQL.5432"])
def test_postgresql_on_tcp_and_its_unix_socket(machine, units, path):
    """pg_ctlcluster connects to the Unix socket first, to see whether another server runs; the server calls it /var/run."""
    def ask(host):
        return machine.run("runuser", "-u", "postgres", "--", "psql", "-h", host, "-tAc", "select 6 * 7", check=False).stdout.strip()

    units("postgresql@15-main.service.d/socket.conf",
          f"[X-ForceBind]\nListen=tcp:127.0.0.1:5432\nListen=unix:{path}\n")
    units("postgresql@15-main.socket.d/owner.conf", "[Socket]\nSocketUser=postgres\nSocketGroup=postgres\nDirectoryMode=2775\n")
    try:
        machine.systemctl("start", "postgresql@15-main.socket")
        owner = machine.run("stat", "-c", "%U %i", "/run/postgresql/.s.PGSQL.5432").stdout
        assert owner.startswith("postgres ")
        for _ in range(2):
            # "the database system is starting up", it may tell its first clients
            harness.wait_until(lambda: ask("/var/run/postgresql") == "42", machine.journal("-u", "postgresql@15-main"))
            assert ask("/run/postgresql") == "42"
            assert machine.show("postgresql@15-main", "StatusText") == "2 sockets adopted, 0 bound"
            machine.systemctl("restart", "postgresql@15-main")
        assert machine.run("stat", "-c", "%U %i", "/run/postgresql/.s.PGSQL.5432").stdout == owner
    finally:
        machine.systemctl("stop", "postgresql@15-main.socket", "postgresql@15-main.service")
