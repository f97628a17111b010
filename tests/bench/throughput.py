# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes through a socket that was adopted, against one that its server took natively, and against proxies."""
import contextlib
import os
import re
import socket
import subprocess
import time

from measure import group
from start import nginx

SECONDS, QUICK_SECONDS = 2, 0.3


@contextlib.contextmanager
def running(*commands, environment=None):
    """Runs servers for the time of the with block."""
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def wait_for_answer(port, what):
    """Until a server answers there: what is measured afterwards has started."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if s.recv(1):
                return
        time.sleep(0.02)
    raise RuntimeError(f"{what} does not answer on port {port}")


def per_second(bench, port, keep):
    """A measure: requests per second as wrk counts them; each with a connection of its own unless kept."""
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    command = ["wrk", "-t1", "-c16", f"-d{max(1, round(seconds))}s", *([] if keep else ["-H", "Connection: close"]), f"http://127.0.0.1:{port}/"]

    def measure():
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        return float(re.search(r"Requests/sec: +([0-9.]+)", text)[1])
    return measure


def haproxy_configuration(bench, port, server_port):
    path = bench.folder / "haproxy.cfg"
    path.write_text("defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                    f"listen proxy\n bind fd@3\n server one 127.0.0.1:{server_port}\n")
    return path


def stream_configuration(bench, port, server_port):
    path = bench.folder / "stream.conf"
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    path.write_text((f"load_module {module};\n" if os.path.exists(module) else "") +
                    f"daemon off; pid {bench.folder}/stream.pid; error_log /dev/null crit;\n"
                    "events { worker_connections 4096; }\n"
                    "stream { server { listen 127.0.0.1:%d; proxy_pass 127.0.0.1:%d; } }\n" % (port, server_port))
    return path


def proxies(bench, server_port):
    """Rivals: the command of each, which takes the passed socket of the port and forwards to the server's."""
    commands = {}
    for i, (variable, command) in enumerate((
            ("SYSTEMD_SOCKET_PROXYD", lambda path, port: [path, f"127.0.0.1:{server_port}"]),
            ("HAPROXY", lambda path, port: [path, "-db", "-q", "-f", str(haproxy_configuration(bench, port, server_port))]),
            ("NGINX_STREAM", lambda path, port: ["env", "NGINX=3;", path, "-e", "/dev/null", "-c",
                                                 str(stream_configuration(bench, port, server_port))]))):
        path, port = bench.rival(variable), 8200 + i
        if path:
            commands[variable] = (port, bench.passing(command(path, port), 1, port))
    return commands


def tcp(server, keep):
    def make(bench):
        if server == "nginx":
            native, adopted = nginx(bench, 8100, False), nginx(bench, 8101, True)
        else:
            program = [bench.program("traffic"), "serve-tcp"]
            native = bench.passing([*program, "8100"], 1, 8100)
            adopted = bench.passing([bench.force_bind, "-q", "-m", ":8101=sd=0", "--", *program, "8101"], 1, 8101)
        servers = {"native": (8100, native), "adopted": (8101, adopted), **proxies(bench, 8100)}
        with running(*(command for _, command in servers.values())):
            for name, (port, _) in servers.items():
                wait_for_answer(port, name)
            yield ({name: per_second(bench, port, keep) for name, (port, _) in servers.items()},
                   {name: ["native"] for name in servers if name != "native"})
    what = "requests of a kept connection" if keep else "connections"
    group(f"{what} to {server}", "1/s", rounds=5)(make)


for name in ("a C server", "nginx"):
    for kept in (False, True):
        tcp(name, kept)


@group("UDP datagrams answered", "1/s")
def udp(bench):
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    server = [bench.program("traffic"), "serve-udp"]
    commands = {
        "native": bench.passing([*server, "8110"], 1, 8110, "udp"),
        "adopted": bench.passing([bench.force_bind, "-q", "-m", ":8111=sd=0", "--", *server, "8111"], 1, 8111, "udp"),
    }

    def measure(port):
        command = [bench.program("traffic"), "udp", str(port), str(seconds)]
        return lambda: float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    with running(*commands.values()):
        yield {"native": measure(8110), "adopted": measure(8111)}, {"adopted": ["native"]}
