"""Into namespaces of its own: the bed is started again where its mounts, networks and processes are its alone.

Names of network namespaces (``ip netns``) are mounts below /run/netns; with a tmpfs there they are the bed's alone. The
bed's first process is the init of a process namespace: when it ends, even by SIGKILL, the kernel ends every process in
there, and with them go the networks and mounts.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

#: Set for the bed inside.
INSIDE = "NARROWS_FLEET_INSIDE"

#: The directory of the virtualenv that Salt is in.
VENV = "NARROWS_SALT_VENV"

#: What the bed calls, and the Debian package that has it.
NEEDED = {
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "tc": "iproute2",
}

#: A process namespace wants its own /proc; /run/netns may be missing.
BEGIN = """
mount --make-rprivate / && mount -t proc proc /proc &&
if [ -d /run/netns ]; then mount -t tmpfs tmpfs /run/netns; else mkdir /run/netns && mount -t tmpfs tmpfs /run/netns; fi &&
ip link set lo up && exec "$0" "$@"
"""

#: What is tried before anything is built: namespaces, an overlay of /, a veth pair, htb, a bridge.
TRIAL = """
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/m &&
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m &&
ip link add try0 type veth peer name try1 && ip link set try0 gso_max_segs 1 &&
tc qdisc add dev try0 root handle 1: htb && ip link add try2 type bridge
"""

#: prctl(2): the signal for a process whose parent has ended
PR_SET_PDEATHSIG = 1

UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child")


def search_path() -> str:
    """PATH with the folders of the system's programs, which a user's may lack."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


def venv() -> Path:
    """The virtualenv with Salt: the environment's, else the one this Python belongs to."""
    return Path(os.environ.get(VENV) or sys.prefix)


def cgroup_roots() -> list[Path]:
    """Where systemd keeps its control groups: the unified hierarchy, and before it one named systemd."""
    roots = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(Path(place))
    return roots


def why_not() -> str | None:
    """Why the fleet cannot be run here, in one sentence; None if it can."""
    if sys.platform != "linux":
        return "the fleet needs Linux"
    if os.geteuid() != 0:
        return "the fleet needs root: it boots systemd containers in network namespaces"
    for program, package in NEEDED.items():
        if not shutil.which(program, path=search_path()):
            return f"the fleet needs `{program}`; install {package}"
    if not (venv() / "bin" / "salt-master").exists():
        return f"there is no Salt in {venv()}; set {VENV} to the directory of a virtualenv with Salt"
    roots = cgroup_roots()
    if not roots:
        return "the fleet needs control groups that systemd can use (cgroup2, or a hierarchy named systemd)"
    for root in roots:
        probe = root / f"narrows-fleet-try-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"the fleet cannot make control groups: {error}"
    env = {**os.environ, "PATH": search_path()}
    try:
        tried = subprocess.run([*UNSHARE, "sh", "-c", TRIAL], env=env, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the fleet cannot make namespaces: {error}"
    if tried.returncode:
        said = "; ".join(tried.stderr.split("\n")).strip("; ")
        return f"the fleet cannot make namespaces, an overlay or shaped links: {said}"
    return None


def is_inside() -> bool:
    """Whether this process is the bed inside its namespaces."""
    return INSIDE in os.environ


def start(line: list[str], folder: Path) -> int:
    """Runs ``line`` in new namespaces, in that folder, to its end. Signals are passed on, so that it can clean up."""
    env = {**os.environ, "PATH": search_path(), VENV: str(venv()), INSIDE: "1"}
    # should this process be killed, `unshare` is, and with it everything inside
    libc = ctypes.CDLL(None)
    outer = subprocess.Popen(
        [*UNSHARE, "sh", "-c", BEGIN, *line],
        env=env,
        cwd=folder,
        start_new_session=True,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )

    def pass_on(number: int, _: object) -> None:
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            os.kill(int(children[0]), number)
        except (OSError, IndexError):
            outer.kill()

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return outer.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
