# SPDX-License-Identifier: LGPL-2.1-or-later
"""That tests/bench/run measures, and that tests/bench/plot draws it: no figure is judged here."""
import json
import subprocess

import harness

BENCH = harness.REPOSITORY / "tests" / "bench"


def bench(*arguments):
    return subprocess.run([BENCH / "run", *arguments], capture_output=True, text=True)


def test_measures_and_draws(tmp_path):
    figures, drawing = tmp_path / "figures.json", tmp_path / "figures.svg"
    result = bench("--quick", "--only", "getpid", "--only", "/bin/true", "--json", figures, "--force-bind", harness.FORCE_BIND)
    assert result.returncode == 0, result.stdout + result.stderr
    groups = json.loads(figures.read_text())["groups"]
    calls = groups["getpid, under an adopting force-bind"]
    assert calls["unit"] == "ns"
    assert set(calls["figures"]) == {"native", "floor: none", "force-bind"}
    ratio = calls["figures"]["force-bind"]["ratios"]["native"]
    assert 0 < ratio["least"] <= ratio["median"] <= ratio["most"]
    assert "of native" in result.stdout

    drawn = subprocess.run([BENCH / "plot", figures, drawing], capture_output=True, text=True)
    assert drawn.returncode == 0, drawn.stderr
    assert "| getpid | a filter that allows everything |" in drawn.stdout
    assert "| start of /bin/true | native |" in drawn.stdout
    assert "<svg" in drawing.read_text()


def test_says_which_groups_there_are():
    titles = bench("--list").stdout.splitlines()
    assert {"bind", "UDP datagrams answered", "memory of the supervisor", "all generators of a boot"} <= set(titles)
    result = bench("--only", "no such figure")
    assert result.returncode == 1
    assert "no group's title has no such figure; --list prints them" in result.stderr


def test_names_a_program_that_is_missing():
    result = bench("--only", "getpid", "--force-bind", "/nonexistent/force-bind")
    assert result.returncode == 1
    assert "/nonexistent/force-bind is not there: meson setup build && meson compile -C build" in result.stderr
