"""The talk's demo under a real Salt master: 500 MB, present at four clients, goes to eight more.

Some of the eight, one of them a gateway, have their agent stopped on the way and started again. Everything is done through
Salt. ``python -m fleet.demo`` in tests/salt; it wants root, and NARROWS_BIN_DIR and NARROWS_SALT_VENV in its environment.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from . import enter, payload, report
from .bed import PROGRAMS, SITES, Bed
from .master import Job, Master
from .processes import Trouble, wait_until
from .watch import Seen, Watch

REPOSITORY = Path(__file__).resolve().parents[3]

CONTENT = "demo"
TARGET = "/opt/demo"
SERVICE = "narrows-agent"

#: How far a site is when agents are stopped, and for how long they are.
STOP_AT = 0.3
STOPPED_SECONDS = 5


class Demo:
    """One rollout."""

    def __init__(self, bed: Bed, size: int):
        assert bed.master
        self.bed = bed
        self.master: Master = bed.master
        self.size = size
        self.source = bed.folder / "payload" / CONTENT
        self.having = bed.at(SITES[0])
        self.wanting = [name for name in bed.clients if name not in self.having]
        self.begun = time.monotonic()

    def say(self, what: str) -> None:
        """A line with the time."""
        print(f"{time.monotonic() - self.begun:6.1f} s  {what}", flush=True)

    def run(self) -> dict[str, object]:
        """All of it; what came of it."""
        expected = self.files()
        self.pillars()
        self.highstate()
        self.publish()
        hosts = [self.bed.clients[name].host for name in self.bed.clients]
        with Watch(hosts, CONTENT) as watch:
            self.supply(watch)
            links = self.bed.network.link_bytes()
            sent = self.bed.network.host_sent("master")
            issued = time.time()
            jobs = self.assign()
            stopped = self.interrupt(watch)
            self.complete(watch)
            crossed = {way: now - links[way] for way, now in self.bed.network.link_bytes().items()}
            sent = self.bed.network.host_sent("master") - sent
            seen = watch.seen
        statuses = self.statuses()
        summary = self.master.run("narrows.rollout_status", CONTENT)
        self.say("SHA-256 of every file on every client")
        differences = {name: payload.difference(expected, payload.digests(self.place(name))) for name in self.bed.clients}
        return report.make(
            size=self.size,
            bed=self.bed,
            crossed=crossed,
            master_sent=sent,
            issued=issued,
            begun=self.begun_on_clients(jobs),
            state_seconds=state_seconds(jobs),
            seen=seen,
            stopped=stopped,
            statuses=statuses,
            rollout_status=summary,
            differences=differences,
            source=self.source,
        )

    def place(self, name: str) -> Path:
        """Where a client has the content, seen from here."""
        return self.bed.clients[name].root / TARGET.lstrip("/") / CONTENT

    def files(self) -> dict[str, str]:
        """Gathers what is distributed, and puts a copy onto the clients that have it."""
        self.size = payload.gather(self.source, self.size)
        for name in self.having:
            payload.copy(self.source, self.place(name))
        expected = payload.digests(self.source)
        self.say(f"{self.size / 1e6:.0f} MB, {len(expected)} files of this machine, are on {', '.join(self.having)}")
        return expected

    def pillars(self) -> None:
        """What an administrator writes: pillars, and top files."""
        tracker = self.bed.network.hosts["master"].address
        programs = {name: f"{PROGRAMS}/{name}" for name in ("narrows-agent", "narrows-tracker")}
        served = {
            "url": f"http://{tracker}:6969/announce",
            "source": programs["narrows-tracker"],
            "config": {"listen": "0.0.0.0:6969", "admin": "127.0.0.1:6970"},
            "sites": self.bed.network.site_map(),
        }
        agent = {
            "active": True,
            "source": programs["narrows-agent"],
            "config": {"listen": "0.0.0.0:6881"},
        }
        pillar, files = self.master.pillar, self.master.files
        write(pillar / "fleet/tracker.sls", {"narrows": {"tracker": served}})
        write(pillar / "fleet/agent.sls", {"narrows": {"agent": agent}})
        # the runner writes narrows.content; until something is published there is none
        contents = ["narrows.content", {"ignore_missing": True}]
        write(pillar / "top.sls", {"base": {"tracker-1": ["fleet.tracker"], "client-*": ["fleet.agent", *contents]}})
        write(files / "top.sls", {"base": {"*": ["narrows"]}})

    def highstate(self) -> None:
        """Everything is installed."""
        self.master.run("saltutil.sync_all")
        self.master.do("*", "saltutil.refresh_pillar", wait=True)
        job = self.master.begin("*", "state.highstate")
        self.master.finish(job, 240)
        services = self.master.do("client-*", "service.status", SERVICE)
        if not all(services.values()):
            raise Trouble(f"after the highstate some agents do not run: {services}")
        self.say("highstate on all: agents and tracker are installed and run")

    def publish(self) -> None:
        """One command on the master."""
        answer = self.master.run("narrows.publish", str(self.source), f"name={CONTENT}", f"target={TARGET}",
                                 "tgt=client-*", "tgt_type=glob")
        self.say(f"salt-run narrows.publish: {json.dumps(answer)}")

    def supply(self, watch: Watch) -> None:
        """Those that have it already find it, verify it and seed it."""
        self.master.do(self.having, "state.apply", "narrows", seconds=120)
        wait_until(
            "those that have the content seed it", lambda: all(watch.seen[name].complete for name in self.having), 120
        )
        self.say(f"{len(self.having)} clients had it already, have verified it and seed it")

    def assign(self) -> list[Job]:
        """The eight are told, as many at a time as this machine has processors, alternating between the sites.

        As `salt --batch` does it. Each client is a machine of its own; were all state runs at once on the processors of
        this one, each would take as long as all of them.
        """
        by_site = [self.bed.at(site) for site in SITES[1:]]
        order = [name for names in zip(*by_site) for name in names]
        batch = os.cpu_count() or 1
        jobs = []
        for start in range(0, len(order), batch):
            jobs.append(self.master.begin(order[start : start + batch], "state.apply", "narrows"))
            self.master.finish(jobs[-1], 60)
        self.say(f"state.apply narrows on {len(order)} clients at {', '.join(SITES[1:])}, {batch} at a time")
        return jobs

    def interrupt(self, watch: Watch) -> dict[str, object]:
        """Stops three agents of the eight through Salt, one of them a gateway, and starts them again."""
        sites = {site: self.bed.at(site) for site in SITES[1:]}

        def far() -> str | None:
            for site, names in sites.items():
                most = max(watch.seen[name].progress for name in names)
                if most >= STOP_AT and any(watch.seen[name].role == "gateway" for name in names):
                    return site
            return None

        first = wait_until(f"a site has {STOP_AT:.0%}", far, self.bound() + 60)
        other = next(site for site in sites if site != first)
        gateway = next(name for name in sites[first] if watch.seen[name].role == "gateway")
        member = next(name for name in sites[first] if name != gateway)
        third = next(name for name in sites[other] if watch.seen[name].role != "gateway")
        victims = [gateway, member, third]
        self.say(f"service.stop {SERVICE} on {', '.join(victims)}; {gateway} is the gateway of {first}")
        self.master.do(victims, "service.stop", SERVICE)
        stopped, at = time.monotonic(), time.time()
        before = {name: watch.seen[name].best for name in victims}
        states = self.master.do(victims, "service.status", SERVICE)
        if any(states.values()):
            raise Trouble(f"after service.stop some agents run: {states}")
        wait_until("the pause", lambda: time.monotonic() >= stopped + STOPPED_SECONDS, STOPPED_SECONDS + 1)
        meanwhile = max(watch.seen[name].progress for name in sites[first] if name not in victims)
        self.say(f"service.start {SERVICE} on {', '.join(victims)}")
        self.master.do(victims, "service.start", SERVICE)
        return {
            "gateway": gateway,
            "site": first,
            "members": [member, third],
            "at": at,
            "progress_before": before,
            "progress_of_others": meanwhile,
            "seconds": round(time.monotonic() - stopped, 1),
        }

    def bound(self) -> float:
        """The size over the best path's rate."""
        return self.size / self.bed.network.links[0].bytes_per_second

    def complete(self, watch: Watch) -> None:
        """Waits for all, and says how far they are."""
        shown = 0.0

        def all_complete() -> bool:
            nonlocal shown
            if time.monotonic() > shown + 10:
                shown = time.monotonic()
                self.say("  ".join(f"{name.removeprefix('client-')}:{progress(watch.seen[name])}" for name in self.wanting))
            return all(watch.seen[name].complete for name in self.wanting)

        wait_until("all clients are complete", all_complete, 3 * self.bound() + 120)
        self.say("all clients are complete")

    def statuses(self) -> dict[str, dict]:
        """What `narrows.status` says of the content, on every client."""
        answers = self.master.do("client-*", "narrows.status")
        return {name: answer["content"].get(CONTENT, {}) for name, answer in answers.items()}

    def begun_on_clients(self, jobs: list[Job]) -> dict[str, float]:
        """When each client's minion began the state run, by its log."""
        begun = {}
        for job in jobs:
            for name in job.minions:
                line = next(line for line in self.bed.clients[name].minion_log() if job.jid in line)
                begun[name] = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
        return begun


def state_seconds(jobs: list[Job], most: int = 8) -> dict[str, float]:
    """Which states took longest, on the client where they did."""
    longest: dict[str, float] = {}
    for job in jobs:
        for states in job.values().values():
            for state in states.values():
                name = state["__id__"]
                longest[name] = max(longest.get(name, 0.0), round(state["duration"] / 1000, 3))
    return dict(sorted(longest.items(), key=lambda item: -item[1])[:most])


def progress(seen: Seen) -> str:
    """For the line while it runs."""
    return f"{seen.progress:.0%}" if seen.up else "off"


def write(path: Path, data: object) -> None:
    """JSON is YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))


def interrupted(number: int, _: object) -> None:
    """SIGTERM and SIGINT end it as an error would: everything is removed, undisturbed by another signal."""
    for other in (signal.SIGTERM, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    """The exit status: 0 what is expected of the rollout came true; 69 it cannot be run here."""
    parser = argparse.ArgumentParser(prog="fleet.demo", description=__doc__)
    parser.add_argument("--formula", type=Path, default=REPOSITORY / "salt", help="what is put into file_roots")
    parser.add_argument("--programs", type=Path, default=os.environ.get("NARROWS_BIN_DIR"), help="their folder")
    parser.add_argument("--size-mb", type=int, default=int(os.environ.get("NARROWS_FLEET_SIZE_MB", "500")))
    parser.add_argument("--report", type=Path, default=os.environ.get("NARROWS_FLEET_REPORT"), help="JSON goes there")
    options = parser.parse_args()
    if not enter.is_inside():
        reason = enter.why_not() or no_programs(options.programs)
        if reason:
            print(reason, file=sys.stderr)
            return 69
        return enter.start([sys.executable, "-m", "fleet.demo", *sys.argv[1:]], Path(__file__).parents[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupted)
    try:
        with Bed(options.formula.resolve(), options.programs.resolve()) as bed:
            result = Demo(bed, options.size_mb * 1_000_000).run()
    except Trouble as trouble:
        print(f"fleet: {trouble}", file=sys.stderr)
        return 1
    if options.report:
        options.report.write_text(json.dumps(result, indent=2) + "\n")
    print(report.words(result))
    return 0


def no_programs(folder: Path | None) -> str | None:
    """Why there is nothing to run, if so."""
    for name in ("narrows-agent", "narrows-tracker"):
        if not folder or not (folder / name).is_file():
            return f"the fleet needs {name}; set NARROWS_BIN_DIR to the folder of the built programs"
    return None


if __name__ == "__main__":
    sys.exit(main())
