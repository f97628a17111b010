# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups of figures: what is measured in rounds, one after the other in each round, and compared within the round.

A group is a function that takes a Bench and yields once, like a context manager: a dict of measures (a name, and what
returns one value) and a dict that says with which of the others each is compared. What follows the yield cleans up.
"""
import contextlib
import os
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
GROUPS = []


@dataclass
class Group:
    title: str
    unit: str
    make: Callable
    rounds: int  # 0: as many as the bench makes


def group(title, unit="ns", rounds=0):
    """Registers a function as a group (see above)."""
    def register(make):
        GROUPS.append(Group(title, unit, make, rounds))
        return make
    return register


class Bench:
    """What every group needs: options, programs, and a folder that is gone in the end."""

    def __init__(self, options):
        self.quick = options.quick
        self.rounds = 3 if self.quick else 9
        self._folder = tempfile.TemporaryDirectory(prefix="force-bind-bench-")
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)
        for name in ("calls", "floor", "pass", "read-files", "traffic"):
            subprocess.run(["gcc", "-O2", "-pthread", "-D_GNU_SOURCE", "-o", self.folder / name, HERE / f"{name}.c"], check=True)
        # Where every user can execute them
        self.force_bind = self._copy(options.force_bind)
        self.generator = self._copy(options.generator)

    def _copy(self, program):
        copy = self.folder / Path(program).name
        copy.write_bytes(Path(program).read_bytes())
        copy.chmod(0o755)
        return str(copy)

    def program(self, name):
        return str(self.folder / name)

    def passing(self, command, n=1, port=7999, kind="tcp"):
        """The command, with n sockets passed to it; with 0, started in the same way with none."""
        return [self.program("pass"), kind, str(port), str(n), *command]

    def rival(self, variable):
        """The path of a program to compare with; None, after saying so, where it is not given."""
        path = os.environ.get(variable)
        if not path:
            print(f"  {variable} is not set: not compared")
        return path

    def close(self):
        self._folder.cleanup()


def summary(values):
    """Median and spread"""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def run_group(bench, wanted):
    """Measures a group, printing as it goes; returns its figures for the JSON."""
    print(f"\n{wanted.title}, in {wanted.unit}", flush=True)
    figures = {}
    with contextlib.contextmanager(wanted.make)(bench) as (measures, against):
        rounds = {name: [] for name in measures}
        for _ in range(min(wanted.rounds, bench.rounds) or bench.rounds):
            for name, measure in measures.items():
                rounds[name].append(measure())
    for name, values in rounds.items():
        figures[name] = {**summary(values), "ratios": {}}
        text = f"  {name:34} {figures[name]['median']:11,.0f}"
        for base in against.get(name, []):
            ratio = summary([value / other for value, other in zip(values, rounds[base])])
            figures[name]["ratios"][base] = ratio
            text += f"   {ratio['median']:6.2f} of {base} ({ratio['least']:.2f} to {ratio['most']:.2f})"
        print(text, flush=True)
    return {"unit": wanted.unit, "figures": figures}
