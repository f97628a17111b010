# SPDX-License-Identifier: LGPL-2.1-or-later
"""Under a real systemd as PID 1: the first client, a hundred services, the generator's part of a boot."""
import contextlib
import os
import shutil
import statistics
import sys
from pathlib import Path

from measure import group
from memory import memory, supervisors

sys.path.append(str(Path(__file__).resolve().parents[1] / "integration"))

N_SERVICES = 100
SOCKET = "[Socket]\nTriggerLimitIntervalSec=0\nListenStream=127.0.0.1:{port}\n"
SERVICE = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/run/traffic serve-tcp {port}\n"


@contextlib.contextmanager
def machine(bench, generator=None):
    os.environ.update(FORCE_BIND=bench.force_bind, FORCE_BIND_GENERATOR=bench.generator)  # where it looks for them
    from machine import Machine

    with Machine(bench.force_bind, generator=generator or bench.generator) as booted:
        shutil.copy(bench.program("traffic"), f"/proc/{booted.pid}/root/run/traffic")
        yield booted


@group("first connection to first byte through a .socket unit", rounds=5)
def first_byte(bench):
    ports = {"native": 8300, "force-bind": 8301}
    n = 3 if bench.quick else 20
    with machine(bench) as booted:
        for name, port in ports.items():
            settings = "\n[X-ForceBind]\nAuto=yes\n" if name == "force-bind" else ""
            booted.write(f"/etc/systemd/system/{name}.socket", SOCKET.format(port=port))
            booted.write(f"/etc/systemd/system/{name}.service", SERVICE.format(port=port) + settings)
        booted.systemctl("daemon-reload")
        booted.systemctl("start", *(f"{name}.socket" for name in ports))

        def once(name):
            booted.systemctl("stop", f"{name}.service")
            return float(booted.run("/run/traffic", "first", str(ports[name])).stdout)
        yield ({name: lambda name=name: statistics.median(once(name) for _ in range(n)) for name in ports},
               {"force-bind": ["native"]})


@group("memory of the supervisors of 100 services, each", "kB", rounds=1)
def of_many(bench):
    with machine(bench) as booted:
        booted.write("/etc/systemd/system/many@.socket", SOCKET.format(port="2%i"))
        booted.write("/etc/systemd/system/many@.service", SERVICE.format(port="2%i") + "\n[X-ForceBind]\nAuto=yes\n")
        names = [f"many@{i:03}" for i in range(N_SERVICES)]
        booted.systemctl("daemon-reload")
        booted.systemctl("start", *(f"{name}.socket" for name in names))
        booted.systemctl("start", *(f"{name}.service" for name in names))
        found = supervisors(f"/proc/{booted.pid}/root/usr/bin/force-bind")
        assert len(found) == N_SERVICES, f"{len(found)} supervisors of {N_SERVICES} services"
        sizes = [memory(pid) for pid in found]
        yield {"PSS": lambda: sum(pss for pss, _ in sizes) / len(sizes), "private": lambda: sum(own for _, own in sizes) / len(sizes)}, {}


def generators_of_a_boot(bench, generator, n):
    """A measure: how long the manager waited for all generators together, in µs; the least of some reloads."""
    def measure():
        with machine(bench, generator) as booted:
            times = []
            for _ in range(n):
                booted.systemctl("daemon-reload")
                begin, end = (int(booted.systemctl("show", "-P", f"Generators{which}TimestampMonotonic")) for which in ("Start", "Finish"))
                times.append(end - begin)
            return float(statistics.median(times))
    return measure


@group("all generators of a boot", "µs", rounds=3)
def boot(bench):
    n = 3 if bench.quick else 10
    yield ({"without force-bind's": generators_of_a_boot(bench, "/bin/true", n),
            "with force-bind's": generators_of_a_boot(bench, bench.generator, n)}, {"with force-bind's": ["without force-bind's"]})
