# SPDX-License-Identifier: LGPL-2.1-or-later
"""Binding elsewhere, as asked, or not at all; on behalf of the target and with its rights."""
import socket
import subprocess

import harness
import pytest
from harness import exchange, python, tcp_socket

# Binds FAMILY ADDRESS PORT [V6ONLY]; prints what it is bound to, or the error's name.
BIND = """
import errno, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in {address!r} else socket.AF_INET, {type})
if s.family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, {v6only})
try: s.bind(({address!r}, {port})); print(s.getsockname()[0], s.getsockname()[1])
except OSError as e: print(errno.errorcode[e.errno])
"""


def bound(runner, options, address, port, type="socket.SOCK_STREAM", v6only=0, sockets=(), before=(), **kwargs):
    """What a program under force-bind gets that binds this address; before: a command that starts it."""
    code = BIND.format(address=address, port=port, type=type, v6only=v6only)
    process = runner.force_bind(options, [*before, "/usr/bin/python3", "-c", code], sockets, **kwargs)
    assert process.wait() == 0, process.stderr
    return process.stdout.strip()


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]

CASES = [
    # rules, address, port, what it gets
    ([":8080=127.0.0.1:8081"], "0.0.0.0", 8080, "127.0.0.1 8081"),
    ([":8080=:8081"], "127.0.0.1", 8080, "127.0.0.1 8081"),
    ([":8080=127.0.0.2"], "0.0.0.0", 8080, "127.0.0.2 8080"),
    ([":8080=127.0.0.2"], "0.0.0.0", 8081, "0.0.0.0 8081"),
    (["tcp:8080=:8081"], "0.0.0.0", 8080, "0.0.0.0 8081"),
    (["udp:8080=:8081"], "0.0.0.0", 8080, "0.0.0.0 8080"),
    ([":8000-8100=127.0.0.1"], "0.0.0.0", 8100, "127.0.0.1 8100"),
    ([":8000-8100=127.0.0.1"], "0.0.0.0", 8101, "0.0.0.0 8101"),
    (["127.0.0.0/9:8080=:8081"], "127.127.0.1", 8080, "127.127.0.1 8081"),
    (["127.0.0.0/9:8080=:8081"], "127.128.0.1", 8080, "127.128.0.1 8080"),
    (["127.0.0.0:8080/9=:8081"], "127.127.0.1", 8080, "127.127.0.1 8081"),
    (["127.0.0.1=:8081"], "127.0.0.1", 8080, "127.0.0.1 8081"),
    (["127.0.0.1=:8081"], "0.0.0.0", 8080, "0.0.0.0 8080"),
    (["[::1]:8080=:8081"], "::1", 8080, "::1 8081"),
    (["[::]/0:8080=[::1]"], "::", 8080, "::1 8080"),
    (["0.0.0.0/0:8080=127.0.0.1:8081"], "::ffff:127.0.0.1", 8080, "::ffff:127.0.0.1 8081"),
    (["0.0.0.0/0:8080=127.0.0.1:8081"], "::", 8080, "::ffff:127.0.0.1 8081"),
    (["[::]/0:8080=[::1]:8081"], "0.0.0.0", 8080, "0.0.0.0 8080"),
    ([":8080=[::1]:8081"], "0.0.0.0", 8080, "EAFNOSUPPORT"),
    ([":8080=[::1]:8081|127.0.0.1:8082"], "0.0.0.0", 8080, "127.0.0.1 8082"),
    ([":8080=localhost:8081"], "0.0.0.0", 8080, "127.0.0.1 8081"),
    ([":8080=192.0.2.1:8081"], "0.0.0.0", 8080, "EADDRNOTAVAIL"),
    ([":8080=192.0.2.1:8081|127.0.0.1:8082"], "0.0.0.0", 8080, "127.0.0.1 8082"),
    (["127.0.0.0/8:8000-8100=127.0.0.2"], "127.1.2.3", 8050, "127.0.0.2 8050"),
    (["127.0.0.0/8:8000-8100=127.0.0.2:8081"], "0.0.0.0", 8050, "0.0.0.0 8050"),
    (["127.0.0.0/8:*=deny"], "::ffff:127.0.0.1", 8080, "EACCES"),
    (["0.0.0.0/32:*=127.0.0.1"], "::", 8080, "::ffff:127.0.0.1 8080"),
    (["0.0.0.0=:8081"], "::", 8080, ":: 8081"),
    (["[::]/127:8000-8100=:8081"], "::1", 8000, "::1 8081"),
    (["[::2]/127:8000-8100=deny"], "::1", 8000, "::1 8000"),
    (["[::]/0=[::1]"], "::", 8080, "::1 8080"),
    (["tcp:[::1]:8080=:8081"], "::1", 8080, "::1 8081"),
    (["tcp:8000-8100=[::1]|127.0.0.2"], "::", 8080, "::1 8080"),
    (["tcp:8000-8100=[::1]|127.0.0.2"], "0.0.0.0", 8080, "127.0.0.2 8080"),
    (["*=127.0.0.2"], "0.0.0.0", 8080, "127.0.0.2 8080"),
    ([":8080=deny", ":8080=:8081"], "0.0.0.0", 8080, "0.0.0.0 8081"),
    ([":8080=:8081", ":8080=deny"], "0.0.0.0", 8080, "EACCES"),
    ([":8080=deny:EADDRNOTAVAIL"], "0.0.0.0", 8080, "EADDRNOTAVAIL"),
    ([":8080=deny:99"], "0.0.0.0", 8080, "EADDRNOTAVAIL"),
    ([":8080=sd=nosuch|deny:EPERM"], "0.0.0.0", 8080, "EPERM"),
    ([":8080=sd=nosuch"], "0.0.0.0", 8080, "0.0.0.0 8080"),
    ([":8080=sd=nosuch|:8081"], "0.0.0.0", 8080, "0.0.0.0 8081"),
    (["*=deny", ":5000=allow"], "0.0.0.0", 5000, "0.0.0.0 5000"),
    (["*=deny", ":5000=allow"], "0.0.0.0", 5001, "EACCES"),
]


@pytest.mark.parametrize("rules,address,port,expected", CASES, ids=[f"{' '.join(c[0])} {c[1]}:{c[2]}" for c in CASES])
def test_bind_goes_where_the_rules_say(runner, rules, address, port, expected):
    options = [word for rule in rules for word in ("-m", rule)]
    assert bound(runner, options, address, port) == expected


def test_ipv6_only_bind_is_not_matched_by_ipv4_rules(runner):
    assert bound(runner, ["-m", "0.0.0.0/0:8080=deny"], "::", 8080, v6only=1) == ":: 8080"


def test_port_0_is_matched_by_rules_without_a_port_and_by_port_0_only(runner):
    assert bound(runner, ["-m", ":0=:8081"], "0.0.0.0", 0) == "0.0.0.0 8081"
    assert bound(runner, ["-m", ":1-65535=:8081"], "127.0.0.1", 0) != "127.0.0.1 8081"


def test_datagram_binds_are_redirected(runner):
    assert bound(runner, ["-m", "udp:8080=127.0.0.1:8081"], "0.0.0.0", 8080, "socket.SOCK_DGRAM") == "127.0.0.1 8081"


@pytest.mark.parametrize("protocol,type", [("udp", "socket.SOCK_DGRAM"), ("tcp", "socket.SOCK_STREAM, 262"),
                                           ("udplite", "socket.SOCK_DGRAM, 136")])
@pytest.mark.parametrize("address,expected", [("0.0.0.0", "127.0.0.1 8050"), ("::", "::ffff:127.0.0.1 8050"),
                                              ("::1", "::1 8050")])
def test_rules_are_for_a_protocol_and_mptcp_is_tcp(runner, protocol, type, address, expected):
    others = [f"{other}:8000-8100=deny" for other in ("tcp", "udp", "udplite") if other != protocol]
    options = [word for rule in (*others, f"{protocol}:0.0.0.0:8000-8100=127.0.0.1") for word in ("-m", rule)]
    assert bound(runner, options, address, 8050, type) == expected


# --- hosts of several addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hosts,address,expected", [
    (["127.0.0.2", "127.0.0.3"], "0.0.0.0", "127.0.0.2 8081"),
    (["192.0.2.1", "127.0.0.3"], "0.0.0.0", "127.0.0.3 8081"),  # no address of ours, the next is tried
    (["192.0.2.1", "192.0.2.2"], "0.0.0.0", "EADDRNOTAVAIL"),
    (["::1", "127.0.0.3"], "0.0.0.0", "127.0.0.3 8081"),
    (["127.0.0.3", "::1"], "::1", "::1 8081"),
    (["::1"], "0.0.0.0", "EAFNOSUPPORT"),
])
def test_each_address_of_a_host_is_tried(runner, tmp_path, hosts, address, expected):
    (tmp_path / "hosts").write_text("".join(f"{line} several.test\n" for line in hosts))
    code = BIND.format(address=address, port=8080, type="socket.SOCK_STREAM", v6only=1)
    process = runner.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', tmp_path / "hosts",
                          harness.FORCE_BIND, "-m", ":8080=several.test:8081", "--", "/usr/bin/python3", "-c", code])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == expected


def test_taken_address_of_a_host_leads_to_the_next(runner, tmp_path):
    taken = tcp_socket("127.0.0.2", 8081)
    test_each_address_of_a_host_is_tried(runner, tmp_path, ["127.0.0.2", "127.0.0.3"], "0.0.0.0", "127.0.0.3 8081")
    taken.close()


def test_host_that_nobody_knows_keeps_the_program_from_starting(runner):
    process = runner.force_bind(["-m", ":80=nobody.invalid:80"], ["true"])
    assert process.wait() == 125
    assert 'rule ":80=nobody.invalid:80": nobody.invalid' in process.stderr


# --- an allow-list -----------------------------------------------------------------------------------------------

PORT_5000 = ["-d", "-m", ":5000=allow"]  # README.md


@pytest.mark.parametrize("address,port,type,expected", [
    ("0.0.0.0", 5000, "socket.SOCK_STREAM", "0.0.0.0 5000"),
    ("127.0.0.1", 5000, "socket.SOCK_DGRAM", "127.0.0.1 5000"),
    ("::", 5000, "socket.SOCK_STREAM", ":: 5000"),
    ("::ffff:127.0.0.1", 5000, "socket.SOCK_STREAM", "::ffff:127.0.0.1 5000"),
    ("0.0.0.0", 5001, "socket.SOCK_STREAM", "EACCES"),
    ("127.0.0.1", 0, "socket.SOCK_DGRAM", "EACCES"),
    ("::", 80, "socket.SOCK_STREAM", "EACCES"),
    ("::ffff:127.0.0.1", 5001, "socket.SOCK_STREAM", "EACCES"),
    ("192.0.2.1", 5000, "socket.SOCK_STREAM", "EADDRNOTAVAIL"),  # the kernel's own word
])
@pytest.mark.parametrize("user", [-1, 65534], ids=["root", "nobody"])
def test_allow_list_is_port_restricter(runner, address, port, type, expected, user):
    assert bound(runner, PORT_5000, address, port, type, user=user) == expected


def test_taken_port_of_an_allow_list_is_taken(runner):
    taken = tcp_socket("127.0.0.1", 5000)
    assert bound(runner, PORT_5000, "0.0.0.0", 5000) == "EADDRINUSE"
    taken.close()


def test_allow_list_of_the_readme_is_the_one_that_is_tested():
    assert "force-bind -d -m ':5000=allow' -- PROGRAM" in (harness.REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("command,message", [
    (["python3", "-m", "http.server", "5001"], "PermissionError: [Errno 13] Permission denied"),
    (["node", "-e", 'require("net").createServer().listen(5001)'], "code: 'EACCES'"),
    (["nc", "-l", "5001"], "nc: Permission denied"),
    (["nginx", "-c", "nginx.conf", "-p", "."], "bind() to 0.0.0.0:5001 failed (13: Permission denied)"),
], ids=["python", "node", "nc", "nginx"])
def test_programs_say_that_permission_is_denied(runner, tmp_path, command, message):
    (tmp_path / "nginx.conf").write_text("daemon off; error_log stderr; pid pid; events {} http { server { listen 5001; } }")
    process = runner.force_bind(PORT_5000, command, cwd=tmp_path, env={"PATH": "/usr/sbin:/usr/bin"})
    assert process.wait() != 0
    assert message in process.stderr


def test_address_in_use_is_the_kernels_own_error(runner):
    taken = tcp_socket("127.0.0.1", 8081)
    assert bound(runner, ["-m", ":8080=127.0.0.1:8081"], "0.0.0.0", 8080) == "EADDRINUSE"
    assert bound(runner, ["-m", ":8081=allow"], "127.0.0.1", 8081) == "EADDRINUSE"
    assert bound(runner, ["-m", ":8080=127.0.0.1:8081|127.0.0.1:8082"], "0.0.0.0", 8080) == "127.0.0.1 8082"
    taken.close()


def test_failed_redirection_does_not_fall_back_to_what_it_leads_away_from(runner):
    taken = tcp_socket("127.0.0.1", 8081)
    assert bound(runner, ["-m", ":8080=127.0.0.1:8081|sd=nosuch"], "0.0.0.0", 8080) == "EADDRINUSE"
    taken.close()


# --- force-bind-seccomp's manual ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options,address,expected", [
    (["-m", "0.0.0.0:80/0=127.0.0.1:8080"], "0.0.0.0", "127.0.0.1 8080"),
    (["-m", "0.0.0.0:80/0=127.0.0.1:8080"], "::1", "::1 80"),
    (["-d", "-m", "[::]:80/0=[::1]:8080"], "::", "::1 8080"),
    (["-d", "-m", "[::]:80/0=[::1]:8080"], "0.0.0.0", "EACCES"),
    (["-d", "-b", "[::1]:8081", "-b", "127.0.0.1:8080"], "::1", "::1 8081"),
    (["-d", "-b", "[::1]:8081", "-b", "127.0.0.1:8080"], "0.0.0.0", "127.0.0.1 8080"),
    (["-p", "-L", "-v", "-m", ":80=sd=0", "-m", ":80=fd=4"], "0.0.0.0", "0.0.0.0 80"),
])
def test_command_lines_of_force_bind_seccomp_work(runner, options, address, expected):
    assert bound(runner, options, address, 80) == expected


@pytest.mark.parametrize("options,expected", [(["-m", ":80=sd=0", "-m", ":80=fd=4"], 1), (["-m", ":80=sd-0"], 0),
                                              (["-m", ":80=fd-4"], 1), (["-b", "0.0.0.0:80/0=sd=0"], 0)])
def test_passed_sockets_of_force_bind_seccomps_manual_are_adopted(runner, options, expected):
    passed = [tcp_socket(), tcp_socket()]  # descriptors 3 and 4
    assert bound(runner, options, "0.0.0.0", 80, sockets=passed) == f"127.0.0.1 {harness.port_of(passed[expected])}"


def test_datagrams_reach_the_address_of_force_bind_seccomps_manual(runner):
    process = runner.force_bind(["-v", "-b", "127.0.0.1:16379"], python("""
        import socket
        s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("0.0.0.0", 7777)); print("bound", flush=True); print(s.recv(9))
    """))
    harness.wait_until(lambda: "bound" in process.stdout)
    subprocess.run(["nc", "-u", "-q0", "127.0.0.1", "16379"], input=b"x", check=True)
    assert process.wait() == 0
    assert process.stdout.splitlines() == ["bound", "b'x'"]


# --- the target's own rights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [":80=allow", ":80=sd=nosuch", ":80=127.0.0.1"])
def test_target_without_the_capability_gets_no_privileged_port_of_its_own_choice(runner, rule):
    assert bound(runner, ["-m", rule], "0.0.0.0", 80, before=NOBODY) == "EACCES"


def test_privileged_port_that_the_rule_names_is_bound_for_any_target(runner):
    assert bound(runner, ["-m", ":8080=:80"], "127.0.0.1", 8080, before=NOBODY) == "127.0.0.1 80"


def test_target_with_the_capability_gets_its_privileged_port(runner):
    before = [*NOBODY[:-1], "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", "--"]
    assert bound(runner, ["-m", ":80=allow"], "127.0.0.1", 80, before=before) == "127.0.0.1 80"


def test_target_with_a_thousand_groups_has_its_rights_all_the_same(runner, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o770)
    harness.os.chown(tmp_path / "run", 0, 100999)
    process = runner.force_bind(["-m", "*=allow"], python(f"""
        import os, socket
        os.setgroups(range(100000, 101000))
        socket.socket().bind(("127.0.0.1", 80)); print("privileged port")
        os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        socket.socket(socket.AF_UNIX).bind({str(tmp_path / "run" / "s")!r}); print("path")
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == ["privileged port", "path"]


@pytest.mark.parametrize("groups,expected", [("--clear-groups", "PermissionError"), ("--groups=0,100999", "bound")])
def test_root_without_capabilities_has_no_groups_but_its_own(runner, tmp_path, groups, expected):
    (tmp_path / "run").mkdir()
    harness.os.chown(tmp_path / "run", 65534, 100999)
    (tmp_path / "run").chmod(0o770)
    process = runner.run(["setpriv", "--groups=0,100999", "--", harness.FORCE_BIND, "-m", "*=allow", "--",
                          "setpriv", groups, "--bounding-set=-all", "--inh-caps=-all", "--", *python(f"""
        import socket
        try: socket.socket(socket.AF_UNIX).bind({str(tmp_path / "run" / "s")!r}); print("bound")
        except OSError as e: print(type(e).__name__)
    """)])
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == [expected]


def test_unprivileged_force_bind_cannot_give_a_privileged_port(runner):
    assert bound(runner, ["-m", ":8080=:80"], "127.0.0.1", 8080, user=65534) == "EACCES"


def test_privileged_port_in_the_targets_own_namespaces_is_its_own(runner):
    before = ["unshare", "--user", "--map-root-user", "--net", "--"]
    assert bound(runner, ["-m", ":80=allow"], "0.0.0.0", 80, before=[*NOBODY, *before]) == "0.0.0.0 80"


def test_user_namespace_alone_gives_no_privileged_port(runner):
    before = ["unshare", "--user", "--map-root-user", "--"]
    assert bound(runner, ["-m", ":80=allow"], "0.0.0.0", 80, before=[*NOBODY, *before]) == "EACCES"


# Runs a command in a network namespace of its own, with this first unprivileged port, as nobody.
OWN_NETWORK = ["unshare", "--net", "--", "sh", "-c",
               'ip link set lo up; echo "$0" >/proc/sys/net/ipv4/ip_unprivileged_port_start; exec "$@"']


@pytest.mark.parametrize("first,port,expected", [
    (3000, 2999, "EACCES"), (3000, 3000, "127.0.0.1 3000"), (80, 80, "127.0.0.1 80"), (80, 79, "EACCES")])
@pytest.mark.parametrize("inside", [True, False], ids=["in the target's network", "around force-bind"])
def test_first_unprivileged_port_is_that_of_the_network(runner, first, port, expected, inside):
    program = [*NOBODY, "/usr/bin/python3", "-c", BIND.format(address="127.0.0.1", port=port,
                                                              type="socket.SOCK_STREAM", v6only=0)]
    helper = [harness.FORCE_BIND, "-m", ":*=allow", "--"]
    own_network = [*OWN_NETWORK, str(first)]
    process = runner.run([*helper, *own_network, *program] if inside else [*own_network, *helper, *program])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == expected


# --- an IP socket becomes a Unix socket --------------------------------------------------------------------------


def test_web_server_becomes_a_unix_socket(runner, tmp_path):
    path = tmp_path / "web.sock"
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"""
        daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}
        http {{ access_log off; server {{ listen 8000; location / {{ return 200 "hello"; }} }} }}
    """)
    process = runner.force_bind(["-m", f"tcp:8000=unix:{path}"], ["/usr/sbin/nginx", "-c", configuration])
    harness.wait_until(lambda: _try_exchange(str(path)))
    curl = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/"], capture_output=True, text=True)
    assert curl.stdout == "hello", curl.stderr
    assert not harness.listening_inodes()
    process.signal(9)
    process.wait()
    harness.wait_until(lambda: not path.exists(), "the path to be removed")


def test_python_server_becomes_a_unix_socket(runner, tmp_path):
    (tmp_path / "index.html").write_text("hello")
    path = tmp_path / "web.sock"
    process = runner.force_bind(["-m", f"tcp:8000=unix:{path}"], python("""
        import http.server
        class Handler(http.server.SimpleHTTPRequestHandler):
            def address_string(self): return "a peer without an IP address"
        http.server.HTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
    """), cwd=tmp_path)
    harness.wait_until(lambda: _try_exchange(str(path)))
    curl = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/"], capture_output=True, text=True)
    assert curl.stdout == "hello", curl.stderr + process.stderr
    assert not harness.listening_inodes()


def _try_exchange(path):
    try:
        return exchange(path, b"GET / HTTP/1.0\r\n\r\n")
    except OSError:
        return None


def test_stale_unix_path_is_replaced_and_a_live_one_is_not(runner, tmp_path):
    stale, live = tmp_path / "stale", tmp_path / "live"
    harness.unix_socket(stale).close()
    listening = harness.unix_socket(live)
    for path, expected in ((stale, str(stale)), (live, "EADDRINUSE")):
        process = runner.force_bind(["-m", f":8000=unix:{path}"], python("""
            import errno, os, socket
            s = socket.socket()
            try: s.bind(("0.0.0.0", 8000)); print(socket.socket(fileno=os.dup(s.fileno())).getsockname())
            except OSError as e: print(errno.errorcode[e.errno])
        """))
        assert process.wait() == 0
        assert process.stdout.strip() == expected
    listening.close()


TWO_FAMILIES = """
    import socket
    first, second = socket.socket(), socket.socket(socket.AF_INET6)
    second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    first.bind(("0.0.0.0", 8000)); second.bind(("::", 8000)); first.listen(); second.listen()
    print("ready", flush=True)
    for server in (first, second):
        connection = server.accept()[0]; connection.sendall(b"served"); connection.close()
"""


@pytest.mark.parametrize("name", ["web.sock", "@force-bind-shared"])
def test_binds_of_one_process_that_become_one_unix_socket_share_it(runner, tmp_path, name):
    abstract = name.startswith("@")
    process = runner.force_bind(["-m", f":8000=unix:{name}"], python(TWO_FAMILIES), cwd=tmp_path)
    harness.wait_until(lambda: process.stdout or process.popen.poll() is not None, "the program to listen")
    for _ in range(2):
        assert exchange("\0" + name[1:] if abstract else str(tmp_path / name)) == b"served", process.stderr
    assert process.wait() == 0


def test_unix_path_that_is_bound_but_does_not_listen_yet_is_not_taken_from_another_process(runner, tmp_path):
    process = runner.force_bind(["-m", ":8000=unix:web.sock"], python("""
        import errno, os, socket
        s = socket.socket(); s.bind(("0.0.0.0", 8000)); inode = os.stat("web.sock").st_ino
        if os.fork() == 0:
            s.close(); s = socket.socket()
            try: s.bind(("0.0.0.0", 8000))
            except OSError as e: print(errno.errorcode[e.errno], flush=True)
            os._exit(0)
        os.wait(); print(os.stat("web.sock").st_ino == inode)
    """), cwd=tmp_path)
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["EADDRINUSE", "True"]


def test_unix_path_comes_again_as_often_as_the_program_binds_and_goes_in_the_end(runner, tmp_path):
    process = runner.force_bind(["-m", ":8000=unix:web.sock"], python("""
        import os, socket
        for i in range(40):
            s = socket.socket(); s.bind(("0.0.0.0", 8000)); s.listen(); s.close()
            os.link("web.sock", f"{i}.sock") # so that each has an inode of its own
    """), cwd=tmp_path)
    assert process.wait() == 0, process.stderr
    harness.wait_until(lambda: not (tmp_path / "web.sock").exists(), "the path to be removed")


def test_relative_unix_path_is_taken_from_where_force_bind_started(runner, tmp_path):
    process = runner.force_bind(["-m", ":8000=unix:web.sock"], python("""
        import os, socket
        os.chdir("/"); s = socket.socket(); s.bind(("0.0.0.0", 8000)); print(socket.socket(fileno=os.dup(s.fileno())).getsockname())
    """), cwd=tmp_path)
    assert process.wait() == 0
    assert process.stdout.strip() == str(tmp_path / "web.sock")


def test_abstract_name_as_action(runner):
    process = runner.force_bind(["-m", ":8000=unix:@force-bind-test"], python("""
        import os, socket
        s = socket.socket(); s.bind(("0.0.0.0", 8000)); print(socket.socket(fileno=os.dup(s.fileno())).getsockname())
    """))
    assert process.wait() == 0
    assert process.stdout.strip() == repr(b"\0force-bind-test")


def test_second_bind_of_a_privileged_port_is_refused_for_the_targets_lack_of_rights(runner):
    process = runner.force_bind(["-m", ":80=allow"], [*NOBODY, *python("""
        import errno, socket
        s = socket.socket(); s.bind(("127.0.0.1", 8081))
        try: s.bind(("127.0.0.1", 80))
        except OSError as e: print(errno.errorcode[e.errno])
    """)])
    assert process.wait() == 0, process.stderr
    assert process.stdout == "EACCES\n"  # EINVAL only for those who may have the port (__inet_bind())
    assert "cannot see" not in process.stderr


def test_netlink_is_left_alone_by_deny(runner):
    process = runner.force_bind(["-d"], python("""
        import socket
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); s.bind((0, 0)); print(s.getsockname()[0] != 0)
        print(len(socket.getaddrinfo("127.0.0.1", 80)) > 0)
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["True", "True"]


def test_deny_reaches_unix_and_other_families(runner):
    process = runner.force_bind(["-d"], python("""
        import errno, socket
        for s, address in ((socket.socket(socket.AF_UNIX), "\\0name"), (socket.socket(socket.AF_PACKET, socket.SOCK_RAW), ("lo", 0))):
            try: s.bind(address); print("bound")
            except OSError as e: print(errno.errorcode[e.errno])
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["EACCES", "EACCES"]


@pytest.mark.parametrize("rule,expected", [("*=deny", "EACCES"), (":*=deny", "EACCES"), (":*=allow", "bound")])
@pytest.mark.parametrize("family,protocol,address", [("AF_INET", 1, "127.0.0.1"), ("AF_INET6", 58, "::1")])
def test_rules_reach_raw_sockets_again_and_again(runner, rule, expected, family, protocol, address):
    process = runner.force_bind(["-m", rule], python(f"""
        import errno, socket
        s = socket.socket(socket.{family}, socket.SOCK_RAW, {protocol})
        for _ in range(2):
            try: s.bind(({address!r}, 0)); print("bound")
            except OSError as e: print(errno.errorcode[e.errno])
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == [expected] * 2


def test_vsock_rules(runner):
    process = runner.force_bind(["-m", "vsock:*:5003-5004=deny", "-m", "vsock:4294967295:5004=allow"], python("""
        import errno, socket
        for port in (5003, 5004, 5005):
            s = socket.socket(socket.AF_VSOCK)
            try: s.bind((socket.VMADDR_CID_ANY, port)); print("bound")
            except OSError as e: print(errno.errorcode[e.errno])
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["EACCES", "bound", "bound"]
