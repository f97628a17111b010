# SPDX-License-Identifier: LGPL-2.1-or-later
r"""What a daemon's package, as it comes, and one drop-in must do together. daemons/NAME.toml says which daemon; a Trial
takes it through its life, first without us and then with us, and collects what does not hold.

Keys of daemons/NAME.toml (bash commands are run in the machine):
  packages   Debian packages
  unit       the service (default NAME.service)
  drop_in    the drop-in's text, as far as it is not the example for this unit in units/
  learn      true: --learn says the same, and its text is what is tried
  socket     lines for the [Socket] section of the stock socket unit, in a drop-in of it
  setup      a command before anything else: configuration, certificates, data
  check      clients: pairs of a command and of what its output must hold
  load       host, port and request of a steady load (host "udp:..." for datagrams); see load.py
  peer       a command that shows whom the daemon took for its client: 127.0.0.1 must be in it
  logs       log files of the daemon
  reload     false: its ExecReload= does not work without us either
  restarts   how many restarts under load (default 5)
  also       regular expressions for its sockets besides those, as 'tcp 127.0.0.1:\d+'; a Unix socket, and a client's port, need not be named
  patient    its first client is answered, but not yet served: it may ask again
  accepts    regular expressions for lines of its logs that are right although the daemon alone does not write them
  why        what deserves to be known; goes into the table
  more       true: only tried with FORCE_BIND_DAEMONS=all
  absent     releases of Debian that do not have it
  release    what is called differently in other releases than bookworm: release.NAME is a table of texts, and of those that
             take their places in all above; it is the last key
"""
import json
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

import harness
import learning

DATA = Path(__file__).parent / "daemons"
RELEASE = os.environ.get("FORCE_BIND_DAEMONS_RELEASE", "bookworm")
TOOLS = ["bind9-dnsutils", "curl", "ldap-utils", "netcat-openbsd", "openssl", "xxd"]
KEYS = {"packages", "unit", "drop_in", "learn", "socket", "setup", "check", "load", "peer", "logs", "reload", "restarts", "also", "patient", "accepts", "why",
        "more", "absent", "release"}
HERE = Path(__file__).parent
FIRST_CLIENT_PORT = 32768
# Settings that take something away from the service; the table says which the unit has
SANDBOX = re.compile(r"^(AmbientCapabilities|CapabilityBoundingSet|Device(Allow|Policy)|DynamicUser|ExecPaths|Group|InaccessiblePaths|"
                     r"IPAddress(Allow|Deny)|KeyringMode|LockPersonality|Memory(DenyWriteExecute)|NoExecPaths|NoNewPrivileges|"
                     r"Private\w+|Proc(Subset)|Protect\w+|Read(Only|Write)Paths|ReadOnlyDirectories|RemoveIPC|Restrict\w+|RootDirectory|"
                     r"SystemCall\w+|TemporaryFileSystem|UMask|User)=(?!no$|false$)", re.MULTILINE)


def data(name):
    text = (DATA / f"{name}.toml").read_text()
    known = tomllib.loads(text)
    assert not known.keys() - KEYS, f"{name}.toml: unknown keys {known.keys() - KEYS}"
    example = harness.REPOSITORY / "units" / f"{known.get('unit', f'{name}.service')}.d" / "socket.conf"
    drop_in = known.get("drop_in") or example.read_text()
    text = text.partition("\n[release]")[0]
    for old, new in known.get("release", {}).get(RELEASE, {}).items():
        text, drop_in = text.replace(old, new), drop_in.replace(old, new)
    return {"unit": f"{name}.service", **tomllib.loads(text), "drop_in": drop_in}


def settings(text):
    return {line for line in text.splitlines() if line and line[0] not in "#["}


def names():
    """Of the daemons that are wanted, and that this release has."""
    wanted = os.environ.get("FORCE_BIND_DAEMONS", "")
    for path in sorted(DATA.glob("*.toml")):
        known = tomllib.loads(path.read_text())
        if RELEASE not in known.get("absent", []) and (wanted == "all" or path.stem in wanted.split(",") or not wanted and not known.get("more")):
            yield path.stem


NAMES = list(names())


def packages():
    """What they need."""
    return {*TOOLS, *(package for name in NAMES for package in data(name)["packages"])}


# What the manager says of any service, and what it may say when a service's processes are killed
MANAGER = re.compile(r"^(Starting|Started|Stopping|Stopped|Reloading|Reloaded) |: (Consumed|Deactivated|Scheduled restart)|"
                     r"Killing process \d+ \((?!force-bind).* with signal SIGKILL")  # workers that outlive the main process

CRASH = re.compile(r"(Killing process \d+ \(force-bind\) with signal SIGKILL|code=killed, status=9/KILL|Failed with result 'signal')")


def shape(line):
    """A line of a log without what differs from run to run: numbers, names of days and months, session names, order."""
    line = re.sub(r"process \d+ \(\S+\)", "process", line)
    line = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b|session=<[^>]*>", "", line)
    return " ".join(sorted(re.sub(r"0x[0-9a-f]+|\b[0-9A-Fa-f]{6,}\b|\b(?=\w*\d)\w{10,}\b|::\d|\d+", "N", re.sub("[][{},]", " ", line)).split()))


class Trial:
    """One daemon in one machine. What does not hold is collected in `wrong`, so that one run tells all."""

    def __init__(self, machine, name):
        self.machine, self.name, self.data = machine, name, data(name)
        self.unit = self.data["unit"]
        self.socket = self.unit.removesuffix(".service") + ".socket"
        self.wrong, self.notes = [], []

    # --- looking ---

    def bash(self, command, timeout=90):
        try:
            done = self.machine.run("bash", "-c", command, check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            return f"no end of it within {timeout} s"
        return (done.stdout + done.stderr).strip()

    def holds(self, condition, what):
        if not condition:
            self.wrong.append(what)
        return condition

    def is_served(self, when, patient=False):
        """Whether every client gets its answer; a patient one asks again for a while."""
        for command, expected in self.data["check"]:
            end = time.monotonic() + (30 if patient else 0)
            while expected not in (output := self.bash(command)) and time.monotonic() < end:
                pass
            self.holds(expected in output, f"{when}: {command}: {output[-300:] or 'no answer'}")

    def show(self, *keys):
        lines = self.machine.systemctl("show", self.unit, "-p", ",".join(keys)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def state(self, wanted, deadline=30):
        try:
            harness.wait_until(lambda: self.show("ActiveState")["ActiveState"] in wanted, deadline=deadline)
        except AssertionError:
            pass
        return self.show("ActiveState")["ActiveState"]

    def program(self):
        """The main process's program; "none" where the manager knows no main process."""
        return self.bash(f"p=$(systemctl show -P MainPID {self.unit}); if [ $p = 0 ]; then echo none; else readlink /proc/$p/exe; fi")

    def log(self, mark):
        """Lines of the journal and of the log files since the mark."""
        self.machine.run("journalctl", "--sync", check=False)
        lines = self.machine.run("journalctl", "-u", self.unit, "-o", "cat", "--no-pager", f"--after-cursor={mark}", check=False).stdout.splitlines()
        for path in self.data.get("logs", []):
            lines += self.bash(f"cat {path} 2>/dev/null; truncate -s 0 {path} 2>/dev/null").splitlines()
        return lines

    def mark(self):
        self.machine.run("journalctl", "--sync", check=False)
        return self.machine.run("journalctl", "-n", "0", "--show-cursor", "--no-pager").stdout.split("cursor: ")[1].strip()

    def listening(self):
        """What `ss` shows of passed and of the daemon's own sockets: (protocol, address, names and PIDs of the holders)."""
        found = []
        for line in self.bash("ss -Htulnpx").splitlines():
            fields = line.split()
            found.append((fields[0], re.sub(r"%\w+", "", fields[4]), set(re.findall(r'\("([^"]*)",pid=(\d+)', line))))
        return found

    def is_listening_rightly(self, when):
        """Each passed socket is held by the daemon too, and nothing else listens; some bind a moment after they are ready."""
        before, end = list(self.wrong), time.monotonic() + 5
        while True:
            self.wrong = list(before)
            self.look_at_sockets(when)
            if self.wrong == before or time.monotonic() > end:
                return

    def look_at_sockets(self, when):
        passed = []
        for unit in self.show("TriggeredBy")["TriggeredBy"].split():
            for line in self.machine.systemctl("show", unit, "-p", "Listen").splitlines():
                address, kind = re.fullmatch(r"Listen=(.*) \((\w+)\)", line).groups()
                protocol = "u_" if address[0] in "/@" else {"Stream": "tcp", "Datagram": "udp"}[kind]
                passed.append((protocol, re.sub(r"^(\d+)$", r"[::]:\1", address)))
        self.holds(passed, f"{when}: the service has no socket unit")
        ours = {str(pid) for pid in self.machine.pids(self.unit)}
        seen = self.listening()
        for protocol, address in passed:
            spellings = {address, address.replace("[::]:", "*:")}
            holders = [users for kind, where, users in seen if kind.startswith(protocol) and where in spellings]
            self.holds(len(holders) == 1, f"{when}: {len(holders)} sockets on {protocol} {address}")
            for users in holders:
                self.holds(("systemd", "1") in users, f"{when}: {protocol} {address} is not systemd's")
                self.holds(any(name not in ("systemd", "force-bind") for name, _ in users),
                           f"{when}: {protocol} {address} is not held by the daemon")
        for protocol, address, users in seen:
            port = address.rsplit(":", 1)[-1]
            if (any(pid in ours for _, pid in users) and ("systemd", "1") not in users and not protocol.startswith("u_")
                    and not any(re.fullmatch(also, f"{protocol} {address}") for also in self.data.get("also", []))
                    and not (protocol == "udp" and port.isdigit() and int(port) >= FIRST_CLIENT_PORT)):
                self.wrong.append(f"{when}: also listens on {protocol} {address}")

    # --- doing ---

    def settled(self):
        state = self.state(("active", "failed"))
        return self.holds(state == "active", f"{self.unit} is {state}: {self.bash(f'systemctl status -n 5 {self.unit}')[-600:]}")

    def reload(self, when):
        if self.show("CanReload")["CanReload"] == "yes" and self.data.get("reload", True):
            done = self.machine.run("systemctl", "reload", self.unit, check=False)
            self.holds(done.returncode == 0, f"{when}: {done.stderr}")
            self.is_served(when, patient=True)
            return True
        return False

    def kill(self):
        """What becomes of the service when its main process is killed."""
        try:
            harness.wait_until(lambda: self.show("MainPID")["MainPID"] != "0", deadline=2)
        except AssertionError:
            return "no main process"
        before = self.show("NRestarts")["NRestarts"]
        self.machine.systemctl("kill", "-s", "KILL", "--kill-whom=main", self.unit, check=False)

        def over():
            now = self.show("ActiveState", "NRestarts", "Result")
            return now if now["ActiveState"] in ("failed", "inactive") or now["ActiveState"] == "active" and now["NRestarts"] != before else None

        try:
            now = harness.wait_until(over, deadline=20)
        except AssertionError:
            now = self.show("ActiveState", "NRestarts", "Result")
        return f"{now['ActiveState']}, {now['Result']}, restarted {int(now['NRestarts']) - int(before)} times"

    def stop(self):
        self.machine.run("systemctl", "stop", self.unit, check=False, timeout=120)
        return " ".join(self.show("ActiveState", "Result").values())

    def native(self):
        """The daemon without us: what it is like, to be compared with."""
        mark = self.mark()
        self.machine.run("systemctl", "start", self.unit, check=False, timeout=120)
        self.settled()
        self.is_served("without us", patient=True)
        if self.wrong:
            return False
        self.native_program = self.program()
        self.reload("without us, reloaded")
        if "load" in self.data:
            self.load(2)
        self.is_served("without us, restarted", patient=True)
        self.native_stop = self.stop()
        self.machine.run("systemctl", "start", self.unit, check=False, timeout=120)
        self.is_served("without us, again", patient=True)
        self.native_kill = self.kill()
        self.machine.run("systemctl", "start", self.unit, check=False, timeout=120)
        self.is_served("without us, after it was killed", patient=True)
        self.machine.run("systemctl", "stop", self.unit, check=False, timeout=120)
        self.machine.systemctl("reset-failed", self.unit, check=False)
        self.native_lines = {shape(line) for line in self.log(mark)}
        return not self.wrong

    def adopt(self):
        text = self.data["drop_in"]
        if self.data.get("learn", False):
            learnt = learning.learn(self.machine, self.unit)
            self.holds(settings(learnt) == settings(text), f"learnt: {learnt}")
            text = learnt
        self.machine.write(f"/etc/systemd/system/{self.unit}.d/socket.conf", text)
        if "socket" in self.data:
            self.machine.write(f"/etc/systemd/system/{self.socket}.d/socket.conf", "[Socket]\n" + self.data["socket"])
        self.machine.systemctl("daemon-reload")
        wrapped = "force-bind.conf" in self.bash(f"ls /run/systemd/generator/{self.unit}.d")
        self.holds(wrapped, f"the generator: {self.machine.generator_said()}")
        self.machine.systemctl("start", self.socket)

    def client(self, script, *arguments):
        """A client program of ours in the machine, which goes on until its input ends."""
        load = self.data["load"]
        return self.machine.start("/usr/bin/python3", "-c", (HERE / script).read_text(), load["host"], str(load["port"]), *arguments,
                                  load.get("request", ""), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def load(self, restarts):
        """Restarts the service while clients come; the counts of load.py."""
        client = self.client("load.py", "-")
        client.stdout.readline()
        for _ in range(restarts):
            self.machine.systemctl("reset-failed", self.unit, check=False)
            self.machine.run("systemctl", "restart", self.unit, check=False, timeout=120)
        # The last one has to serve as well
        self.settled()
        return json.loads(client.communicate(timeout=90)[0])

    def under_load(self):
        restarts, datagrams = self.data.get("restarts", 5), self.data["load"]["host"].startswith("udp:")
        counts = self.load(restarts)
        # A connection, or datagram, that the daemon had taken when it was told to stop is the daemon's to end: one per client
        cut = counts["reset"] + counts["empty"] + (counts["other"] if datagrams else 0)
        lost = counts["refused"] + (0 if datagrams else counts["other"])
        self.holds(lost == 0 and cut <= 4 * restarts and counts["answered"] > restarts, f"{restarts} restarts under load: {counts}")
        self.notes.append(f"{counts['answered']} answered over {restarts} restarts, {lost} refused" + (f", {cut} cut by the daemon's stop" if cut else ""))

    def killed_with_a_queue(self, count=20):
        """Connections that nobody has accepted when every process is killed are served by the next instance."""
        self.is_served("before it is killed", patient=True)
        group = f"/sys/fs/cgroup{self.show('ControlGroup')['ControlGroup']}"
        if not self.holds(group != "/sys/fs/cgroup", f"it is served, but {self.unit} is {self.show('ActiveState')['ActiveState']}"):
            return
        self.bash(f"echo 1 >{group}/cgroup.freeze; until grep -q 'frozen 1' {group}/cgroup.events; do :; done")
        client = self.client("queued.py", str(count))
        queued = client.stdout.readline() == "queued\n"
        self.bash(f"for p in $(cat {group}/cgroup.procs); do grep -qx force-bind /proc/$p/comm || kill -KILL $p; done; echo 0 >{group}/cgroup.freeze")
        if self.holds(queued, "clients of a frozen daemon cannot connect"):
            counts = json.loads(client.communicate(timeout=120)[0])
            self.holds(counts["answered"] == count, f"killed with {count} clients in the queue: {counts}")
        client.kill()
        client.communicate()
        self.settled()

    def adopted(self):
        self.adopt()
        mark = self.mark()
        self.is_served("the first client", patient=self.data.get("patient", False))
        if not self.settled():
            return
        self.is_served("the second client")
        self.is_listening_rightly("adopted")
        self.holds(self.program() == self.native_program or self.native_program == "none",
                   f"the main process is {self.program()}, alone it is {self.native_program}")
        if "peer" in self.data:
            peer = self.bash(self.data["peer"])
            self.holds("127.0.0.1" in peer, f"the daemon saw as its peer: {peer}")
        if self.reload("reloaded"):
            self.is_listening_rightly("reloaded")
        if "load" in self.data:
            self.under_load()
            self.compare_log(mark)
            mark = self.mark()
            if not self.data["load"]["host"].startswith("udp:"):
                self.killed_with_a_queue()
        stop = self.stop()
        self.holds(stop == self.native_stop, f"stopped: {stop}, alone: {self.native_stop}")
        self.holds(self.machine.pids(self.unit) == [], "processes are left after the stop")
        self.holds(self.show("TriggeredBy")["TriggeredBy"] != "" and self.machine.systemctl("is-active", self.socket, check=False) == "active",
                   f"{self.socket} is {self.machine.systemctl('is-active', self.socket, check=False)} after the service's stop")
        self.machine.systemctl("reset-failed", self.unit, check=False)
        self.is_served("started by its socket again", patient=self.data.get("patient", False))
        self.compare_log(mark, [CRASH])

    def compare_log(self, mark, accepts=()):
        strange, accepts = {}, [*accepts, *(re.compile(text) for text in self.data.get("accepts", []))]
        for line in self.log(mark):
            if (shape(line) not in self.native_lines and not MANAGER.search(line) and not any(pattern.search(line) for pattern in accepts)):
                strange[shape(line)] = line
        self.holds(not strange, "lines that the daemon alone does not log:\n      " + "\n      ".join(strange.values()))

    def alone(self):
        """Started without its socket: it binds for itself, and lives and dies as without us."""
        units = self.show("TriggeredBy")["TriggeredBy"].split()
        self.machine.systemctl("stop", *units, self.unit, check=False)
        self.machine.systemctl("mask", "--runtime", *units)
        self.machine.run("systemctl", "start", self.unit, check=False, timeout=120)
        self.settled()
        self.is_served("started without its socket", patient=True)
        end = self.kill()
        self.holds(end == self.native_kill or self.native_kill == "no main process", f"killed: {end}, alone: {self.native_kill}")
        self.machine.run("systemctl", "stop", self.unit, check=False, timeout=120)
        self.machine.systemctl("unmask", "--runtime", *units)

    def lost_somebody(self):
        return any("under load:" in what or "in the queue:" in what for what in self.wrong)

    def run(self, set_up=True):
        if set_up and "setup" in self.data:
            self.bash("set -e; " + self.data["setup"], timeout=300)
        self.machine.systemctl("daemon-reload")
        try:
            if self.native():
                self.adopted()
                self.alone()
            else:
                self.wrong.insert(0, "without us it does not pass its own checks")
        finally:
            self.clean()
        left = self.bash("pgrep -a force-bind")
        self.holds(not left, f"left: {left}")

    def clean(self):
        self.machine.run("systemctl", "stop", self.socket, self.unit, check=False, timeout=120)
        self.bash(f"rm -rf /etc/systemd/system/{self.unit}.d/socket.conf /etc/systemd/system/{self.socket}.d; systemctl daemon-reload;"
                  "systemctl reset-failed")

    # --- the table ---

    def row(self):
        package = self.data["packages"][0]
        version = self.bash(f"dpkg-query -W -f '${{Version}}' {package}")
        kind = self.show("Type")["Type"]
        text = self.bash(f"systemctl cat {self.unit}")
        kind = dict(re.findall(r"^(Type)=(\w[\w-]*)$", text, re.MULTILINE)).get("Type", "simple")
        sandbox = sorted({match[0] for match in SANDBOX.findall(text)})
        return [self.name, version, kind, ", ".join(sandbox) or "none", "; ".join(self.notes) or "served" if not self.wrong else "FAILED", self.data.get("why", "")]
