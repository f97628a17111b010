# SPDX-License-Identifier: LGPL-2.1-or-later
"""The supervisor's memory."""
import os
import subprocess
from pathlib import Path

from measure import group

PORT = 8090


def memory(pid):
    """PSS and private memory of a process, in kB (proc(5), smaps_rollup)"""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name.rstrip(":")] = int(size)
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def supervisors(program):
    """The processes that run this program."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.path.samefile(entry / "exe", program):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


@group("memory of the supervisor", "kB", rounds=1)
def of_one(bench):
    n = 20000 if bench.quick else 1000000
    code = (f"import socket\nprint(flush=True); input()\nfor i in range({n}):\n s = socket.socket(); s.bind(('127.0.0.1', {PORT})); s.close()\n"
            "print(flush=True); input()\n")
    target = subprocess.Popen(bench.passing([bench.force_bind, "-q", "-m", f":{PORT}=sd=0", "--", "/usr/bin/python3", "-c", code]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    # A supervisor that does nothing else
    least = subprocess.Popen([bench.program("traffic"), "wait"])
    target.stdout.readline()
    (pid,) = supervisors(bench.force_bind)
    start = memory(pid)
    nothing = memory(least.pid)
    target.stdin.write(b"\n")
    target.stdin.flush()
    target.stdout.readline()
    after = memory(pid)
    values = {
        "PSS of a program that waits": nothing[0], "PSS at start": start[0], f"PSS after {n:,} adopted binds": after[0],
        "private of a program that waits": nothing[1], "private at start": start[1], f"private after {n:,} adopted binds": after[1],
    }
    try:
        yield ({name: lambda value=value: value for name, value in values.items()},
               {f"PSS after {n:,} adopted binds": ["PSS at start"]})
    finally:
        least.kill()
        least.wait()
        target.communicate(b"\n")
