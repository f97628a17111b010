# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that wait in the queue: queued.py HOST PORT COUNT REQUEST connects COUNT times and sends each the request;
prints "queued"; when its input ends, reads the answers and prints one JSON object: how many came, and what the others
met. See load.py."""
import json
import socket
import sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
request = sys.argv[4].encode().decode("unicode_escape").encode("latin-1")
clients, answered, others = [], 0, []
for _ in range(count):
    clients.append(socket.create_connection((host, port), timeout=30))
    clients[-1].sendall(request)
print("queued", flush=True)
sys.stdin.read()
for client in clients:
    client.settimeout(60)
    try:
        if client.recv(65536):
            answered += 1
        else:
            others.append("closed without an answer")
    except OSError as error:
        others.append(str(error))
print(json.dumps({"answered": answered, "others": others}), flush=True)
