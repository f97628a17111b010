# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers that spread their work over processes and threads, each on every kind of address: all are served through the
passed socket, and nothing else listens."""
import harness
import pytest
from harness import exchange, inode_of, port_of, tcp6_socket, tcp_socket

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
PORT = 8080

NODE = """
const cluster = require("cluster"), http = require("http");
if (process.argv[4]) cluster.schedulingPolicy = cluster[process.argv[4]];
if (process.argv[4] && cluster.isPrimary) for (let i = 0; i < 2; i++) cluster.fork();
else http.createServer((q, r) => r.end("served")).listen({host: process.argv[2], port: process.argv[3]});
"""

PYTHON = """
import asyncio, multiprocessing, selectors, socket, socketserver, sys, threading
host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET

def serve(connection):
    connection.recv(100); connection.sendall(b"served"); connection.close()

def reuse_port():
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((host, port)); s.listen()
    while True:
        serve(s.accept()[0])

def many(kind):
    workers = [kind(target=reuse_port) for _ in range(3)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()

async def streams():
    async def handle(reader, writer):
        await reader.read(100); writer.write(b"served"); await writer.drain(); writer.close()
    await (await asyncio.start_server(handle, host, port)).serve_forever()

class Handler(socketserver.BaseRequestHandler):
    def handle(self): serve(self.request)

class Forking(socketserver.ForkingTCPServer):
    address_family = family

class Threading(socketserver.ThreadingTCPServer):
    address_family = family

if __name__ == "__main__":
    {"asyncio": lambda: asyncio.run(streams()),
     "multiprocessing": lambda: many(multiprocessing.Process), "threads": lambda: many(threading.Thread),
     "forking": lambda: Forking((host, port), Handler).serve_forever(),
     "threading": lambda: Threading((host, port), Handler).serve_forever()}[sys.argv[3]]()
"""

WSGI = 'def app(environ, start_response):\n    start_response("200 OK", []); return [b"served"]\n'


def program(name, host, directory):
    (directory / "wsgi.py").write_text(WSGI)
    (directory / "server.js").write_text(NODE)
    (directory / "server.py").write_text(PYTHON)
    kind, _, argument = name.partition(" ")
    address = f"[{host}]:{PORT}" if ":" in host else f"{host}:{PORT}"
    return {"node": ["node", directory / "server.js", host, PORT, *([argument] if argument else [])],
            "python": ["/usr/bin/python3", directory / "server.py", host, PORT, argument],
            "gunicorn": ["/usr/bin/gunicorn", "--chdir", directory, "--workers", "2", *([argument] if argument else []),
                         "--bind", address, "wsgi:app"],
            "uwsgi": ["/usr/bin/uwsgi", "--plugin", "python3", "--chdir", directory, "--http-socket", address, "--module", "wsgi:app",
                      "--processes", "2", "--master", "--die-on-term"]}[kind]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::", "::1"])
@pytest.mark.parametrize("name", ["node", "node SCHED_RR", "node SCHED_NONE", "python asyncio", "python multiprocessing",
                                  "python threads", "python forking", "python threading", "gunicorn", "gunicorn --reuse-port",
                                  "uwsgi"])
def test_server_is_served_through_the_passed_socket(runner, tmp_path, name, host):
    if ":" not in host:
        passed = tcp_socket(host, PORT)
    else:
        # Python's asyncio and node's "::" differ in IPV6_V6ONLY; the passed socket is what the program's would be
        passed = tcp6_socket(host, PORT, v6only=host != "::" or name.endswith("asyncio"))
    process = runner.force_bind(["--auto"], program(name, host, tmp_path), [passed])
    for _ in range(4):
        answer = exchange(("::1" if ":" in host else "127.0.0.1", port_of(passed)), REQUEST)
        assert answer.endswith(b"served"), process.stderr
    assert harness.listening_inodes() == {inode_of(passed)}, process.stderr
    process.end()
