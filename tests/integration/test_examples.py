# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example drop-ins in units/: the generator takes each of them as it is."""
import subprocess

import harness
import pytest

UNITS = harness.REPOSITORY / "units"
EXAMPLES = sorted(path.name.removesuffix(".service.d") for path in UNITS.glob("*.service.d"))


@pytest.fixture
def generate(tmp_path):
    """Runs the generator over an example beside a service of its name; returns its messages, and what it wrote."""
    def run(name):
        units, written = tmp_path / "units", tmp_path / "written"
        drop_ins = units / f"{name}.service.d"
        drop_ins.mkdir(parents=True)
        written.mkdir()
        (drop_ins / "socket.conf").write_text((UNITS / f"{name}.service.d" / "socket.conf").read_text())
        prefix, at, _ = name.partition("@")
        (units / f"{prefix}{at}.service").write_text("[Service]\nExecStart=/usr/sbin/daemon\n")
        done = subprocess.run([harness.GENERATOR, written], env={"SYSTEMD_UNIT_PATH": str(units)}, check=True,
                              capture_output=True, text=True)
        return done.stderr, written

    return run


def listen_lines(name):
    text = (UNITS / f"{name}.service.d" / "socket.conf").read_text()
    return [line.removeprefix("Listen=") for line in text.splitlines() if line.startswith("Listen=")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_makes_a_socket_unit_and_a_drop_in(generate, name):
    messages, written = generate(name)
    assert messages == ""
    sockets = (written / f"{name}.socket").read_text()
    for line in listen_lines(name):
        protocol, address = line.split(":", 1)
        assert {"udp": "ListenDatagram="}.get(protocol, "ListenStream=") + address in sockets.splitlines()
    drop_in = (written / f"{name}.service.d" / "zzz-force-bind.conf").read_text()
    assert f"\nSockets={name}.socket\n" in drop_in
    assert "/force-bind --auto --ready=listen -- /usr/sbin/daemon\n" in drop_in


def test_there_are_examples_and_all_are_installed():
    assert len(EXAMPLES) >= 12
    installed = (UNITS / "meson.build").read_text()
    assert [name for name in EXAMPLES if f"'{name}'" not in installed] == []
