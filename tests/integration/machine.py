# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with a real systemd as PID 1, in namespaces: the host's root below an overlay, its own /run, /tmp,
cgroups and network. Nothing it does reaches the host, and nothing of it is left when it is closed."""
import os
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

import harness

# A part of the cgroup tree of its own, which is the root of it inside: machines side by side must not meet there
ENTER = """
set -e
mkdir "$1/cgroup"
mount -t cgroup2 cgroup2 "$1/cgroup"
mkdir "$1/cgroup/$(basename "$1")"
echo $$ >"$1/cgroup/$(basename "$1")/cgroup.procs"
exec unshare --pid --fork --mount --uts --ipc --cgroup --net --kill-child bash -c "$0" boot "$@"
"""

# Its processes are being killed; a cgroup can be removed when they are gone
LEAVE = """
mount -t cgroup2 cgroup2 "$1/cgroup"
for try in $(seq 100); do
        find "$1/cgroup/$(basename "$1")" -depth -type d -exec rmdir {} + 2>/dev/null && exit
        sleep 0.05
done
"""

BOOT = """
set -e
top=$1 lower=$2
mount --make-rprivate /
mount -t tmpfs -o size=2G,mode=755 tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$top/upper,workdir=$top/work" overlay "$top/root"
cd "$top/root"
mkdir -p proc sys run tmp dev old
mount -t proc proc proc
mount -t sysfs sysfs sys
# Device nodes of its own: gettys, and whoever else changes their modes, must not reach the host's
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for node in null zero full random urandom tty fuse net/tun vsock vhost-vsock; do
        [ ! -c "/dev/$node" ] || install -d "dev/$(dirname "$node")"
        [ ! -c "/dev/$node" ] || mknod -m 666 "dev/$node" c $(stat -c '0x%t 0x%T' "/dev/$node")
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
ip link set lo up
install -m 755 "$3" usr/bin/force-bind
install -D -m 755 "$4" usr/lib/systemd/system-generators/force-bind-generator
install -d usr/lib/systemd/user-generators
ln -sf ../system-generators/force-bind-generator usr/lib/systemd/user-generators/force-bind-generator
# None of the services that the host would start
rm -f etc/systemd/system/{multi-user,sockets}.target.wants/* etc/rc?.d/S*
rm -f etc/machine-id && echo 0123456789abcdef0123456789abcdef >etc/machine-id
pivot_root . old
umount -l old
exec env -i container=force-bind-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
        /lib/systemd/systemd --log-target=journal
"""


class Machine:
    """A booted machine. Close it (it is a context manager)."""

    def __init__(self, force_bind, root="/", generator=harness.GENERATOR):
        self.top = tempfile.mkdtemp(prefix="force-bind-machine-")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", ENTER, BOOT, self.top, root, force_bind, generator],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = None
        try:
            self.pid = self._wait_for_pid_1()
            self._wait_for_boot()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _wait_for_pid_1(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("the machine did not boot: " + self.process.stderr.read().decode())
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                try:
                    if Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                        return int(children[0])
                except OSError:
                    pass
            time.sleep(0.02)
        raise RuntimeError("the machine's systemd did not start")

    def _wait_for_boot(self):
        end = time.monotonic() + 90
        while time.monotonic() < end:
            state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.1)
        raise RuntimeError("the machine did not finish booting: " + state)

    def close(self):
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        subprocess.run(["unshare", "--mount", "bash", "-c", LEAVE, "leave", self.top], check=False)
        shutil.rmtree(self.top, ignore_errors=True)

    def command(self, *command):
        """The command line that runs command inside."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *command]

    def run(self, *command, check=True, timeout=60, **kwargs):
        """Runs a command inside; returns subprocess.CompletedProcess with text."""
        result = subprocess.run(self.command(*command), capture_output=True, text=True, errors="replace", timeout=timeout, **kwargs)
        if check and result.returncode != 0:
            raise AssertionError(f"{command}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def start(self, *command, **kwargs):
        """Starts a command inside; returns subprocess.Popen."""
        return subprocess.Popen(self.command(*command), text=True, errors="replace", **kwargs)

    def systemctl(self, *arguments, check=True):
        return self.run("systemctl", *arguments, check=check).stdout.strip()

    def show(self, unit, key):
        return self.systemctl("show", "-P", key, unit)

    def journal(self, *arguments):
        self.run("journalctl", "--sync", check=False)
        return self.run("journalctl", "--no-pager", *arguments, check=False).stdout

    def generator_said(self):
        """The generator's messages, by running it once more: the kernel's log, where they go, is everybody's."""
        return self.run("sh", "-c", "d=$(mktemp -d) && /usr/lib/systemd/system-generators/force-bind-generator $d; rm -r $d").stderr

    def write(self, path, text, mode=0o644):
        """Writes a file inside."""
        self.run("bash", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "write", path,
                 oct(mode)[2:], input=textwrap.dedent(text))

    def unit(self, name, text):
        """Writes a unit file, or a drop-in if the name has a slash; the manager has read it afterwards."""
        self.write("/etc/systemd/system/" + name, text)
        self.systemctl("daemon-reload")

    def pids(self, unit):
        """The processes of a unit's cgroup."""
        path = self.show(unit, "ControlGroup")
        text = self.run("cat", f"/sys/fs/cgroup{path}/cgroup.procs", check=False).stdout if path else ""
        return [int(pid) for pid in text.split()]
