# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unix sockets: adopted by path or name; the path belongs to the .socket unit."""
import os
import socket

import harness
import pytest
from harness import exchange, inode_of, python, unix_socket

SERVE = """
import os, socket, sys
path = sys.argv[1]
{before}
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(1)
{after}
c, _ = s.accept(); c.sendall(b"served"); c.close()
{end}
"""


def serve(runner, path, passed, before="", after="", end="", options=("-m", "unix:*=sd=0"), argument=None, **kwargs):
    code = SERVE.format(before=before, after=after, end=end)
    return runner.force_bind(list(options), ["/usr/bin/python3", "-c", code, argument or str(path)], [passed], **kwargs)


def test_path_is_adopted(runner, tmp_path):
    passed = unix_socket(tmp_path / "s")
    process = serve(runner, tmp_path / "s", passed)
    assert exchange(str(tmp_path / "s")) == b"served"
    assert process.wait() == 0


def test_abstract_name_is_adopted(runner):
    passed = unix_socket("@force-bind-test")
    process = runner.force_bind(["-m", "unix:@force-bind-test=sd=0"], python("""
        import os, socket
        s = socket.socket(socket.AF_UNIX); s.bind("\\0force-bind-test"); print(os.fstat(s.fileno()).st_ino)
    """), [passed])
    assert process.wait() == 0
    assert process.stdout.strip() == str(inode_of(passed))


@pytest.mark.parametrize("remove", [
    "os.unlink(path)",
    "os.remove(path)",
    "os.unlink(os.path.basename(path), dir_fd=os.open(os.path.dirname(path), os.O_RDONLY))",
    "os.chdir(os.path.dirname(path)); os.unlink(os.path.basename(path))",
])
def test_unlink_before_bind_and_at_exit_leaves_the_path_alone(runner, tmp_path, remove):
    path = tmp_path / "s"
    passed = unix_socket(path)
    inode = os.stat(path).st_ino
    process = serve(runner, path, passed, before=remove, end=remove)
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0, process.stderr
    assert os.stat(path).st_ino == inode


@pytest.mark.parametrize("rule", [None, "unix:{}/run/s=sd=0", "unix:{}/link/s=sd=0", "unix:{}//run/./s=sd=0"])
def test_symbolic_link_in_the_path_leads_to_the_same_socket(runner, tmp_path, rule):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    passed = unix_socket(tmp_path / "run" / "s")
    process = serve(runner, tmp_path / "link" / "s", passed, before="os.unlink(path)",
                    options=["-m", rule.format(tmp_path)] if rule else ["--auto"])
    assert exchange(str(tmp_path / "run" / "s")) == b"served"
    assert process.wait() == 0


def test_relative_path_after_chdir_is_matched(runner, tmp_path):
    passed = unix_socket(tmp_path / "s")
    process = serve(runner, None, passed, before=f"os.chdir({str(tmp_path)!r})", argument="./s",
                    options=["-m", f"unix:{tmp_path}/s=sd=0"])
    assert exchange(str(tmp_path / "s")) == b"served"
    assert process.wait() == 0


# A program that mounts a file system at path which answers nothing for now; its first request arrives while call waits.
DEAD_FILE_SYSTEM = """
import ctypes, os, socket, struct
path = {path!r}
fuse = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={{fuse}},rootmode=40000,user_id=0,group_id=0".encode()
assert ctypes.CDLL(None).mount(b"dead", path.encode(), b"fuse", 0, options) == 0
unique = struct.unpack_from("=IIQ", os.read(fuse, 1 << 20))[2]
os.write(fuse, struct.pack("=IiQII56x", 80, 0, unique, 7, 31))  # FUSE_INIT
if os.fork() == 0:
    os.close(fuse)
    try: {call}
    except OSError as error: print(error.strerror, flush=True)
    os.kill(0, 9)
request = os.read(fuse, 1 << 20)
s = socket.socket(socket.AF_UNIX); s.bind({bound!r}); print("bound", flush=True)
{then}
"""


def on_dead_file_system(runner, tmp_path, call, then):
    (tmp_path / "dead").mkdir()
    code = DEAD_FILE_SYSTEM.format(path=str(tmp_path / "dead"), bound=str(tmp_path / "s"), call=call, then=then)
    process = runner.force_bind(["-m", "unix:*=allow", "-m", f"unix:{tmp_path}/s=sd=0"],
                                ["unshare", "--mount", "--", *python(code)], [unix_socket(tmp_path / "s")])
    harness.wait_until(lambda: "bound" in process.stdout, process.stderr)
    process.wait()
    return process


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE")
@pytest.mark.parametrize("call", ["os.unlink(path + '/file')", "os.unlink(path + '/s')", "socket.socket(socket.AF_UNIX).bind(path + '/s')",
                                  "socket.socket(socket.AF_UNIX).bind(path + '/other')"])
def test_call_on_a_file_system_that_does_not_answer_stops_no_bind(runner, tmp_path, call):
    on_dead_file_system(runner, tmp_path, call, "os.kill(0, 9)")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE")
def test_bind_on_a_slow_file_system_is_answered_when_it_has_answered(runner, tmp_path):
    process = on_dead_file_system(runner, tmp_path, "socket.socket(socket.AF_UNIX).bind(path + '/other')", """
while True:
    os.write(fuse, struct.pack("=IiQ", 16, -5, struct.unpack_from("=IIQ", request)[2]))
    request = os.read(fuse, 1 << 20)
""")
    assert process.stdout.split("\n") == ["bound", "Input/output error", ""]


def test_chmod_and_chown_of_the_path_work(runner, tmp_path):
    path = tmp_path / "s"
    passed = unix_socket(path)
    process = serve(runner, path, passed, after="os.chmod(path, 0o640); os.chown(path, 1, 2)")
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0
    st = os.stat(path)
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o640, 1, 2)


def test_other_files_are_removed_as_ever(runner, tmp_path):
    other, directory = tmp_path / "file", tmp_path / "directory"
    other.write_text("")
    directory.mkdir()
    harness.unix_socket(tmp_path / "other.sock")
    passed = unix_socket(tmp_path / "s")
    process = serve(runner, tmp_path / "s", passed, before=f"""
os.unlink({str(other)!r}); os.rmdir({str(directory)!r}); os.unlink({str(tmp_path / "other.sock")!r})
try: os.unlink({str(tmp_path / "nothing")!r})
except FileNotFoundError: print("ENOENT")
""")
    assert exchange(str(tmp_path / "s")) == b"served"
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == "ENOENT"
    assert {e.name for e in tmp_path.iterdir() if not e.name.startswith("std")} == {"s"}


def test_shutdown_leaves_the_unix_socket_listening(runner, tmp_path):
    path = tmp_path / "s"
    passed = unix_socket(path)
    process = serve(runner, path, passed, end="s.shutdown(socket.SHUT_RDWR)")
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0
    assert serve(runner, path, passed) and exchange(str(path)) == b"served"


def test_unix_backlog_does_not_shrink(runner, tmp_path):
    path = tmp_path / "s"
    passed = unix_socket(path, backlog=64)
    process = runner.force_bind(["-m", "unix:*=sd=0"], python(f"""
        import socket, sys
        s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); s.listen(1)
        print("listening", flush=True); sys.stdin.read()
    """), [passed], stdin=harness.subprocess.PIPE)
    harness.wait_until(lambda: "listening" in process.stdout)
    clients = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect(str(path))  # EAGAIN where the queue is full
        clients.append(client)
    for client in clients:
        client.close()
    process.popen.stdin.close()
    assert process.wait() == 0


def test_datagram_socket_is_not_given_to_a_stream_bind(runner, tmp_path):
    passed = unix_socket(tmp_path / "datagram", socket.SOCK_DGRAM)
    process = runner.force_bind(["-m", "unix:*=sd=0"], python(f"""
        import os, socket
        a = socket.socket(socket.AF_UNIX); a.bind({str(tmp_path / "stream")!r})
        b = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); b.bind({str(tmp_path / "datagram")!r})
        print(a.getsockname() == {str(tmp_path / "stream")!r}, os.fstat(b.fileno()).st_ino)
    """), [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == f"True {inode_of(passed)}"


def test_path_that_was_not_passed_is_made_as_the_target_would(runner, tmp_path):
    process = runner.force_bind(["-m", "unix:*=sd=0"], python(f"""
        import os, socket
        os.makedirs({str(tmp_path / "own")!r}); os.chown({str(tmp_path / "own")!r}, 65534, 65534)
        os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        os.chdir({str(tmp_path / "own")!r}); os.umask(0o027)
        socket.socket(socket.AF_UNIX).bind("s")
        for path in ({str(tmp_path / "refused")!r}, {str(tmp_path / "no" / "such")!r}):
            try: socket.socket(socket.AF_UNIX).bind(path)
            except OSError as e: print(type(e).__name__)
    """))
    assert process.wait() == 0, process.stderr
    st = os.stat(tmp_path / "own" / "s")
    assert (st.st_mode & 0o777, st.st_uid, st.st_gid) == (0o750, 65534, 65534)
    assert process.stdout.split() == ["PermissionError", "FileNotFoundError"]


def test_path_in_the_targets_own_root_is_made_there(runner, tmp_path):
    process = runner.force_bind(["-m", "unix:*=allow"], python(f"""
        import os, socket
        os.chroot({str(tmp_path)!r}); os.chdir("/"); socket.socket(socket.AF_UNIX).bind("/s")
    """))
    assert process.wait() == 0, process.stderr
    assert (tmp_path / "s").is_socket()


def test_unix_redirection_replaces_a_stale_path_and_removes_it_in_the_end(runner, tmp_path):
    asked, elsewhere = tmp_path / "asked", tmp_path / "elsewhere"
    unix_socket(elsewhere).close()
    process = runner.force_bind(["-m", f"unix:{asked}=unix:{elsewhere}"], python(f"""
        import socket
        s = socket.socket(socket.AF_UNIX); s.bind({str(asked)!r}); s.listen(1)
        s.accept()[0].sendall(b"served")
    """))
    harness.wait_until(lambda: _served(elsewhere), process.stderr)
    assert process.wait() == 0, process.stderr
    harness.wait_until(lambda: not elsewhere.exists(), "the path to be removed")
    assert not asked.exists()


def _served(path):
    try:
        return exchange(str(path)) == b"served"
    except OSError:
        return False


def test_made_path_that_is_bound_many_times_is_removed_in_the_end(runner, tmp_path):
    path = tmp_path / "made"
    # The hard links keep inode numbers from being used again.
    process = runner.force_bind(["-m", f":8000=unix:{path}"], python(f"""
        import os, socket
        for i in range(20):
            s = socket.socket(); s.bind(("127.0.0.1", 8000)); s.listen(); s.close()
            os.link({str(path)!r}, {str(path)!r} + str(i))
    """))
    assert process.wait() == 0, process.stderr
    harness.wait_until(lambda: not path.exists(), "the path to be removed")


def test_path_in_a_root_without_proc_is_made_for_another_user(runner, tmp_path):
    (tmp_path / "run").mkdir()
    os.chown(tmp_path / "run", 65534, 65534)
    process = runner.force_bind(["-m", "unix:*=allow"], python(f"""
        import os, socket
        os.chroot({str(tmp_path)!r}); os.chdir("/"); os.setgroups([])
        os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        socket.socket(socket.AF_UNIX).bind("/run/s")
    """))
    assert process.wait() == 0, process.stderr
    assert os.stat(tmp_path / "run" / "s").st_uid == 65534


@pytest.mark.parametrize("user", [None, 65534])
def test_path_in_the_targets_own_mounts_is_made_there(runner, tmp_path, user):
    (tmp_path / "mounted").mkdir()
    code = f"import os, socket; socket.socket(socket.AF_UNIX).bind({str(tmp_path / 'mounted' / 's')!r})"
    code += f"; print(os.listdir({str(tmp_path / 'mounted')!r}))"
    process = runner.force_bind(["-m", "unix:*=allow"], [
        "unshare", "--mount", *(["--user", "--map-root-user"] if user else []), "--", "sh", "-c",
        'mount -t tmpfs none "$0" && exec /usr/bin/python3 -c "$1"', tmp_path / "mounted", code], user=user)
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == "['s']"
    assert not list((tmp_path / "mounted").iterdir())


def test_bind_that_failed_for_a_missing_directory_can_be_repeated(runner, tmp_path):
    process = runner.force_bind(["-m", "unix:*=sd=0"], python(f"""
        import os, socket
        s = socket.socket(socket.AF_UNIX)
        try: s.bind({str(tmp_path / "d" / "s")!r})
        except FileNotFoundError: os.mkdir({str(tmp_path / "d")!r})
        s.bind({str(tmp_path / "d" / "s")!r}); print("bound")
    """))
    assert process.wait() == 0, process.stderr
    assert process.stdout.strip() == "bound"


@pytest.mark.parametrize("address,family", [("0.0.0.0", "AF_INET"), ("::", "AF_INET6")])
def test_ip_socket_becomes_the_passed_unix_socket_that_the_rule_names(runner, tmp_path, address, family):
    passed = unix_socket(tmp_path / "web.sock")
    process = runner.force_bind(["-m", "tcp:8000=sd=web"], python(f"""
        import socket
        s = socket.socket(socket.{family}); s.bind(("{address}", 8000)); s.listen()
        c, _ = s.accept(); c.sendall(b"served"); c.close()
    """), [passed], names=["web"])
    assert harness.exchange(str(tmp_path / "web.sock")) == b"served"
    assert process.wait() == 0


def test_auto_gives_no_unix_socket_to_an_ip_bind(runner, tmp_path):
    passed = unix_socket(tmp_path / "web.sock")
    process = runner.force_bind(["--auto"], python("""
        import socket
        s = socket.socket(); s.bind(("127.0.0.1", 8000))
        print(s.getsockname())
    """), [passed], names=["web"])
    assert process.wait() == 0
    assert process.stdout == "('127.0.0.1', 8000)\n"


RENAMED = """
import os, select, socket
path = {path!r}; temporary = path + ".tmp"; directory = os.open(os.path.dirname(path), os.O_RDONLY)
s = socket.socket(socket.AF_UNIX); s.bind(temporary); os.chmod(temporary, 0o660)
{before}
{rename}
{after}
assert not os.path.exists(temporary)
s.accept()[0].sendall(b"served")
"""


@pytest.mark.parametrize("before,after", [("s.listen(1)", ""), ("", "s.listen(1)"),
                                          ("s.listen(1); d = s.dup(); e = select.epoll(); e.register(d)", "e.poll()")],
                         ids=["listens before", "listens after", "has registered"])
@pytest.mark.parametrize("rename", [
    "os.rename(temporary, path)",
    "os.rename(os.path.basename(temporary), os.path.basename(path), src_dir_fd=directory, dst_dir_fd=directory)",
    "os.chdir(directory); os.rename('./' + os.path.basename(temporary), os.path.basename(path))",
], ids=["rename", "renameat", "relative"])
def test_socket_that_is_renamed_over_the_path_is_the_passed_one(runner, tmp_path, rename, before, after):
    path = tmp_path / "s"
    passed = unix_socket(path)
    inode = os.stat(path).st_ino
    notify = harness.Notify(tmp_path)
    process = runner.force_bind(["--auto", "--ready=listen"], python(
        RENAMED.format(path=str(path), rename=rename, before=before, after=after)), [passed], env={"NOTIFY_SOCKET": notify.path})
    notify.wait_for("READY=1")
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0, process.stderr
    assert os.stat(path).st_ino == inode


@pytest.mark.parametrize("rename", [
    "os.rename(temporary, path)",
    "os.chdir(directory); os.rename('./' + os.path.basename(temporary), os.path.basename(path))",
    "os.rename(os.path.basename(temporary), path, src_dir_fd=directory)",
], ids=["absolute", "relative", "at a directory"])
def test_socket_that_was_adopted_at_a_temporary_path_can_be_renamed(runner, tmp_path, rename):
    path = tmp_path / "s"
    passed = unix_socket(path)
    process = runner.force_bind(["-m", "unix:*=sd=0"], python(
        RENAMED.format(path=str(path), rename=rename, before="", after="s.listen(1)")
        .replace("os.chmod", "(lambda *_: None)")), [passed])
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0, process.stderr


def test_passed_path_is_not_moved_away(runner, tmp_path):
    path = tmp_path / "s"
    passed = unix_socket(path)
    process = serve(runner, path, passed, before="os.rename(path, path + '.old'); assert not os.path.exists(path + '.old')")
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0, process.stderr


@pytest.mark.parametrize("old,new,flag,said", [
    ("s", "t", "NOREPLACE", "done"), ("t", "s", "NOREPLACE", "EEXIST"), ("s", "t", "EXCHANGE", "EINVAL"),
    ("t", "s", "EXCHANGE", "EINVAL"), ("t", "u", "EXCHANGE", "done"), ("t", "v", "NOREPLACE", "done")])
def test_passed_path_stays_whatever_the_flags_of_the_rename(runner, tmp_path, old, new, flag, said):
    path = tmp_path / "s"
    passed = unix_socket(path)
    inode = path.stat().st_ino
    for name in "tu" if new != "t" or flag == "EXCHANGE" else "u":
        (tmp_path / name).touch()
    process = runner.force_bind(["--auto"], python(f"""
        import ctypes, errno, os
        os.chdir({str(tmp_path)!r})
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.renameat2(-100, b"{old}", -100, b"{new}", {dict(NOREPLACE=1, EXCHANGE=2)[flag]})
        print(errno.errorcode[ctypes.get_errno()] if failed else "done")
    """), [passed])
    assert process.wait() == 0 and process.stdout.strip() == said, process.stderr
    assert path.stat().st_ino == inode


def test_other_files_are_renamed_as_ever(runner, tmp_path):
    passed = unix_socket(tmp_path / "s")
    process = runner.force_bind(["--auto"], python(f"""
        import os, socket
        os.chdir({str(tmp_path)!r})
        s = socket.socket(socket.AF_UNIX); s.bind("t"); os.rename("t", "u")
        open("a", "w").write("a"); os.rename("a", "b"); os.mkdir("d"); os.rename("b", "d/s"); print(open("d/s").read())
        try: os.rename("nothing", "s")
        except FileNotFoundError: print("ENOENT")
        open("c", "w"); os.rename("c", "s"); print(os.path.isfile("s"))
    """), [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout.split() == ["a", "ENOENT", "True"]
    assert (tmp_path / "u").is_socket()


PROBE = """
probe = socket.socket(socket.AF_UNIX)
try:
    probe.connect({address}); print("another instance runs", flush=True); sys.exit(1)
except ConnectionRefusedError:
    pass
"""


@pytest.mark.parametrize("address", ["path", "os.path.join(os.path.dirname(path), 'link', 's')"], ids=["path", "link"])
def test_daemon_that_connects_to_its_path_meets_no_other_instance(runner, tmp_path, address):
    path = tmp_path / "s"
    passed = unix_socket(path)
    (tmp_path / "link").symlink_to(".")
    process = serve(runner, path, passed, before=PROBE.format(address=address) + "os.unlink(path)", options=["--auto"])
    assert exchange(str(path)) == b"served"
    assert process.wait() == 0, process.stdout


def test_daemon_that_connects_to_its_abstract_name_meets_no_other_instance(runner):
    passed = unix_socket("@force-bind-test")
    process = runner.force_bind(["--auto"], python("import socket, sys" + PROBE.format(address="'\\0force-bind-test'")),
                                [passed])
    assert process.wait() == 0, process.stdout


def test_daemon_connects_to_its_own_socket_once_it_has_bound_it(runner, tmp_path):
    passed = unix_socket(tmp_path / "s")
    process = serve(runner, tmp_path / "s", passed,
                    after="own = socket.socket(socket.AF_UNIX); own.connect(path)", end="print(own.recv(10))")
    assert process.wait() == 0, process.stderr
    assert process.stdout == "b'served'\n"


def test_daemon_connects_to_other_sockets_before_it_has_bound_its_own(runner, tmp_path):
    passed, other = unix_socket(tmp_path / "s"), unix_socket(tmp_path / "other")
    process = serve(runner, tmp_path / "s", passed, before=f"""
for kind, name in (socket.SOCK_STREAM, {str(tmp_path / "other")!r}), (socket.SOCK_DGRAM, path), (socket.SOCK_STREAM, "/nowhere"):
    try: socket.socket(socket.AF_UNIX, kind).connect(name); print("connected", flush=True)
    except OSError as error: print(error.strerror, flush=True)
""")
    assert exchange(str(tmp_path / "s")) == b"served"
    assert process.wait() == 0
    assert process.stdout.splitlines() == ["connected", "Protocol wrong type for socket", "No such file or directory"]


def test_connect_to_the_passed_socket_is_left_alone_where_the_program_keeps_it(runner, tmp_path):
    passed = unix_socket(tmp_path / "s")
    process = runner.force_bind(["--auto", "--keep-fds"], python(f"""
        import socket
        s = socket.socket(socket.AF_UNIX); s.connect({str(tmp_path / "s")!r}); socket.socket(fileno=3).accept(); print("met")
    """), [passed])
    assert process.wait() == 0, process.stderr
    assert process.stdout == "met\n"


def test_groups_that_the_program_gave_up_open_no_directory(runner, tmp_path):
    """Nor do they for a root that has no capabilities; force-bind itself has the group."""
    directory = tmp_path / "d"
    directory.mkdir()
    os.chown(directory, 1000, 4)
    directory.chmod(0o770)
    code = python(f"""
        import errno, socket
        try: socket.socket(socket.AF_UNIX).bind({str(directory / "s")!r}); print("bound")
        except OSError as e: print(errno.errorcode[e.errno])
    """)
    group, lowered = ["setpriv", "--groups=4", "--"], ["setpriv", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--"]
    for words in ([], [harness.FORCE_BIND, "--strict", "--"], [harness.FORCE_BIND, "-m", "unix:*=allow", "--"]):
        process = runner.run([*group, *words, *lowered, *code])
        assert process.wait() == 0 and process.stdout.strip() == "EACCES", (words, process.stdout, process.stderr)
