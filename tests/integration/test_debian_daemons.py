# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's daemons with their stock unit files and one drop-in each, under real systemd; see daemons.py. The run ends
with a table; FORCE_BIND_WRITE_TABLE=1 writes it to daemons/README.md. FORCE_BIND_DAEMONS_RELEASE names another release
of Debian than bookworm, and FORCE_BIND_DAEMONS=all tries those as well that are much like others."""
import daemons
import harness
import pytest
import roots
from machine import Machine

pytestmark = [pytest.mark.systemd, pytest.mark.slow]


@pytest.fixture(scope="module")
def machine():
    with Machine(harness.FORCE_BIND, roots.root_with(daemons.RELEASE, daemons.packages())) as booted:
        yield booted


@pytest.mark.parametrize("name", daemons.NAMES)
def test_stock_unit_and_one_drop_in(machine, name, table):
    if not table:
        table.append(f"{daemons.RELEASE}, systemd {machine.systemctl('--version').split()[1]}")
    trial = daemons.Trial(machine, name)
    trial.run()
    # What a daemon logs depends on when its clients come, too: so it is asked twice. A lost client is one too many.
    if trial.wrong and not trial.lost_somebody():
        trial = daemons.Trial(machine, name)
        trial.run(set_up=False)
    table.append(trial.row())
    if trial.wrong:
        pytest.fail("\n".join([name, *(f"  - {what}" for what in trial.wrong)]), pytrace=False)
