# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator, without a manager: each folder of tests/generator is a case. It holds a tree as the generator would
meet it (etc/, run/ and usr/ stand for /etc/systemd/system, /run/systemd/system and /usr/lib/systemd/system, init.d/ for
/etc/init.d), in expected/ what it must write, and in expected.log what it must say. make.sh, if there is one, makes what git does not
keep well: it is run in a copy of the case.

FORCE_BIND_WRITE_EXPECTED=1 writes what the generator does now, to be read before it is committed.
"""
import os
import shutil
import subprocess
from pathlib import Path

import harness
import pytest

CASES = sorted(p for p in (harness.REPOSITORY / "tests" / "generator").iterdir() if p.is_dir())


def generate(tree, output, **environment):
    """Runs the generator; returns its messages, with the tree's own path taken off."""
    path = ":".join(str(tree / name) for name in ("etc", "run", "usr"))
    output.mkdir()
    result = subprocess.run([harness.GENERATOR, str(output)], capture_output=True, text=True, errors="replace", timeout=60,
                            env={"SYSTEMD_UNIT_PATH": path, "SYSTEMD_SYSVINIT_PATH": str(tree / "init.d"), "SYSTEMD_SCOPE": "system", "PATH": os.environ["PATH"], **environment})
    assert result.returncode == 0
    return result.stderr.replace(str(tree) + "/", "").replace("force-bind-generator: ", "")


def contents(directory, tree=None):
    """{path: text, or what a link leads to}"""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file():
            text = path.read_text()
            found[name] = text.replace(str(tree) + "/", "") if tree else text
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(tmp_path, case):
    tree, output = tmp_path / "tree", tmp_path / "output"
    shutil.copytree(case, tree, symlinks=True)
    if (tree / "make.sh").exists():
        subprocess.run(["bash", "-eu", "make.sh"], cwd=tree, check=True)
    log = generate(tree, output)
    written = contents(output, tree)

    if os.environ.get("FORCE_BIND_WRITE_EXPECTED"):
        shutil.rmtree(case / "expected", ignore_errors=True)
        (case / "expected").mkdir()
        for name, text in written.items():
            path = case / "expected" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text[3:])
            else:
                path.write_text(text)
        (case / "expected.log").write_text(log)
    expected = contents(case / "expected") if (case / "expected").exists() else {}
    assert written == expected
    assert log == (case / "expected.log").read_text()


# --- at boot: whatever it meets ---------------------------------------------------------------------------------


def wrapped(output, name="good"):
    return "force-bind" in "".join(text for path, text in contents(output).items() if path.startswith(f"{name}.service.d/"))


@pytest.fixture
def tree(tmp_path):
    for name in ("etc", "run", "usr"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc" / "good.service").write_text("[Service]\nExecStart=/bin/good\nX-ForceBind=yes\n")
    return tmp_path


def test_10000_drop_ins_of_one_service(tree):
    directory = tree / "etc" / "good.service.d"
    directory.mkdir()
    for i in range(10000):
        (directory / f"{i:05}.conf").write_text("[Service]\nEnvironment=X=1\n")
    assert generate(tree, tree / "output") == ""
    assert wrapped(tree / "output")


def test_file_of_20_mb_is_left_alone_and_others_are_not(tree):
    (tree / "etc" / "large.service").write_text("[Service]\nExecStart=/bin/x\nX-ForceBind=yes\n" + "# filler\n" * 2500000)
    log = generate(tree, tree / "output")
    assert "large.service" in log and wrapped(tree / "output") and not wrapped(tree / "output", "large")


def test_line_of_a_mib_is_refused_as_by_systemd(tree):
    (tree / "etc" / "long.service").write_text("[Service]\nExecStart=/bin/x " + "x" * 1024 * 1024 + "\nX-ForceBind=yes\n")
    (tree / "etc" / "long.service.d").mkdir()
    (tree / "etc" / "long.service.d" / "a.conf").write_text("[Service]\nX-ForceBind=yes\n")
    log = generate(tree, tree / "output")
    assert "long.service" in log and wrapped(tree / "output") and not wrapped(tree / "output", "long")


def test_line_that_the_helper_would_make_too_long_is_left_alone(tree):
    (tree / "etc" / "long.service").write_text("[Service]\nX-ForceBind=yes\nExecStart=/bin/x " + "x" * (1024 * 1024 - 40) + "\n")
    assert "longer than systemd reads" in generate(tree, tree / "output")
    assert wrapped(tree / "output") and not wrapped(tree / "output", "long")


def test_fifos_directories_loops_and_garbage_do_not_matter(tree):
    etc = tree / "etc"
    os.mkfifo(etc / "fifo.service")
    (etc / "directory.service").mkdir()
    (etc / "loop.service").symlink_to("loop2.service")
    (etc / "loop2.service").symlink_to("loop.service")
    (etc / "self.service").symlink_to("self.service")
    (etc / "dangling.service").symlink_to("/nonexistent/dangling.service")
    (etc / "binary.service").write_bytes(bytes(range(256)) * 100 + b"X-ForceBind=yes\n")
    (etc / "zeros.service").write_bytes(b"[Service]\0ExecStart=/bin/zeros\0X-ForceBind=yes\0")
    directory = etc / "good.service.d"
    directory.mkdir()
    os.mkfifo(directory / "fifo.conf")
    (directory / "directory.conf").mkdir()
    (directory / "loop.conf").symlink_to("loop.conf")
    (directory / "garbage.conf").write_bytes(b"\xff\xfe[X-ForceBind]\nRule=\xff\n")
    (etc / ("x" * 240 + ".service")).write_text("[Service]\nExecStart=/bin/x\n[X-ForceBind]\nListen=tcp:80\nListen=[::]:81\n")
    generate(tree, tree / "output")
    assert wrapped(tree / "output") and wrapped(tree / "output", "zeros")


@pytest.mark.parametrize("name", [b"not-utf8\xff.conf", b"new\nline.conf", b"back\\slash.conf"])
def test_socket_unit_does_not_name_a_file_that_systemd_would_refuse(tree, name):
    directory = tree / "etc" / "good.service.d"
    directory.mkdir()
    (tree / "etc" / "good.service").write_text("[Service]\nExecStart=/bin/good\n")
    Path(os.fsdecode(os.fsencode(directory) + b"/" + name)).write_text("[X-ForceBind]\nListen=tcp:80\n")
    generate(tree, tree / "output")
    text = (tree / "output" / "good.socket").read_bytes()
    assert b"\nSourcePath=" not in text and b"\nListenStream=80\n" in text


def test_little_memory_is_survived(tree):
    for i in range(200):
        (tree / "etc" / f"s{i}.service").write_text("[Service]\nX-ForceBind=yes\nExecStart=/bin/x " + "x" * 10000 + "\n")
    for kib in (2000, 4000, 6000, 8000):
        output = tree / f"output{kib}"
        output.mkdir()
        result = subprocess.run(["bash", "-c", 'ulimit -v "$1"; exec "$2" "$3"', "limit", str(kib), harness.GENERATOR, str(output)],
                                env={"SYSTEMD_UNIT_PATH": str(tree / "etc")}, capture_output=True, timeout=60)
        assert result.returncode in (0, 127), result  # 127: not even its libraries found room


def test_output_that_cannot_be_written_is_told(tree):
    result = subprocess.run([harness.GENERATOR, "/nonexistent"], env={"SYSTEMD_UNIT_PATH": str(tree / "etc")}, capture_output=True, text=True)
    assert result.returncode == 0 and "/nonexistent" in result.stderr


def test_what_generators_wrote_is_not_read(tree):
    outputs = [tree / "generator", tree / "generator.early", tree / "generator.late"]
    for output in outputs:
        (output / "other.service.d").mkdir(parents=True)
        (output / "other.service.d" / "x.conf").write_text("[Service]\nX-ForceBind=yes\n")
    (tree / "usr" / "other.service").write_text("[Service]\nExecStart=/bin/other\n")
    path = ":".join(str(tree / name) for name in ("etc", "generator.early", "generator", "usr", "generator.late"))
    subprocess.run([harness.GENERATOR, *map(str, outputs)], env={"SYSTEMD_UNIT_PATH": path}, check=True)
    assert wrapped(outputs[0]) and not wrapped(outputs[0], "other/zzz") and not (outputs[0] / "other.service.d" / "zzz-force-bind.conf").exists()


@pytest.mark.parametrize("arguments,status,words", [(["--help"], 0, "X-ForceBind"), (["--version"], 0, "force-bind-generator "),
                                                    ([], 1, "one or three folders"), (["a", "b"], 1, "one or three folders"),
                                                    (["--nonsense"], 1, "one or three folders")])
def test_command_line(arguments, status, words):
    result = subprocess.run([harness.GENERATOR, *arguments], capture_output=True, text=True)
    assert result.returncode == status and words in result.stdout + result.stderr


def test_user_manager_searches_the_users_folders(tmp_path):
    (tmp_path / "config" / "systemd" / "user").mkdir(parents=True)
    (tmp_path / "data" / "systemd" / "user" / "u.service.d").mkdir(parents=True)
    (tmp_path / "config" / "systemd" / "user" / "u.service").write_text("[Service]\nExecStart=/bin/u\n")
    (tmp_path / "data" / "systemd" / "user" / "u.service.d" / "a.conf").write_text("[Service]\nX-ForceBind=yes\n")
    (tmp_path / "output").mkdir()
    subprocess.run([harness.GENERATOR, str(tmp_path / "output")], check=True,
                   env={"SYSTEMD_SCOPE": "user", "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")})
    assert wrapped(tmp_path / "output", "u")
