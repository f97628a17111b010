# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the integration tests; see harness.py."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import harness  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds; left out by tests/run --quick")
    config.addinivalue_line("markers", "systemd: needs a real systemd, which is booted in a namespace")


@pytest.fixture(scope="session", autouse=True)
def own_network():
    harness.become_subreaper()
    harness.enter_own_network()


@pytest.fixture
def runner(tmp_path):
    """Starts programs (see harness.Runner); none is left afterwards, and no supervisor outlives its target."""
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents[:2]:
        os.chmod(parent, 0o755)
    r = harness.Runner(tmp_path)
    yield r
    stuck = r.finish()
    harness.close_sockets()
    assert not stuck, f"did not end with the target: {stuck}"


@pytest.fixture
def notify(tmp_path):
    n = harness.Notify(tmp_path)
    yield n
    n.socket.close()


def build(tmp_path_factory, name, *options):
    """Builds probes/NAME.c; the path of the program."""
    directory = tmp_path_factory.mktemp(name)
    for parent in (directory, *directory.parents[:2]):
        os.chmod(parent, 0o755)
    source = Path(__file__).parent / "probes" / f"{name}.c"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-pthread", "-o", directory / name, source, *options], check=True)
    return str(directory / name)


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """See probes/probe.c."""
    return build(tmp_path_factory, "probe")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """See probes/sandbox.c."""
    return build(tmp_path_factory, "sandbox", "-lseccomp")


TABLE = []
COLUMNS = ["| daemon | version | Type= | sandbox settings met | result | to know |", "| --- | --- | --- | --- | --- | --- |"]
HEAD = """# Debian's daemons under force-bind

Each with the unit file of its package and one drop-in (see [units](../../../units)), under a real systemd: started by
its first client, restarted under load, killed with clients in its queue, stopped, started by its socket again, and
without it. Made by `FORCE_BIND_DAEMONS=all FORCE_BIND_WRITE_TABLE=1 tests/run -k stock_unit`, for another release of
Debian with its name in FORCE_BIND_DAEMONS_RELEASE; what is tried, and how to add a daemon, is said in
[daemons.py](../daemons.py).
"""


@pytest.fixture(scope="session")
def table():
    """For the table of daemons: its title, and its rows."""
    return TABLE


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    title, *rows = TABLE
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    terminalreporter.write_line("\n".join(["", *COLUMNS, *lines]))
    if os.environ.get("FORCE_BIND_WRITE_TABLE"):
        write_table(Path(__file__).parent / "daemons" / "README.md", title, lines)


def write_table(path, title, lines):
    """Writes the lines to the table with the title; what else is in the file stays."""
    _, *sections = path.read_text().split("\n## ") if path.exists() else [HEAD]
    tables = {section.partition("\n")[0]: [line for line in section.splitlines() if line.startswith("| ")][2:] for section in sections}
    rows = {line.split(" | ")[0]: line for line in tables.get(title, []) + lines}
    tables[title] = [rows[daemon] for daemon in sorted(rows)]
    path.write_text(HEAD + "".join("\n".join(["", f"## {title}", "", *COLUMNS, *tables[title], ""]) for title in sorted(tables)))
