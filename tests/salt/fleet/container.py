"""One client: a booted systemd container on an overlay of /, in a host's network namespace, with its own salt-minion."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from .network import Host
from .processes import Process, Trouble, run

#: The minion's unit. KillMode=process: Salt's own jobs survive its restart.
UNIT = """[Unit]
Description=Salt minion of the test bed
[Service]
Type=notify
NotifyAccess=all
KillMode=process
ExecStart={venv}/bin/salt-minion --disable-keepalive
Environment=PYTHONWARNINGS=ignore
"""

#: The minion. There is no name service in the bed, and no time to wait for one.
MINION = """id: {name}
master: {master}
master_port: 14506
user: root
keysize: 2048
auth_timeout: 5
auth_tries: 10
acceptance_wait_time: 1
random_reauth_delay: 3
recon_default: 500
recon_max: 2000
recon_randomize: true
enable_fqdns_grains: false
enable_gpu_grains: false
grains_cache: true
mine_enabled: false
log_level: warning
log_level_logfile: info
"""


class Container:
    """A client and its machine."""

    def __init__(self, name: str, host: Host, folder: Path, groups: list[Path]):
        self.name = name
        self.host = host
        self.folder = folder
        #: the container's files, all of them; may be written before it boots
        self.root = folder / "root"
        self._groups = [group / name for group in groups]
        self._mounted = False
        self._process: Process | None = None

    def prepare(self, venv: Path, master: str) -> None:
        """Mounts its root and writes what makes it this client."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True)
        parts = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        run(["mount", "-t", "overlay", "overlay", "-o", parts, str(self.root)])
        self._mounted = True
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n{self.host.address} {self.name}\n")
        self.write("etc/machine-id", f"{uuid.uuid4().hex}\n")
        self.write("etc/resolv.conf", "")
        self.write("etc/salt/minion", MINION.format(name=self.name, master=master))
        units = "etc/systemd/system"
        self.write(f"{units}/salt-minion.service", UNIT.format(venv=venv))
        self.link(f"{units}/basic.target.wants/salt-minion.service", "/etc/systemd/system/salt-minion.service")
        # the machine's own timers (package upgrades, the manual's index) are not for twelve clients
        self.link(f"{units}/timers.target", "/dev/null")

    def write(self, path: str, text: str) -> None:
        """Writes a file in its root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.write_text(text)

    def link(self, path: str, to: str) -> None:
        """Makes a symbolic link in its root."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(to)

    def boot(self, binds: Mapping[Path, str]) -> None:
        """Starts it. ``binds`` are folders of this machine and where they are to be seen, read only."""
        for group in self._groups:
            group.mkdir(parents=True)
        line = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"]
        line += ["--machine", self.name, "--directory", str(self.root), "--console=pipe"]
        line += [f"--network-namespace-path={self.host.netns}"]
        line += [f"--bind-ro={source}:{place}" for source, place in binds.items()]
        line += ["--boot", "systemd.unit=basic.target"]
        # a control group of its own: containers that share one would stop each other's services
        self._process = Process(self.name, line, self.folder / "console.log", cgroups=self._groups)

    def check(self) -> None:
        """Complains if it has ended."""
        if self._process:
            self._process.check()

    def run(self, *line: str, seconds: float = 30) -> str:
        """Runs a command inside. Not for what a test does to a client (that is Salt's), but to look at it."""
        init = self._process.child() if self._process else None
        if init is None:
            raise Trouble(f"{self.name} does not run")
        return run(["nsenter", "-t", str(init), "-m", "-p", "-n", "-u", "-i", "-C", *line], seconds)

    def minion_log(self) -> list[str]:
        """The minion's log."""
        log = self.root / "var/log/salt/minion"
        return log.read_text(errors="replace").splitlines() if log.exists() else []

    def terminate(self) -> None:
        """Asks it to shut down; :meth:`end` waits for that."""
        if self._process:
            self._process.terminate()

    def end(self) -> None:
        """It is over: no process, no mount, no control group."""
        if self._process:
            self._process.end(seconds=15)
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self.root)], check=False, capture_output=True)
        for group in self._groups:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
