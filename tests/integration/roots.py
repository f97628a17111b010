# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root file systems of other Debian releases, for machines with other generations of systemd. Made by debootstrap
when a test first wants them, and kept for later runs on the same machine."""
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
