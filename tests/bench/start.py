# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long programs take to start: below force-bind, and the generator."""
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measure import group

TRUE = "/bin/true"
NGINX = "/usr/sbin/nginx"
PORT = 8090


def whole_run(command, n):
    """A measure: from posix_spawn() to the end, in ns; the median of n runs."""
    def once():
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(command[0], command, os.environ)
        os.waitpid(pid, 0)
        return time.perf_counter_ns() - begin
    return lambda: float(statistics.median(once() for _ in range(n)))


@group("start of /bin/true to its end")
def start_true(bench):
    n = 20 if bench.quick else 100
    measures = {
        "native": whole_run(bench.passing([TRUE], 0), n),
        # What any program takes that is put before another, and does nothing
        "floor: execve": whole_run(bench.passing(bench.passing([TRUE], 0), 0), n),
        "force-bind, nothing passed": whole_run(bench.passing([bench.force_bind, "-q", "-m", ":80=sd=0", "--", TRUE], 0), n),
        "force-bind, a socket passed": whole_run(bench.passing([bench.force_bind, "-q", "-m", ":80=sd=0", "--", TRUE]), n),
        "force-bind --strict": whole_run(bench.passing([bench.force_bind, "-q", "--strict", "-m", ":80=allow", "--", TRUE], 0), n),
    }
    for variable, options in (("FORCE_BIND_SECCOMP", ["-m", "0.0.0.0:80/0=127.0.0.1:81"]), ("PORT_RESTRICTER", ["-p", "80"]),
                              ("IP2UNIX", ["-r", "in,port=80,path=/nonexistent"])):
        path = bench.rival(variable)
        if path:
            measures[variable] = whole_run(bench.passing([path, *options, TRUE], 0), n)
    yield measures, {name: ["native"] if name.startswith("floor") else ["native", "floor: execve"] for name in measures if name != "native"}


def nginx_configuration(bench, port):
    """One that answers every request itself, in the foreground"""
    folder = bench.folder / f"nginx-{port}"
    folder.mkdir(exist_ok=True)
    path = folder / "nginx.conf"
    path.write_text(f"daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null crit;\n"
                    "events { worker_connections 4096; }\n"
                    "http { access_log off; server { listen 127.0.0.1:%d; location / { return 200 ok; } } }\n" % port)
    return path


def nginx(bench, port, adopted):
    """The command of an nginx that takes the passed socket of this port, natively or as it can."""
    command = [NGINX, "-e", "/dev/null", "-c", str(nginx_configuration(bench, port))]
    if adopted:
        return bench.passing([bench.force_bind, "-q", "-m", f":{port}=sd=0", "--", *command], 1, port)
    # What it leaves to its own successor
    return bench.passing(["env", "NGINX=3;", *command], 1, port)


def await_end(port):
    """Until nobody has the socket of a server that has ended any more; a supervisor ends after its target."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 10).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass


def first_answer(command, port):
    """A measure: from posix_spawn() of a server to the first byte that it answers to a client, in ns."""
    def measure():
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(command[0], command, os.environ)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 10) as s:
                    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    s.recv(1)
                    break
            except ConnectionRefusedError: # no socket was made yet
                pass
        end = time.perf_counter_ns()
        os.kill(pid, 15)
        os.waitpid(pid, 0)
        await_end(port)
        return float(end - begin)
    return measure


@group("start of nginx to its first answer")
def start_nginx(bench):
    def median(measure, n=5 if bench.quick else 20):
        return lambda: statistics.median(measure() for _ in range(n))
    yield {"native": median(first_answer(nginx(bench, PORT, False), PORT)),
           "adopted": median(first_answer(nginx(bench, PORT, True), PORT))}, {"adopted": ["native"]}


# --- the generator ---


def units(folder, n, share):
    """A folder with n units the size of real ones; of a share of them, each has a setting of ours."""
    folder.mkdir()
    text = Path("/usr/lib/systemd/system/nginx.service").read_text()
    every = round(1 / share) if share else n + 1
    for i in range(n):
        setting = "\n[X-ForceBind]\nAuto=yes\n" if i % every == every - 1 else ""
        (folder / f"unit-{i:05}.service").write_text(text + setting)
    return folder


def generator_run(bench, folder):
    environment = {"SYSTEMD_UNIT_PATH": str(folder), "SYSTEMD_SCOPE": "system"}

    def once():
        output = tempfile.mkdtemp(dir="/dev/shm")  # the manager's is a tmpfs, too
        begin = time.perf_counter_ns()
        pid = os.posix_spawn(bench.generator, [bench.generator, output, output, output], environment)
        os.waitpid(pid, 0)
        elapsed = time.perf_counter_ns() - begin
        shutil.rmtree(output)
        return elapsed
    return lambda: float(statistics.median(once() for _ in range(3)))


def generator(n):
    def make(bench):
        with tempfile.TemporaryDirectory(dir=bench.folder) as top:
            top = Path(top)
            shares = {"without settings": 0, "1 in 100 with settings": 0.01, "all with settings": 1}
            folders = {label: units(top / str(i), n, share) for i, (label, share) in enumerate(shares.items())}
            read = "plain read of the same files"
            measures = {read: whole_run([bench.program("read-files"), str(folders["without settings"])], 3)}
            measures |= {label: generator_run(bench, folder) for label, folder in folders.items()}
            yield measures, {label: [read] for label in folders}
    group(f"generator on {n} units")(make)


for number in (100, 1000, 10000):
    generator(number)
