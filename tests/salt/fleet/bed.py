"""All of it: network, master, tracker and clients, up to the moment when every minion answers."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from . import enter
from .container import Container
from .master import Master
from .network import Network
from .processes import Trouble, wait_until

SITES = ["hq", "b1", "b2"]
CLIENTS_PER_SITE = 4

#: Where a container sees the programs.
PROGRAMS = "/srv/narrows"

PREFIX = "narrows-fleet-"


class Bed:
    """A context manager: inside it, the fleet runs; after it, nothing is left."""

    def __init__(self, formula: Path, programs: Path, rate: int = 80_000_000, per_site: int = CLIENTS_PER_SITE):
        self.formula = formula
        self.programs = programs
        self.network = Network(SITES, rate)
        self.venv = enter.venv()
        self.clients: dict[str, Container] = {}
        self.tracker: Container | None = None
        self.master: Master | None = None
        self.per_site = per_site
        self.folder = Path()
        self._lock: IO[str] | None = None
        self._groups: list[Path] = []

    def __enter__(self) -> Bed:
        if not enter.is_inside():
            raise Trouble("the bed is to be started by fleet.enter.start, in namespaces of its own")
        try:
            self._begin()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            self._say_why()
        self.end()

    def _begin(self) -> None:
        begun = time.monotonic()
        place = disk()
        sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        self.folder.chmod(0o755)
        # the process that holds this is alive; without, the folder is swept by the next bed
        self._lock = (self.folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._groups = [root / self.folder.name for root in enter.cgroup_roots()]
        for group in self._groups:
            group.mkdir()

        center = self.network.add("master", SITES[0], 5)
        self.master = Master(center, self.folder / "master", self.venv, f"{self.programs}:{enter.search_path()}")
        # the tracker is at the master's host: its admin port needs to be open to no other host
        self.tracker = Container("tracker-1", center, self.folder / "tracker-1", self._groups)
        for site in SITES:
            for _ in range(self.per_site):
                number = len(self.clients) + 1
                host = self.network.add(f"client-{number}", site, 10 + number)
                self.clients[host.name] = Container(host.name, host, self.folder / host.name, self._groups)
        self.network.build()
        self.master.prepare(self.formula)
        self.master.start()
        for container in self.machines():
            container.prepare(self.venv, center.address)
            container.boot({self.venv: str(self.venv), self.programs: PROGRAMS})
        self._say(f"{len(self.machines())} containers boot ({time.monotonic() - begun:.0f} s)")
        self._wait_for_minions()
        self._say(f"every minion answers ({time.monotonic() - begun:.0f} s)")

    def _wait_for_minions(self) -> None:
        master = self.master
        assert master
        names = {container.name for container in self.machines()}

        def all_known() -> bool:
            for container in self.machines():
                container.check()
            return names <= master.accepted()

        wait_until("the minions' keys", all_known, 180)
        silent = names

        def all_answer() -> bool:
            nonlocal silent
            job = master.begin(sorted(silent), "test.ping")
            try:
                wait_until("test.ping", lambda: master.collect(job), 10)
            except Trouble:
                pass
            silent = silent - set(job.returns)
            return not silent

        wait_until("the minions' answers", all_answer, 180)

    def machines(self) -> list[Container]:
        """The tracker and the clients."""
        return [container for container in (self.tracker, *self.clients.values()) if container]

    def at(self, site: str) -> list[str]:
        """The clients of a site."""
        return [name for name, container in self.clients.items() if container.host.site == site]

    @staticmethod
    def _say(what: str) -> None:
        print(what, flush=True)

    def _say_why(self) -> None:
        """The last words of all, for who has to find out why it failed."""
        if self.master:
            self._say(f"the master's last words:\n{self.master.tail()}")
        for container in self.machines():
            for unit in ("narrows-agent", "narrows-tracker"):
                try:
                    words = container.run("journalctl", "-u", unit, "-n", "3", "--no-pager", "-o", "cat").strip()
                except Trouble as trouble:
                    words = str(trouble)
                if words and "No entries" not in words:
                    self._say(f"{container.name}: {unit}:\n{words}")

    def end(self) -> None:
        """Ends what was started and removes what was made. Goes on whatever fails, and says so in the end."""
        failures: list[str] = []

        def attempt(what: object) -> None:
            try:
                what()  # type: ignore[operator]
            except Exception as error:  # the rest is to be removed all the same
                failures.append(str(error))

        for container in self.machines():
            attempt(container.terminate)
        for container in self.machines():
            attempt(container.end)
        if self.master:
            attempt(self.master.end)
        attempt(self.network.remove)
        for group in self._groups:
            if group.exists():
                attempt(group.rmdir)
        if self.folder.name.startswith(PREFIX):
            attempt(lambda: shutil.rmtree(self.folder))
        if self._lock:
            self._lock.close()
        if failures:
            self._say("left over after the bed: " + "; ".join(failures))


def disk() -> Path:
    """Where the machines' files are: NARROWS_FLEET_DIR, else memory if there is plenty, else /var/tmp.

    A machine has a disk of its own; where twelve flush to one, it is measured and not the rollout.
    """
    given = os.environ.get("NARROWS_FLEET_DIR")
    if given:
        return Path(given)
    memory = Path("/dev/shm")
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
    plenty = memory.is_dir() and min(shutil.disk_usage(memory).free, available) > 16_000_000_000
    return memory if plenty else Path("/var/tmp")


def sweep(place: Path) -> None:
    """Removes what beds left behind that were killed: their processes, mounts and networks are gone by then."""
    for folder in place.glob(f"{PREFIX}*"):
        lock = folder / "lock"
        if not lock.exists():
            continue
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            for root in enter.cgroup_roots():
                for path, _, _ in os.walk(root / folder.name, topdown=False):
                    os.rmdir(path)
            shutil.rmtree(folder, ignore_errors=True)
