# SPDX-License-Identifier: LGPL-2.1-or-later
"""A steady stream of connections: load.py HOST PORT SECONDS [REQUEST]. Several clients connect, send the request,
and read the answer, one after the other. Prints one JSON object with counts; its first line is "started" once the
first answer has come. Run on its own, because it has to live in the network namespace it tests."""
import json
import socket
import sys
import threading
import time

host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
request = (sys.argv[4] if len(sys.argv) > 4 else "GET / HTTP/1.0\r\n\r\n").encode().decode("unicode_escape").encode()
family = socket.AF_INET6 if ":" in host else socket.AF_INET
counts = {"answered": 0, "refused": 0, "reset": 0, "empty": 0, "other": 0, "slowest_ms": 0}
lock = threading.Lock()
started = threading.Event()


def count(what, begin):
    with lock:
        counts[what] += 1
        counts["slowest_ms"] = max(counts["slowest_ms"], round((time.monotonic() - begin) * 1000))


def once():
    begin = time.monotonic()
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(30)
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
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        once()


threads = [threading.Thread(target=client) for _ in range(4)]
for thread in threads:
    thread.start()
started.wait()
print("started", flush=True)
for thread in threads:
    thread.join()
print(json.dumps(counts), flush=True)
