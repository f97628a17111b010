# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file of which nobody ever gets to read a byte: a file system in user space (FUSE) that leaves reads unanswered."""
import ctypes
import errno
import os
import stat
import struct
import threading
from contextlib import contextmanager

import harness

LOOKUP, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, FORGET, INTERRUPT, BATCH_FORGET = 1, 3, 14, 15, 18, 25, 26, 2, 36, 42
MNT_FORCE, MNT_DETACH = 1, 2


def _attributes(node):
    mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o444
    return struct.pack("=6Q3I7I", node, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _answer(opcode, node):
    if opcode == INIT:
        return struct.pack("=IIIIHHII36x", 7, 31, 0, 0, 16, 16, 4096, 1)
    if opcode == LOOKUP:
        return struct.pack("=4Q2I", 2, 0, 3600, 3600, 0, 0) + _attributes(2)
    if opcode == GETATTR:
        return struct.pack("=QII", 3600, 0, 0) + _attributes(node)
    if opcode == OPEN:
        return bytes(16)
    return b"" if opcode in (RELEASE, FLUSH) else None


def _serve(device):
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError as error:
            if error.errno == errno.ENOENT:  # interrupted
                continue
            return  # unmounted
        _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
        if opcode in (READ, FORGET, INTERRUPT, BATCH_FORGET):
            continue
        data = _answer(opcode, node)
        os.write(device, struct.pack("=IiQ", 16 + len(data or b""), -errno.ENOSYS if data is None else 0, unique) +
                 (data or b""))


@contextmanager
def slow_file(directory):
    """The path of such a file below directory, which is to be empty."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if harness.libc.mount(b"slow", os.fsencode(directory), b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    server = threading.Thread(target=_serve, args=(device,), daemon=True)
    server.start()
    try:
        yield str(directory / "file")
    finally:
        harness.libc.umount2(os.fsencode(directory), MNT_FORCE)  # the reads fail, and those who wait for them can end
        harness.libc.umount2(os.fsencode(directory), MNT_DETACH)
        server.join(harness.DEADLINE)
        os.close(device)
