# SPDX-License-Identifier: LGPL-2.1-or-later
"""A steady stream of connections: load.py [udp:]HOST PORT SECONDS [REQUEST]. For so many
seconds, or with - until its input ends, several clients connect, send the request,
and read the answer, one after the other; with udp:, they send a datagram and wait a second for its answer. Prints one
JSON object with counts; its first line is "started" once the first answer has come. Run on its own, because it has to
live in the network namespace it tests."""
import json
import socket
import sys
import threading
import time

host, port, seconds = sys.argv[1].removeprefix("udp:"), int(sys.argv[2]), sys.argv[3]
datagrams = host != sys.argv[1]
request = (sys.argv[4] if len(sys.argv) > 4 else "GET / HTTP/1.0\r\n\r\n").encode().decode("unicode_escape").encode("latin-1")
family = socket.AF_INET6 if ":" in host else socket.AF_INET
counts = {"answered": 0, "refused": 0, "reset": 0, "empty": 0, "other": 0, "slowest_ms": 0}
lock = threading.Lock()
started, over = threading.Event(), threading.Event()


def count(what, begin):
    with lock:
        counts[what] += 1
        counts["slowest_ms"] = max(counts["slowest_ms"], round((time.monotonic() - begin) * 1000))


def once():
    begin = time.monotonic()
    try:
        with socket.socket(family, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM) as s:
            s.settimeout(1 if datagrams else 30)
            s.connect((host, port))
            s.sendall(request)
            what = "answered" if s.recv(65536) else "empty"
    except ConnectionRefusedError:
        what = "refused"
    except (ConnectionResetError, BrokenPipeError):
        what = "reset"
    except OSError as error:
        counts["error"] = str(error)
        what = "other"
    count(what, begin)
    started.set()


def client():
    while not over.is_set():
        once()


threads = [threading.Thread(target=client) for _ in range(4)]
for thread in threads:
    thread.start()
started.wait()
print("started", flush=True)
if seconds == "-":
    sys.stdin.read()
else:
    over.wait(float(seconds))
over.set()
for thread in threads:
    thread.join()
print(json.dumps(counts), flush=True)
