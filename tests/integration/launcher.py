# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts descriptors at 3, 4 ... and executes a program with them, as the service manager does.

launcher.py FD,FD... LISTEN_PID USER -- PROGRAM ARGUMENT...     (LISTEN_PID 0: this process; USER -1: stays)
"""
import fcntl
import os
import resource
import sys

fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
listen_pid, user = int(sys.argv[2]), int(sys.argv[3])
command = sys.argv[5:]

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
wanted = 3 + 2 * len(fds) + 64
if wanted > soft:
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, 3 + len(fds) + 16) for fd in fds]
for number, fd in enumerate(aside):
    os.dup2(fd, 3 + number, inheritable=True)
os.closerange(3 + len(fds), max([*aside, *fds, 3]) + 16)
if fds:
    os.environ["LISTEN_PID"] = str(listen_pid or os.getpid())
    pidfd = os.pidfd_open(listen_pid or os.getpid())
    os.environ["LISTEN_PIDFDID"] = str(os.fstat(pidfd).st_ino)  # systemd 259
    os.close(pidfd)
if user >= 0:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
try:
    os.execvp(command[0], command)
except OSError as error:
    print(f"launcher: {command[0]}: {error}", file=sys.stderr)
    sys.exit(127)
