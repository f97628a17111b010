# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demonstration behind tests/demo: demo.py FORCE-BIND"""
import json
import signal
import subprocess
import sys
from pathlib import Path

from machine import Machine

DROP_IN = Path(__file__).resolve().parents[2] / "units" / "nginx.service.d" / "socket.conf"
RESTARTS = 10


def say(text):
    print("\n== " + text, flush=True)


def show(text):
    print("\n".join("   " + line for line in text.strip().splitlines()), flush=True)


def without_comments(text):
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))


def expect(condition, what):
    if not condition:
        print(f"\n!! not as it should be: {what}", flush=True)
        sys.exit(1)


def demonstrate(machine):
    load = Path(__file__).with_name("load.py").read_text()

    say("Debian's nginx.service, as packaged, knows nothing of sockets. This is all that is added:")
    show("# /etc/systemd/system/nginx.service.d/socket.conf\n" + without_comments(DROP_IN.read_text()))
    machine.unit("nginx.service.d/socket.conf", DROP_IN.read_text())

    say("systemctl daemon-reload && systemctl start nginx.socket: systemd listens, nginx does not run")
    machine.systemctl("start", "nginx.socket")
    show(machine.run("ss", "-ltn", "sport", "=", "80").stdout)
    show("nginx.service: " + machine.systemctl("is-active", "nginx.service", check=False))
    expect(machine.systemctl("is-active", "nginx.service", check=False) == "inactive", "nginx should not run yet")

    say("systemctl cat nginx.socket, and the drop-in that systemctl cat nginx.service ends with: what was generated")
    show(machine.systemctl("cat", "nginx.socket"))
    generated = machine.systemctl("cat", "nginx.service").split("\n\n# /run/systemd/generator/")
    expect(len(generated) == 2, "systemctl cat should show the generated drop-in")
    show("# /run/systemd/generator/" + generated[1])

    say("curl http://127.0.0.1/: the first connection starts it, and is served")
    show("\n".join(machine.run("curl", "-sS", "http://127.0.0.1/").stdout.splitlines()[:4]))
    expect("nginx" in machine.run("curl", "-sS", "http://[::1]/").stdout, "IPv6 should be served, too")
    show(machine.systemctl("status", "--lines=0", "nginx.service"))
    holders = machine.run("ss", "-ltnpH", "sport", "=", "80").stdout
    expect(holders.count('"systemd",pid=1,') == 2 and holders.count('"nginx",') >= 2,
           "systemd and nginx should hold the same sockets: " + holders)

    say(f"{RESTARTS} times systemctl restart nginx under a steady stream of connections")
    client = machine.start("/usr/bin/python3", "-c", load, "127.0.0.1", "80", "6", stdout=subprocess.PIPE)
    try:
        expect(client.stdout.readline() == "started\n", "the load should start")
        for _ in range(RESTARTS):
            machine.systemctl("reset-failed", "nginx.service")  # its start limit: 5 in 10 s
            machine.systemctl("restart", "nginx.service")
        expect(client.poll() is None, "the load should last longer than the restarts")
        counts = json.loads(client.stdout.readline())
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
    show(", ".join(f"{name}: {number}" for name, number in counts.items()))
    expect(counts["answered"] > 100 and counts["refused"] == 0, "nobody should be refused")

    say("systemctl stop nginx: the socket goes on listening, nothing is left over")
    machine.systemctl("stop", "nginx.service")
    show("nginx.socket: " + machine.systemctl("is-active", "nginx.socket"))
    left = machine.run("pgrep", "-l", "nginx|force-bind", check=False).stdout
    expect(left == "", "no process should be left: " + left)

    demonstrate_readiness(machine)

    say("rm nginx.service.d/socket.conf && systemctl daemon-reload: nginx is as it was")
    machine.systemctl("stop", "nginx.socket")
    machine.run("rm", "/etc/systemd/system/nginx.service.d/socket.conf")
    machine.systemctl("daemon-reload")
    show(machine.run("systemctl", "cat", "nginx.socket", check=False).stderr)
    expect("force-bind" not in machine.systemctl("cat", "nginx.service"), "nothing of force-bind should be left")

    say(f"Done: {counts['answered']} connections over {RESTARTS} restarts, {counts['refused']} refused")


def demonstrate_readiness(machine):
    say("A plain daemon (Type=simple) becomes active when it listens, and its status says so:")
    service = "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8000\n"
    drop_in = "[X-ForceBind]\nListen=tcp:127.0.0.1:8000\n"
    show("# /etc/systemd/system/files.service\n" + service)
    show("# /etc/systemd/system/files.service.d/socket.conf\n" + drop_in)
    machine.unit("files.service", service)
    machine.unit("files.service.d/socket.conf", drop_in)
    machine.systemctl("start", "files.socket")
    expect("Directory listing" in machine.run("curl", "-sS", "http://127.0.0.1:8000/").stdout,
           "the first connection should be served")
    status = machine.systemctl("status", "--lines=0", "files.service")
    show(status)
    expect("1 socket adopted, 0 bound" in status, "the status should tell of the adoption")
    machine.systemctl("stop", "files.socket", "files.service")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say("Booting a real systemd in namespaces of its own; the machine below stays as it is")
    try:
        with Machine(sys.argv[1]) as booted:
            show(booted.run("systemctl", "--version").stdout.splitlines()[0])
            demonstrate(booted)
    except KeyboardInterrupt:
        sys.exit(130)
