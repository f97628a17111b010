# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the integration tests; see harness.py."""
import os
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
    assert not stuck, f"did not end with the target: {stuck}"


@pytest.fixture
def notify(tmp_path):
    n = harness.Notify(tmp_path)
    yield n
    n.socket.close()
