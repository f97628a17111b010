# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's daemons, each served through the passed sockets, and nothing else listens."""
import os
import signal
import socket
import struct

import harness
import pytest
from harness import exchange, inode_of, tcp6_socket, tcp_socket, udp_socket


def assert_only(*sockets):
    assert harness.listening_inodes() == {inode_of(s) for s in sockets}


def end(process, number=signal.SIGTERM):
    process.signal(number)
    assert process.wait() == 0, process.stderr
    harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")


# --- nginx -----------------------------------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 2; pid {directory}/pid; error_log stderr warn; user nobody nogroup;
events {{ }}
http {{ access_log off;
        server {{ {listen} location / {{ return 200 "{answer} $remote_addr"; }} }} }}
"""
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def nginx(runner, directory, listen, sockets, names, options=("-m", ":8080=sd=http"), answer="first"):
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(directory=directory, listen=listen, answer=answer))
    return runner.force_bind(list(options), ["/usr/sbin/nginx", "-c", configuration], sockets, names=names)


def test_nginx_with_two_workers(runner, tmp_path):
    passed = tcp_socket()
    process = nginx(runner, tmp_path, "listen 8080;", [passed], ["http"])
    assert exchange(passed.getsockname(), REQUEST).endswith(b"first 127.0.0.1")
    assert_only(passed)
    end(process)


def test_nginx_with_reuseport(runner, tmp_path):
    passed = tcp_socket()
    process = nginx(runner, tmp_path, "listen 8080 reuseport;", [passed], ["http"])
    for _ in range(10):
        assert exchange(passed.getsockname(), REQUEST).endswith(b"first 127.0.0.1")
    assert_only(passed)
    end(process)


def test_nginx_with_both_families_under_one_dual_stack_socket(runner, tmp_path):
    passed = tcp6_socket()
    process = nginx(runner, tmp_path, "listen 8080; listen [::]:8080;", [passed], ["http"])
    port = harness.port_of(passed)
    assert exchange(("127.0.0.1", port), REQUEST).endswith(b"first ::ffff:127.0.0.1")
    assert exchange(("::1", port), REQUEST).endswith(b"first ::1")
    assert_only(passed)
    end(process)


def test_nginx_with_both_families_and_a_socket_for_each(runner, tmp_path):
    four, six = tcp_socket("0.0.0.0", 8080), tcp6_socket("::", 8080, v6only=True)
    process = nginx(runner, tmp_path, "listen 8080; listen [::]:8080;", [four, six], ["http", "http"], ["--auto"])
    assert exchange(("127.0.0.1", 8080), REQUEST).endswith(b"first 127.0.0.1")
    assert exchange(("::1", 8080), REQUEST).endswith(b"first ::1")
    assert_only(four, six)
    end(process)


def test_nginx_reload_keeps_and_adds_sockets(runner, tmp_path):
    passed, added = tcp_socket(), tcp_socket()
    process = nginx(runner, tmp_path, "listen 8080;", [passed, added], ["http", "more"],
                    ["-m", ":8080=sd=http", "-m", ":8081=sd=more"])
    assert exchange(passed.getsockname(), REQUEST).endswith(b"first 127.0.0.1")
    (tmp_path / "nginx.conf").write_text(NGINX.format(directory=tmp_path, listen="listen 8080; listen 8081;", answer="second"))
    process.signal(signal.SIGHUP)
    assert exchange(added.getsockname(), REQUEST).endswith(b"second 127.0.0.1")
    harness.wait_until(lambda: exchange(passed.getsockname(), REQUEST).endswith(b"second 127.0.0.1"))
    assert_only(passed, added)
    end(process)


# --- redis -----------------------------------------------------------------------------------------------------


def redis(runner, directory, *settings, sockets, names, options):
    return runner.force_bind(options, ["redis-server", "--port", "6379", "--save", "", "--dir", directory, *settings],
                             sockets, names=names)


def ping(address):
    return exchange(address, b"PING\r\nQUIT\r\n").startswith(b"+PONG")


def test_redis_with_both_families(runner, tmp_path):
    four, six = tcp_socket("127.0.0.1", 6379), tcp6_socket("::1", 6379, v6only=True)
    process = redis(runner, tmp_path, "--bind", "127.0.0.1", "::1", sockets=[six, four], names=["redis", "redis"],
                    options=["-m", ":6379=sd=redis"])
    assert ping(("127.0.0.1", 6379)) and ping(("::1", 6379))
    assert_only(four, six)
    end(process)


def test_redis_with_both_families_under_one_dual_stack_socket(runner, tmp_path):
    passed = tcp6_socket("::", 6379)
    process = redis(runner, tmp_path, "--bind", "*", "-::*", "--protected-mode", "no", sockets=[passed], names=["redis"],
                    options=["--auto"])
    assert ping(("127.0.0.1", 6379)) and ping(("::1", 6379))
    assert_only(passed)
    end(process)


def test_redis_in_the_background(runner, tmp_path):
    passed = tcp_socket()
    process = redis(runner, tmp_path, "--bind", "127.0.0.1", "--daemonize", "yes", "--pidfile", tmp_path / "pid",
                    sockets=[passed], names=["redis"], options=["-m", ":6379=sd=redis"])
    assert process.wait() == 0
    assert ping(passed.getsockname())
    assert_only(passed)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")


def test_redis_on_a_unix_socket(runner, tmp_path):
    passed = harness.unix_socket(tmp_path / "redis.sock")
    inode = os.stat(tmp_path / "redis.sock").st_ino
    process = redis(runner, tmp_path, "--port", "0", "--unixsocket", tmp_path / "redis.sock", "--unixsocketperm", "700",
                    sockets=[passed], names=["redis"], options=["--auto"])
    assert ping(str(tmp_path / "redis.sock"))
    process.wait_for_socket(passed)
    end(process)
    assert os.stat(tmp_path / "redis.sock").st_ino == inode
    assert os.stat(tmp_path / "redis.sock").st_mode & 0o777 == 0o700


# --- memcached -------------------------------------------------------------------------------------------------


def test_memcached_over_tcp_and_udp(runner):
    tcp, udp = tcp_socket(), udp_socket()
    process = runner.force_bind(["-m", "tcp:11211=sd=tcp", "-m", "udp:11211=sd=udp"],
                                ["memcached", "-u", "nobody", "-l", "0.0.0.0", "-p", "11211", "-U", "11211"], [tcp, udp],
                                names=["tcp", "udp"])
    assert exchange(tcp.getsockname(), b"version\r\nquit\r\n").startswith(b"VERSION")
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(struct.pack(">HHHH", 1, 0, 1, 0) + b"version\r\n", udp.getsockname())
        assert b"VERSION" in client.recv(1000)
    assert_only(tcp, udp)
    end(process)


# --- dnsmasq ---------------------------------------------------------------------------------------------------

QUERY = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\4test\7example\0" + struct.pack(">HH", 1, 1)
ANSWER = socket.inet_aton("192.0.2.7")


def ask_udp(address):
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(QUERY, address)
        data, peer = client.recvfrom(1000)
        return ANSWER in data and peer == address


@pytest.mark.parametrize("port", [5353, 53])
@pytest.mark.parametrize("background", [False, True])
def test_dnsmasq_over_udp_and_tcp(runner, tmp_path, port, background):
    udp, tcp = udp_socket("127.0.0.1", port), tcp_socket("127.0.0.1", port)
    process = runner.force_bind(["-m", f":{port}=sd=dns"],
                                ["dnsmasq", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", f"--port={port}",
                                 "--listen-address=127.0.0.1", "--bind-interfaces", "--user=nobody",
                                 "--address=/test.example/192.0.2.7", f"--pid-file={tmp_path}/pid",
                                 *([] if background else ["--keep-in-foreground"])],
                                [udp, tcp], names=["dns", "dns"])
    assert ask_udp(udp.getsockname())
    assert ANSWER in exchange(tcp.getsockname(), struct.pack(">H", len(QUERY)) + QUERY)
    assert_only(udp, tcp)
    if background:
        assert process.wait() == 0
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        harness.wait_until(lambda: not harness.supervisors(), "the supervisor to end")
    else:
        end(process)


# --- haproxy: binds a temporary path and renames it over the real one ------------------------------------------

HAPROXY = """
global
        log stderr format raw daemon
        stats socket {directory}/stats.sock mode 660 level admin
defaults
        mode http
        timeout connect 1s
        timeout client 5s
        timeout server 5s
frontend web
        bind {directory}/web.sock
        bind unix@{directory}/other.sock
        http-request return status 200 content-type text/plain lf-string served
"""


@pytest.mark.parametrize("mode", ["-db", "-W"])
def test_haproxy_with_unix_sockets(runner, tmp_path, mode):
    sockets = {name: harness.unix_socket(tmp_path / f"{name}.sock") for name in ("stats", "web", "other")}
    inodes = {name: os.stat(tmp_path / f"{name}.sock").st_ino for name in sockets}
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(directory=tmp_path))
    process = runner.force_bind(["--auto"], ["/usr/sbin/haproxy", mode, "-f", tmp_path / "haproxy.cfg"], list(sockets.values()),
                                names=list(sockets))
    for name in "web", "other":
        assert exchange(str(tmp_path / f"{name}.sock"), REQUEST).endswith(b"served"), process.stderr
    assert b"Uptime" in exchange(str(tmp_path / "stats.sock"), b"show info\n")
    process.signal()
    process.wait()
    assert {name: os.stat(tmp_path / f"{name}.sock").st_ino for name in sockets} == inodes
    assert sorted(path.name for path in tmp_path.glob("*.sock*")) == sorted(f"{name}.sock" for name in sockets)
