# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options, messages, exit statuses, logging."""
import re
import subprocess
from pathlib import Path

import harness
import pytest
from harness import FORCE_BIND, python, tcp_socket, udp_socket, unix_socket

BIND = python("import socket; socket.socket().bind(('0.0.0.0', 8080))")


def run(*arguments):
    return subprocess.run([FORCE_BIND, *arguments], capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("options,words", [
    (["-m", ":80x=sd=0", "true"], ['":80x=sd=0"', "column 4", 'expected "="', '"x"']),
    (["-m", ":80", "true"], ['":80"', "column 4", 'expected "=" and an action']),
    (["-m", ":65536=deny", "true"], ["column 2", "0 to 65535"]),
    (["-m", ":80=sdd=0", "true"], ["column 5", "sd=NAME"]),
    (["-m", ":80=deny:ENOSUCH", "true"], ["column 10", "EACCES", "ENOSUCH"]),
    (["-m", "1.2.3.4/33=deny", "true"], ["column 9", "0 to 32"]),
    (["-b", "nonsense", "true"], ["--bind", "column 1", "HOST:PORT"]),
    (["-m", ":80=no-such-host.invalid:80", "true"], ["no-such-host.invalid"]),
    (["--ready=soon", "true"], ["soon", "listen, bind, exec, status or no"]),
    (["--ready=listen", "-d", "true"], ["--ready=listen", "sd="]),
    (["--nonsense", "true"], ["--nonsense"]),
    (["--strict=stream", "true"], ["--strict=stream", "--strict=datagram"]),
    (["-m"], ["m"]),
    (["-m", ":80=sd=0"], ["program"]),
    ([], ["program"]),
])
def test_wrong_use_ends_with_125_and_says_what_was_expected(options, words):
    result = run(*options)
    assert result.returncode == 125
    assert all(word in result.stderr for word in words), result.stderr
    assert result.stdout == ""


def test_options_end_at_the_program(runner):
    process = runner.run([FORCE_BIND, "-m", ":8080=sd=0", "echo", "-m", "--help"])
    assert process.wait() == 0
    assert process.stdout == "-m --help\n"


def test_missing_program_ends_with_127():
    result = run("-m", ":80=sd=0", "/no/such/program")
    assert result.returncode == 127
    assert "/no/such/program" in result.stderr and "No such file" in result.stderr


def test_file_that_cannot_be_executed_ends_with_126():
    result = run("-m", ":80=sd=0", "/etc/passwd")
    assert result.returncode == 126
    assert "/etc/passwd" in result.stderr and "Permission denied" in result.stderr


def test_second_listener_ends_with_124_and_says_why():
    result = run("-m", ":80=sd=0", FORCE_BIND, "-m", ":81=sd=0", "true")
    assert result.returncode == 124
    assert "EBUSY" in result.stderr and "listener" in result.stderr


@pytest.mark.parametrize("how, call", [
    *((how, call) for how in ("errno", "kill") for call in ("seccomp", "pidfd_open", "pidfd_getfd")),
    *(("kill", call) for call in ("process_vm_readv", "epoll_create1", "epoll_ctl", "epoll_wait", "openat2", "statx")),
])
def test_sandbox_that_forbids_what_is_needed_ends_with_124_and_says_what_to_add(sandbox, how, call):
    result = subprocess.run([sandbox, how, call, FORCE_BIND, "-m", ":80=sd=0", "true"], capture_output=True, text=True)
    assert result.returncode == 124
    assert "SystemCallFilter=seccomp pidfd_open pidfd_getfd process_vm_readv @io-event openat2 statx" in result.stderr


def test_memory_is_read_from_proc_where_a_sandbox_forbids_process_vm_readv(runner, sandbox):
    passed = tcp_socket()
    process = runner.run([sandbox, "errno", "process_vm_readv", FORCE_BIND, "-m", ":8080=sd=0", "--", *python("""
        import socket
        s = socket.socket(); s.bind(("0.0.0.0", 8080)); print(s.getsockname()[1])
    """)], [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == str(harness.port_of(passed))


def test_parked_bind_works_where_a_sandbox_forbids_namespaces(runner, sandbox):
    passed = harness.tcp6_socket()
    process = runner.run([sandbox, "kill", "unshare", FORCE_BIND, "-m", ":8080=sd=0", "--", *python("""
        import os, socket
        four = socket.socket(); four.bind(("0.0.0.0", 8080)); four.listen(1)
        six = socket.socket(socket.AF_INET6); six.bind(("::", 8080)); six.listen(1)
        print(os.fstat(six.fileno()).st_ino, four.getsockname()[0])
        four.settimeout(0.1)
        try: four.accept()
        except TimeoutError: print("nothing")
    """)], [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.splitlines() == [f"{harness.inode_of(passed)} 192.0.2.1", "nothing"]


def test_ipv6_half_is_parked_beside_an_ipv4_socket_where_a_sandbox_forbids_namespaces(runner, sandbox):
    passed = harness.tcp_socket()
    process = runner.run([sandbox, "kill", "unshare", FORCE_BIND, "-m", ":8080=sd=0", "--", *python("""
        import os, socket
        four = socket.socket(); four.bind(("0.0.0.0", 8080)); four.listen(1)
        six = socket.socket(socket.AF_INET6); six.bind(("::", 8080)); six.listen(1)
        print(os.fstat(four.fileno()).st_ino, six.getsockname()[0])
    """)], [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == f"{harness.inode_of(passed)} ::ffff:192.0.2.1"


def test_p_is_ignored_with_a_note():
    result = run("-p", "-m", ":80=sd=0", "true")
    assert result.returncode == 0
    assert "ptrace is no longer needed" in result.stderr


def test_help_names_every_option_of_the_manual_page():
    manual = (harness.REPOSITORY / "man" / "force-bind.1.scd").read_text()
    documented = set(re.findall(r"^\*-[a-zA-Z-]*.*?\*(--[a-z0-9-]+)\*", manual, re.M)) | \
        set(re.findall(r"^\*(--[a-z0-9-]+)\*", manual, re.M))
    helped = set(re.findall(r"--[a-z][a-z0-9-]+", run("--help").stdout))
    assert documented == helped and len(helped) > 10
    completion = Path(harness.REPOSITORY / "src" / "completion" / "force-bind.bash").read_text()
    assert helped <= set(re.findall(r"--[a-z][a-z0-9-]+", completion))
    zsh = Path(harness.REPOSITORY / "src" / "completion" / "_force-bind").read_text()
    assert helped <= set(re.findall(r"--[a-z][a-z0-9-]+", zsh))


def test_version_is_printed():
    assert re.fullmatch(r"force-bind \d+(\.\d+)*\n", run("--version").stdout)


@pytest.mark.parametrize("words,current,expected", [
    ("force-bind --ready ", "", {"listen", "bind", "exec", "status", "no"}),
    ("force-bind --ke", "--ke", {"--keep-fds"}),
])
def test_bash_completion_completes(words, current, expected):
    script = harness.REPOSITORY / "src" / "completion" / "force-bind.bash"
    line = words.split()
    if not current:
        line.append("")
    code = (f". {script}; COMP_WORDS=({' '.join(repr(w) for w in line)}); COMP_CWORD={len(line) - 1}; "
            "compopt() { :; }; _force_bind; printf '%s\\n' \"${COMPREPLY[@]}\"")
    result = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert set(result.stdout.split()) == expected, result.stderr


def test_verbose_tells_each_decision_in_one_line(runner):
    passed = tcp_socket()
    process = runner.force_bind(["-v", "-m", ":8080=sd=web", "-m", ":8081=127.0.0.1:8082", "-m", ":8083=deny",
                                 "-m", ":8084=sd=nosuch"], python("""
        import socket
        for port in (8080, 8081, 8083, 8084, 8085):
            try: socket.socket().bind(("0.0.0.0", port))
            except OSError: pass
    """), [passed], names=["web"])
    assert process.wait() == 0
    who = rf"force-bind: python3\[{process.pid}\]: tcp 0\.0\.0\.0:"
    port = harness.port_of(passed)
    expected = [
        who + rf"8080: adopted sd=0 web, 127\.0\.0\.1:{port} \(rule: :8080=sd=web\)",
        who + r"8081: bound to 127\.0\.0\.1:8082 \(rule: :8081=127\.0\.0\.1:8082\)",
        who + r"8083: refused with EACCES \(rule: :8083=deny\)",
        who + r"8084: really bound: what the rule names was not passed; there are sd=0 web \(rule: :8084=sd=nosuch\)",
    ]
    harness.wait_until(lambda: len(process.stderr.splitlines()) >= 4)
    lines = process.stderr.splitlines()
    assert len(lines) == len(expected)
    assert all(re.fullmatch(e, line) for e, line in zip(expected, lines)), lines


def test_debug_tells_unmatched_binds_too(runner):
    process = runner.force_bind(["-D", "-m", ":9999=deny"], BIND)
    assert process.wait() == 0
    harness.wait_until(lambda: "left to the kernel (rule: none)" in process.stderr)


@pytest.mark.parametrize("options", [[], ["-q"]])
def test_without_verbose_nothing_is_said(runner, options):
    process = runner.force_bind([*options, "-m", ":8080=sd=0"], BIND, [tcp_socket()])
    assert process.wait() == 0
    harness.wait_until(lambda: not harness.supervisors())
    assert process.stderr == "" and process.stdout == ""


def test_control_characters_of_the_target_do_not_reach_the_log(runner):
    process = runner.force_bind(["-v", "-m", "unix:*=deny"], python("""
        import ctypes, socket
        ctypes.CDLL(None).prctl(15, b"a\\nb\\x1b", 0, 0, 0)
        try: socket.socket(socket.AF_UNIX).bind("/tmp/x\\nforce-bind: forged\\x1b[2J")
        except OSError: pass
    """))
    assert process.wait() == 0
    harness.wait_until(lambda: process.stderr)
    assert len(process.stderr.splitlines()) == 1
    assert "\x1b" not in process.stderr and "x\\x0aforce-bind: forged\\x1b[2J" in process.stderr


def test_explain_shows_rules_sockets_and_what_meets_what(runner, tmp_path):
    sockets = [tcp_socket("127.0.0.1", 8080), harness.tcp6_socket("::", 8081), udp_socket("127.0.0.1", 53),
               unix_socket(tmp_path / "s")]
    process = runner.run([FORCE_BIND, "--explain", "-d", "-m", "tcp::8080=sd-web", "-m", "127.0.0.1:53/32=sd=2|deny:13",
                          "-m", ":1-2=localhost:80"], sockets, names=["web", "web", "dns", "local"])
    assert process.wait() == 0, process.stderr
    text = process.stdout
    for line in ("1  *=deny", "2  tcp:8080=sd=web", "3  127.0.0.1:53=sd=2|deny", "4  :1-2=localhost:80",
                 "localhost is 127.0.0.1:80", "sd=0  web  tcp 127.0.0.1:8080, IPv4 only",
                 "sd=1  web  tcp [::]:8081, dual-stack", "sd=2  dns  udp 127.0.0.1:53, IPv4 only",
                 f"sd=3  local  stream unix:{tmp_path}/s", "tcp:8080=sd=web may adopt sd=0 web",
                 "tcp:8080=sd=web may adopt sd=1 web", "a tcp bind of 127.0.0.1:8080: adopts sd=0 web (tcp:8080=sd=web)",
                 "a udp bind of 127.0.0.1:53: adopts sd=2 dns (127.0.0.1:53=sd=2|deny)",
                 f"a stream bind of unix:{tmp_path}/s: does not adopt it (*=deny)"):
        assert line in text, (line, text)


def test_without_rules_the_program_runs_as_it_is(runner):
    process = runner.run([FORCE_BIND, "sh", "-c", "grep Seccomp: /proc/self/status"])
    assert process.wait() == 0
    assert process.stdout.split() == ["Seccomp:", "0"]


def test_explain_tells_of_the_fence():
    assert "what no rule gives is refused" in run("--strict", "--explain").stdout
    assert "datagram" in run("--strict=datagram", "--explain").stdout
    assert "refused" not in run("--explain").stdout
