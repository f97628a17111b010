# SPDX-License-Identifier: LGPL-2.1-or-later
"""What single system calls cost."""
import subprocess

from measure import group

# Asked for by the target, named by rules
PORT, OTHER_PORT = 8090, 8091
# Of the passed socket
PASSED_PORT = 7999
ADOPTS = ["-q", "-m", f":{PORT}=sd=0", "--"]


def timed(bench, prefix, what, *numbers, n_passed=0, port=PASSED_PORT):
    """A measure: the median of so many calls below a prefix, in ns."""
    command = bench.passing([*prefix, bench.program("calls"), what, *map(str, numbers)], n_passed, port)

    def measure():
        run = subprocess.run(command, stdout=subprocess.PIPE)
        # Rivals have something to say, too, and may fail once the program has ended (port-restricter).
        said = run.stdout.split()
        if not said:
            run.check_returncode()
        return float(said[-1])
    return measure


class Calls:
    """Makes measures of bind(), all with the same number of calls, descriptors and threads, and as the same user."""

    def __init__(self, bench, descriptors=0, threads=1, prefix=()):
        self.bench = bench
        self.numbers = (400 if bench.quick else 4000, descriptors, threads)
        self.prefix = prefix

    def native(self, port=PORT):
        return timed(self.bench, self.prefix, "bind", port, *self.numbers)

    def floor(self, mode, n_passed=0):
        return timed(self.bench, [*self.prefix, self.bench.program("floor"), mode], "bind", PORT, *self.numbers, n_passed=n_passed)

    def ours(self, *options, n_passed=0, port=PORT, passed_port=PASSED_PORT):
        return timed(self.bench, [*self.prefix, self.bench.force_bind, "-q", *options, "--"], "bind", port, *self.numbers,
                     n_passed=n_passed, port=passed_port)


def kinds_of_bind(calls):
    """Every kind of answer, and with what each is to be compared."""
    measures = {
        "native": calls.native(),
        "floor: continue": calls.floor("continue"),
        "floor: read": calls.floor("read"),
        "floor: deny": calls.floor("deny"),
        "floor: bind": calls.floor("bind"),
        "floor: adopt": calls.floor("adopt", n_passed=1),
        "floor: replay": calls.floor("replay", n_passed=1),
        "unmatched": calls.ours("-m", ":9999=deny"),
        "allowed": calls.ours("-m", f":{PORT}=allow"),
        "redirected": calls.ours("-m", f":{PORT}=127.0.0.1:{OTHER_PORT}"),
        "denied": calls.ours("-m", f":{PORT}=deny"),
        "adopted": calls.ours("-m", f":{PORT}=sd=0", n_passed=1),
    }
    against = {name: ["native"] for name in measures if name.startswith("floor")}
    against |= {
        "unmatched": ["native", "floor: continue", "floor: read"],
        "allowed": ["native", "floor: bind"],
        "redirected": ["native", "floor: bind"],
        "denied": ["native", "floor: deny"],
        "adopted": ["native", "floor: adopt", "floor: replay"],
    }
    return measures, against


@group("bind")
def bind(bench):
    measures, against = kinds_of_bind(Calls(bench))
    for variable, options in (("FORCE_BIND_SECCOMP", ["-m", f"0.0.0.0:{PORT}/0=127.0.0.1:{OTHER_PORT}"]),
                              ("PORT_RESTRICTER", ["-p", str(PORT)]),
                              ("IP2UNIX", ["-r", f"in,port={PORT},path={bench.folder}/%p.sock"])):
        path = bench.rival(variable)
        if path:
            measures[variable] = timed(bench, [path, *options], "bind", PORT, *Calls(bench).numbers)
            against[variable] = ["native", "floor: bind"]
    yield measures, against


@group("bind, by an unprivileged user")
def bind_unprivileged(bench):
    yield kinds_of_bind(Calls(bench, prefix=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]))


@group("bind, with 100 descriptors open")
def bind_descriptors(bench):
    yield kinds_of_bind(Calls(bench, descriptors=100))


@group("bind, by the number of rules")
def bind_rules(bench):
    calls = Calls(bench)

    def rules(n, last):
        """n rules in all; those before the last are for other ports"""
        return [word for i in range(n - 1) for word in ("-m", f"127.0.0.1:{20000 + i}=deny")] + ["-m", last]
    measures, against = {}, {}
    for kind, last, n_passed in (("unmatched", ":9999=deny", 0), ("adopted", f":{PORT}=sd=0", 1)):
        for n in (1, 10, 1000):
            measures[f"{kind}, {n} rules"] = calls.ours(*rules(n, last), n_passed=n_passed)
            against[f"{kind}, {n} rules"] = [f"{kind}, 1 rules"] if n > 1 else []
    yield measures, against


@group("bind, by the number of passed sockets")
def bind_sockets(bench):
    calls = Calls(bench)
    measures = {f"adopted, {n} passed": calls.ours("-a", n_passed=n, port=20000 + n - 1, passed_port=20000) for n in (1, 100, 1000)}
    measures["unmatched, 1 passed"] = calls.ours("-a", n_passed=1, passed_port=20000)
    measures["unmatched, 1000 passed"] = calls.ours("-a", n_passed=1000, passed_port=20000)
    yield measures, {"adopted, 100 passed": ["adopted, 1 passed"], "adopted, 1000 passed": ["adopted, 1 passed"],
                     "unmatched, 1000 passed": ["unmatched, 1 passed"]}


@group("bind, by the number of threads that call at once")
def bind_threads(bench):
    measures, against = {}, {}
    for n in (1, 4, 16, 64):
        calls = Calls(bench, threads=n)
        measures |= {
            f"floor: continue, {n} threads": calls.floor("continue"),
            f"unmatched, {n} threads": calls.ours("-m", ":9999=deny"),
            f"floor: replay, {n} threads": calls.floor("replay", n_passed=1),
            f"adopted, {n} threads": calls.ours("-m", f":{PORT}=sd=0", n_passed=1),
        }
        against |= {f"unmatched, {n} threads": [f"floor: continue, {n} threads"],
                    f"adopted, {n} threads": [f"floor: replay, {n} threads"]}
    yield measures, against


def untrapped(what, n):
    """A call that does not come to the supervisor, or that is answered with a look at its arguments"""
    def make(bench):
        calls = n // 10 if bench.quick else n
        ours = [bench.force_bind, *ADOPTS]
        measures = {
            "native": timed(bench, [], what, calls),
            "floor: none": timed(bench, [bench.program("floor"), "none"], what, calls),
            "force-bind": timed(bench, ours, what, calls, n_passed=1),
        }
        yield measures, {"floor: none": ["native"], "force-bind": ["native", "floor: none"]}
    group(f"{what}, under an adopting force-bind")(make)


for name, number in (("getpid", 200000), ("read", 200000), ("sendto", 20000), ("accept", 4000), ("shut-wr", 4000), ("shut-rdwr", 4000)):
    untrapped(name, number)
