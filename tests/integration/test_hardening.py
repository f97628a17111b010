# SPDX-License-Identifier: LGPL-2.1-or-later
"""Low ports without privileges, and one sandbox setting at a time, under systemd of three generations: the service adopts
its socket, is active, and serves."""
import harness
import pytest
from test_units import ask, machine, units  # noqa: F401

pytestmark = pytest.mark.systemd

PORT = 88
OURS = f"[X-ForceBind]\nListen=tcp:127.0.0.1:{PORT}\n"
SERVICE = f"[Service]\nExecStart=/usr/local/bin/server 127.0.0.1 {PORT}\n"

# Settings by what they are about. None gives the service CAP_NET_BIND_SERVICE or the host's network.
UNPRIVILEGED = {
    "User": "User=nobody",
    "DynamicUser": "DynamicUser=yes",
    "no capabilities": "CapabilityBoundingSet=",
    "PrivateUsers": "User=nobody\nPrivateUsers=yes",
    "PrivateNetwork": "PrivateNetwork=yes",
    "NetworkNamespacePath": "NetworkNamespacePath=/run/netns/other",
    "SocketBindDeny": "SocketBindDeny=any",
    "user without anything": "DynamicUser=yes\nCapabilityBoundingSet=\nPrivateNetwork=yes\nPrivateUsers=yes\nSocketBindDeny=any\nNoNewPrivileges=yes",
}

SANDBOXES = {
    "IPAddressDeny": "IPAddressDeny=any\nIPAddressAllow=localhost",
    "RestrictAddressFamilies": "RestrictAddressFamilies=AF_INET",
    "ProtectProc": "User=nobody\nProtectProc=invisible\nProcSubset=pid",
    "PrivatePIDs": "PrivatePIDs=yes\nKillSignal=SIGKILL",  # PID 1 of a namespace does not hear SIGTERM
    "MemoryDenyWriteExecute": "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures": "SystemCallArchitectures=native",
    "SystemCallFilter": "SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM",
    "SystemCallLog": "SystemCallLog=@system-service",
    "NoNewPrivileges": "NoNewPrivileges=yes",
    "RestrictNamespaces": "RestrictNamespaces=yes",
    "RestrictFileSystems": "RestrictFileSystems=~tmpfs",
    "LockPersonality": "LockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes",
    "ProtectSystem": "ProtectSystem=strict\nProtectHome=yes\nReadOnlyPaths=/",
    "ProtectKernel": "ProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectKernelLogs=yes\nProtectControlGroups=yes\nProtectClock=yes\nProtectHostname=yes",
    "PrivateDevices": "PrivateDevices=yes\nDevicePolicy=closed",
    "PrivateTmp": "PrivateTmp=yes\nPrivateMounts=yes\nPrivateIPC=yes",
    "PrivateMounts of a user": "User=nobody\nPrivateTmp=yes\nPrivateUsers=yes\nProtectSystem=full",
    "TemporaryFileSystem": "TemporaryFileSystem=/etc /home /var",
    "RootDirectory": "RootDirectory=/srv/root",
    "RootDirectory of a user": "User=nobody\nRootDirectory=/srv/root\nMountAPIVFS=yes",
    "DelegateSubgroup": "Delegate=yes\nDelegateSubgroup=daemon",
    "Slice": "Slice=test-box.slice\nMemoryMax=200M\nTasksMax=8",
    "limits": "LimitNOFILE=16\nLimitNPROC=20\nLimitCORE=0\nOOMScoreAdjust=500\nNice=5",
    "UMask": "UMask=0777\nWorkingDirectory=/root",
    "standard streams": "StandardInput=null\nStandardOutput=null\nStandardError=null",
    "credentials": "SetCredential=a:b\nDynamicUser=yes\nStateDirectory=test-box",
    "KeyringMode": "KeyringMode=private\nIgnoreSIGPIPE=no\nSecureBits=noroot",
    "AmbientCapabilities": "User=nobody\nAmbientCapabilities=CAP_NET_RAW\nCapabilityBoundingSet=CAP_NET_RAW",
}


@pytest.fixture(scope="module", autouse=True)
def prepared(machine):  # noqa: F811
    machine.run("ip", "netns", "add", "other", check=False)
    machine.run("bash", "-ec", """
        mkdir -p /srv/root/{proc,sys,dev,run,tmp,usr,etc}
        for d in bin lib lib64 sbin; do ln -sfn usr/$d /srv/root/$d; done
        mount --bind /usr /srv/root/usr
    """)
    yield
    machine.run("umount", "/srv/root/usr")


def served(machine, units, settings):  # noqa: F811
    units({"test-box.service": f"[Service]\n{settings}\n{SERVICE}{OURS}"})
    machine.systemctl("start", "test-box.socket")
    pid = ask(machine, PORT, check=False)
    journal = machine.journal("_SYSTEMD_INVOCATION_ID=" + machine.show("test-box.service", "InvocationID"))
    assert pid, journal
    assert pid == "1" and "PrivatePIDs" in settings or machine.show("test-box.service", "MainPID") == pid, journal
    assert machine.show("test-box.service", "ActiveState") == "active"
    assert machine.show("test-box.service", "StatusText") == "1 socket adopted, 0 bound"
    assert "force-bind:" not in journal, journal
    return pid


@pytest.mark.parametrize("about", UNPRIVILEGED)
def test_service_that_could_not_bind_is_served_on_a_low_port(machine, units, about):  # noqa: F811
    units({"test-box.service": f"[Service]\n{UNPRIVILEGED[about]}\nType=exec\nRestart=no\n{SERVICE}"})
    machine.systemctl("start", "test-box.service", check=False)
    if "Network" not in about:  # with a network of its own it can bind, and nobody would come
        state = harness.wait_until(lambda: ask(machine, PORT, check=False) or machine.show("test-box.service", "ActiveState") == "failed")
        if about == "SocketBindDeny" and state is not True:
            pytest.skip("this kernel, or systemd, has no SocketBindDeny=")
        machine.systemctl("reset-failed", "test-box.service")
    assert not ask(machine, PORT, check=False)
    machine.systemctl("stop", "test-box.service")
    served(machine, units, UNPRIVILEGED[about])


@pytest.mark.parametrize("about", SANDBOXES)
def test_service_with_this_sandbox_is_served(machine, units, about):  # noqa: F811
    served(machine, units, SANDBOXES[about])


def test_program_that_may_not_make_ip_sockets_is_left_alone_and_told_about(machine, units):  # noqa: F811
    """A program written for systemd needs none; one that calls socket() and bind() does."""
    units({"test-box.service": f"[Service]\nRestrictAddressFamilies=AF_UNIX\n{SERVICE}{OURS}"})
    assert "force-bind" not in machine.show("test-box.service", "ExecStart")
    assert "RestrictAddressFamilies= does not let the program make the socket" in machine.generator_said()
