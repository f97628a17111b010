# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root file systems of Debian releases: for machines with other generations of systemd, and with daemons that the host
need not have. Made by debootstrap when a test first wants them, and kept for later runs on the same machine."""
import os
import shutil
import subprocess
import time
from pathlib import Path

from harness import in_host_network

CACHE = Path(os.environ.get("FORCE_BIND_TEST_ROOTS", "/var/cache/force-bind-tests"))
PACKAGES = "systemd,dbus,libseccomp2,libsystemd0,iproute2,procps,python3,libpam-systemd"
MIRROR = "http://deb.debian.org/debian"
SCRIPT = "/usr/share/debootstrap/scripts/sid"  # for releases that this debootstrap does not know


def root(release):
    """The path of the release's root, made if it is not there. A name that is complete is never half made."""
    path = CACHE / release
    if path.is_dir():
        return str(path)
    CACHE.mkdir(parents=True, exist_ok=True)
    making = CACHE / f".{release}.{os.getpid()}"
    for attempt in range(4):
        shutil.rmtree(making, ignore_errors=True)
        result = in_host_network(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(making), MIRROR, SCRIPT],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode == 0:
            break
        time.sleep(3 * (attempt + 1))
    else:
        shutil.rmtree(making, ignore_errors=True)
        raise RuntimeError(f"debootstrap {release}: {result.stdout[-2000:]}")
    shutil.rmtree(making / "var/cache/apt", ignore_errors=True)
    # Loads modules of a kernel that is not this one
    (making / "etc/systemd/system/systemd-modules-load.service").symlink_to("/dev/null")
    making.rename(path)
    return str(path)


# What the package's own scripts need: /proc, /dev, names; nothing they install is started
INSTALL = """
set -e
root=$1; shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cat /etc/resolv.conf >"$root/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get update -q -o Acquire::Check-Valid-Until=false
chroot "$root" apt-get install -q -y --no-install-recommends "$@"
chroot "$root" apt-get clean
rm "$root/usr/sbin/policy-rc.d"
"""


def root_with(release, packages):
    """The path of a root of the release in which the packages are installed as they come. It is only added to."""
    path = CACHE / f"{release}-daemons"
    if not path.is_dir():
        making = CACHE / f".{path.name}.{os.getpid()}"
        subprocess.run(["cp", "-a", root(release), making], check=True)
        making.rename(path)
    for attempt in range(4):
        known = subprocess.run(["dpkg-query", f"--admindir={path}/var/lib/dpkg", "-W", "-f", "${Package} ${db:Status-Status}\\n"],
                               capture_output=True, text=True, check=True).stdout.split("\n")
        missing = sorted(package for package in packages if f"{package} installed" not in known)
        if not missing:
            return str(path)
        result = in_host_network(["unshare", "--mount", "--pid", "--fork", "bash", "-c", INSTALL, "install", str(path), *missing],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        time.sleep(3 * attempt)
    raise RuntimeError(f"{release}: {' '.join(missing)}: {result.stdout[-2000:]}")
