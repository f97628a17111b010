#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of any Type=: everything.py [fork] [worker] [pidfile=PATH] [notify] [bus=NAME] PORT

Answers each connection with "PID GENERATION", after doing what it is told by it: "exit N", "kill N", "hang" (no
WATCHDOG=1 any more). SIGHUP makes the generation higher. With "worker", a child of the main process listens and
serves.
"""
import os
import signal
import socket
import struct
import sys
import time

WORDS = dict(word.partition("=")[::2] for word in sys.argv[1:-1])
generation = 0


def notify(state):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"])
        s.send(state.encode())


def own_bus_name(name):
    """Takes a name on the system bus (D-Bus specification, "Message Protocol")."""
    def string(text):
        return struct.pack("<I", len(text)) + text.encode() + b"\0"

    def pad(data):
        return data + b"\0" * (-len(data) % 8)

    def call(serial, member, signature="", body=b""):
        fields = b""
        for code, kind, value in ((1, "o", "/org/freedesktop/DBus"), (2, "s", "org.freedesktop.DBus"), (3, "s", member),
                                  (6, "s", "org.freedesktop.DBus")):
            fields = pad(fields) + bytes((code, 1)) + kind.encode() + b"\0" + string(value)
        if signature:
            fields = pad(fields) + b"\x08\x01g\0" + bytes((len(signature),)) + signature.encode() + b"\0"
        return pad(struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields)) + fields) + body

    bus = socket.socket(socket.AF_UNIX)
    bus.connect("/run/dbus/system_bus_socket")
    bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
    assert bus.recv(1000).startswith(b"OK")
    bus.sendall(b"BEGIN\r\n" + call(1, "Hello") + call(2, "RequestName", "su", string(name).ljust(-(-(len(name) + 5) // 4) * 4, b"\0") + struct.pack("<I", 4)))
    return bus


def on_hangup(*_):
    global generation
    if "notify" in WORDS:
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    generation += 1
    if "notify" in WORDS:
        notify("READY=1\nSTATUS=reloaded")


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[-1])))
    signal.signal(signal.SIGHUP, on_hangup)
    if "fork" in WORDS:
        ready, tell = os.pipe()
        if os.fork():
            os.close(tell)
            os.read(ready, 1)
            os._exit(0)
        os.setsid()
        if "pidfile" in WORDS:
            with open(WORDS["pidfile"], "w") as f:
                f.write(f"{os.getpid()}\n")
    main_process = os.getpid()
    if "worker" in WORDS and os.fork():
        if "fork" in WORDS:
            os.close(tell)
        signal.signal(signal.SIGHUP, lambda *_: os.kill(0, signal.SIGUSR1))
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        os.wait()
        os._exit(0)
    signal.signal(signal.SIGUSR1, on_hangup)
    listener.listen(5)
    if "notify" in WORDS:
        notify(f"READY=1\nSTATUS=mine\nMAINPID={os.getpid()}")
    if "fork" in WORDS:
        os.close(tell)
    bus = own_bus_name(WORDS["bus"]) if "bus" in WORDS else None
    if "WATCHDOG_USEC" in os.environ:
        listener.settimeout(int(os.environ["WATCHDOG_USEC"]) / 4e6)
    while True:
        if "WATCHDOG_USEC" in os.environ:
            notify("WATCHDOG=1")
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection:
            told = connection.recv(100).decode().split()
            connection.sendall(f"{main_process} {generation}".encode())
        if told[:1] == ["exit"]:
            os._exit(int(told[1]))
        if told[:1] == ["kill"]:
            os.kill(os.getpid(), int(told[1]))
        if told[:1] == ["hang"]:
            signal.pause()
    return bus


main()
