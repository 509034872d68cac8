#!/usr/bin/python3
"""What a fault costs a rollout: real agents and a real tracker on the loopback, links as slow as the tracker says.

usage: tests/bench/faults.py SCENARIO [--runs 20] [--bin-dir target/release] [--patience 60]

| scenario | what happens | what is printed |
|---|---|---|
| kill, stop, freeze, slow | one leecher (12 MB) beside two complete neighbours, uploads 8 and 40 Mbit/s; at 90 % the fast one gets SIGKILL, SIGTERM, SIGSTOP, or sends 1 kbit/s from then on | seconds from the fault to complete (7 % of it are the slow one's) |
| slow-upstream | three clients fetch 16 MB at 16 Mbit/s from one of two seeders at hq; at 20 % it sends 500 kbit/s from then on | time over the bound, copies across the link |
| slow-gateway | the first of three clients takes 500 kbit/s, the others what comes; 64 MB at 16 Mbit/s | the same, of the others |
| restart-idle | a seeder at hq and a complete neighbour; the tracker restarts (SIGTERM), a newcomer starts beside the neighbour | seconds to its first piece and to complete, copies across the link |
| restart-kill | the same, SIGKILL, the snapshot deleted: nothing is kept | the same |
| restart-joiners | two clients fetch 20 MB at 16 Mbit/s; at 30 % the tracker restarts (SIGTERM) and four more start | time over the bound, copies across the link |
| restart-joiners-kill | the same, SIGKILL, the snapshot deleted | the same |
| clones | six agents with one id fetch 6 MB across a link of 16 Mbit/s | the same |
| slow-supply | three newcomers beside a complete neighbour that sends 500 kbit/s, the link idle at 16 Mbit/s, 6 MB | the same |

A run that is not complete after `--patience` seconds counts as "stands still". Pair two builds with two calls, one
after the other, on an idle machine.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MB = 10**6
# the second byte of hq's addresses; b1's is one more
HQ = 1


def hq(host):
    return f"127.{HQ}.0.{host}"


def b1(host):
    return f"127.{HQ + 1}.0.{host}"


def get_json(url):
    """The body as JSON, or None while there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


class World:
    """A tracker, a content and agents below a folder; ended with `end`."""

    def __init__(self, folder, bin_dir, size, rate):
        self.folder, self.bin_dir, self.size = folder, bin_dir, size
        self.processes = []
        (folder / "torrents").mkdir()
        (folder / "tracker").mkdir()
        (folder / "sites.yaml").write_text(
            f"version: 1\nsites:\n  hq: {{networks: [{hq(0)}/16]}}\n  b1: {{networks: [{b1(0)}/16]}}\n"
            f"links:\n  - {{between: [hq, b1], rate: {rate}}}\n"
        )
        (folder / "tracker.yaml").write_text(
            f"listen: {hq(2)}:6969\nadmin: {hq(2)}:6970\nsite_map: sites.yaml\ntorrents: torrents/\n"
            f"state: {folder}/tracker\n"
        )
        content = folder / "source" / "office"
        content.parent.mkdir()
        content.write_bytes(os.urandom(size))
        subprocess.run(
            [bin_dir / "narrows-agent", "create", content, "--tracker", f"http://{hq(2)}:6969/announce",
             "--output", folder / "torrents/office.torrent"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.tracker = None
        self.start_tracker()

    def start_tracker(self):
        self.tracker = self._run("tracker.log", "narrows-tracker", "run", "--config", self.folder / "tracker.yaml")
        self.until(lambda: get_json(f"http://{hq(2)}:6970/status") is not None, "the tracker answers")

    def restart_tracker(self, how, meanwhile=lambda: None):
        """SIGKILL also deletes the snapshot."""
        self.tracker.send_signal(how)
        self.tracker.wait(20)
        if how == signal.SIGKILL:
            for file in (self.folder / "tracker").iterdir():
                file.unlink()
        meanwhile()
        self.start_tracker()

    def agent(self, name, ip, whole=False, upload="unlimited", download="unlimited", agent_id=None):
        home = self.folder / name
        (home / "data").mkdir(parents=True)
        if whole:
            (home / "data" / "office").write_bytes((self.folder / "source/office").read_bytes())
        agent = Agent(name, ip, home)
        agent.configure(agent_id or name, (upload, download), self.folder / "torrents/office.torrent")
        agent.process = self._run(f"{name}.log", "narrows-agent", "run", "--config", home / "agent.yaml")
        if whole:
            self.until(lambda: agent.content().get("state") == "seeding", f"{name} seeds")
        return agent

    def _run(self, log, program, *arguments):
        with open(self.folder / log, "ab") as file:
            process = subprocess.Popen([self.bin_dir / program, *arguments], stdout=file, stderr=file)
        self.processes.append(process)
        return process

    def until(self, condition, what, patience=30.0):
        """Seconds until `condition()` holds; None after `patience`."""
        begin = time.monotonic()
        while not condition():
            if time.monotonic() > begin + patience:
                return None
            time.sleep(0.02)
        return time.monotonic() - begin

    def seeders(self):
        """As the tracker knows them."""
        status = get_json(f"http://{hq(2)}:6970/status")
        return status["contents"][0]["seeders"] if status and status["contents"] else 0

    def copies(self, agents):
        """Bytes across links over the content's size."""
        return sum(agent.content().get("bytes_wan", 0) for agent in agents) / self.size

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait(20)


class Agent:
    """One machine."""

    def __init__(self, name, ip, home):
        self.name, self.ip, self.home, self.process = name, ip, home, None
        self.arguments = None

    def configure(self, agent_id, limits, torrent):
        self.arguments = (agent_id, torrent)
        (self.home / "agent.yaml").write_text(
            f"id: {agent_id}\nlisten: {self.ip}:6881\ncontrol: {self.ip}:6882\ndata: {self.home}/data\n"
            f"state: {self.home}/state\nlimits: {{upload: {limits[0]}, download: {limits[1]}}}\ncontent:\n  - torrent: {torrent}\n"
        )

    def limit(self, upload):
        agent_id, torrent = self.arguments
        self.configure(agent_id, (upload, "unlimited"), torrent)
        self.process.send_signal(signal.SIGHUP)

    def content(self):
        status = get_json(f"http://{self.ip}:6882/status")
        return status["content"][0] if status and status["content"] else {}

    def progress(self):
        return self.content().get("progress", 0.0)

    def complete(self):
        return self.content().get("state") == "seeding"


def last_pieces(world, what, patience):
    world.agent("slow", b1(11), whole=True, upload="8 Mbit/s")
    fast = world.agent("fast", b1(12), whole=True, upload="40 Mbit/s")
    leecher = world.agent("leecher", b1(10))
    world.until(lambda: leecher.progress() >= 0.9, "90 %")
    if what == "slow":
        fast.limit("1 kbit/s")
    else:
        fast.process.send_signal({"kill": signal.SIGKILL, "stop": signal.SIGTERM, "freeze": signal.SIGSTOP}[what])
    return {"seconds": world.until(leecher.complete, "complete", patience)}


def restart_idle(world, what, patience):
    world.agent("seeder", hq(11), whole=True)
    world.agent("neighbour", b1(11), whole=True)
    # a seeder says that it seeds before it has announced
    world.until(lambda: world.seeders() == 2, "both have announced")
    world.restart_tracker(signal.SIGKILL if what == "restart-kill" else signal.SIGTERM)
    newcomer = world.agent("newcomer", b1(10))
    begin = time.monotonic()
    first = world.until(lambda: newcomer.content().get("bytes_done", 0) > 0, "a piece", patience)
    done = world.until(newcomer.complete, "complete", patience)
    done = done and time.monotonic() - begin
    return {"first": first, "seconds": done, "copies": world.copies([newcomer])}


def over_bound(world, agents, begin, rate, patience):
    done = world.until(lambda: all(agent.complete() for agent in agents), "complete", patience)
    seconds = done and time.monotonic() - begin
    bound = world.size * 8 / rate
    return {"seconds": seconds, "over bound": seconds and seconds / bound, "copies": world.copies(agents)}


def restart_joiners(world, what, patience):
    world.agent("seeder", hq(11), whole=True)
    begin = time.monotonic()
    agents = [world.agent(f"b1-{n}", b1(20 + n)) for n in range(2)]
    world.until(lambda: max(agent.progress() for agent in agents) >= 0.3, "30 %")
    join = lambda: agents.extend([world.agent(f"b1-{n}", b1(20 + n)) for n in range(2, 6)])  # noqa: E731
    world.restart_tracker(signal.SIGKILL if what.endswith("kill") else signal.SIGTERM, join)
    return over_bound(world, agents, begin, 16 * MB, patience)


def clones(world, _, patience):
    world.agent("seeder", hq(11), whole=True)
    begin = time.monotonic()
    agents = [world.agent(f"b1-{n}", b1(20 + n), agent_id="vm") for n in range(6)]
    return over_bound(world, agents, begin, 16 * MB, patience)


def slow_supply(world, _, patience):
    world.agent("seeder", hq(11), whole=True)
    world.agent("neighbour", b1(11), whole=True, upload="500 kbit/s")
    begin = time.monotonic()
    agents = [world.agent(f"b1-{n}", b1(20 + n)) for n in range(3)]
    return over_bound(world, agents, begin, 16 * MB, patience)


def slow_upstream(world, _, patience):
    seeders = [world.agent(f"seeder-{n}", hq(11 + n), whole=True) for n in range(2)]
    world.until(lambda: world.seeders() == 2, "both have announced")
    begin = time.monotonic()
    agents = [world.agent(f"b1-{n}", b1(20 + n)) for n in range(3)]
    world.until(lambda: max(agent.progress() for agent in agents) >= 0.2, "20 %")
    max(seeders, key=lambda seeder: seeder.content().get("uploaded_wan", 0)).limit("500 kbit/s")
    return over_bound(world, agents, begin, 16 * MB, patience)


def slow_gateway(world, _, patience):
    world.agent("seeder", hq(11), whole=True)
    begin = time.monotonic()
    gateway = world.agent("b1-0", b1(20), download="500 kbit/s")
    world.until(lambda: gateway.progress() > 0, "the first piece")
    agents = [world.agent(f"b1-{n}", b1(20 + n)) for n in range(1, 3)]
    return over_bound(world, agents, begin, 16 * MB, patience)


# how, bytes, the link's rate
SCENARIOS = {
    "kill": (last_pieces, 12 * MB, "16 Mbit/s"),
    "stop": (last_pieces, 12 * MB, "16 Mbit/s"),
    "freeze": (last_pieces, 12 * MB, "16 Mbit/s"),
    "slow": (last_pieces, 12 * MB, "16 Mbit/s"),
    "slow-upstream": (slow_upstream, 16 * MB, "16 Mbit/s"),
    "slow-gateway": (slow_gateway, 64 * MB, "16 Mbit/s"),
    "restart-idle": (restart_idle, 8 * MB, "16 Mbit/s"),
    "restart-kill": (restart_idle, 8 * MB, "16 Mbit/s"),
    "restart-joiners": (restart_joiners, 20 * MB, "16 Mbit/s"),
    "restart-joiners-kill": (restart_joiners, 20 * MB, "16 Mbit/s"),
    "clones": (clones, 6 * MB, "16 Mbit/s"),
    "slow-supply": (slow_supply, 6 * MB, "16 Mbit/s"),
}


def run(scenario, bin_dir, patience):
    how, size, rate = SCENARIOS[scenario]
    with tempfile.TemporaryDirectory(prefix="narrows-faults-") as folder:
        world = World(pathlib.Path(folder), bin_dir, size, rate)
        try:
            return how(world, scenario, patience)
        finally:
            world.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which a run stands still")
    parser.add_argument("--bin-dir", type=pathlib.Path, default=ROOT / "target/release")
    parser.add_argument("--net", type=int, default=1, help="second byte of the addresses, for runs beside each other")
    arguments = parser.parse_args()
    global HQ
    HQ = arguments.net
    results = []
    for number in range(arguments.runs):
        results.append(run(arguments.scenario, arguments.bin_dir.resolve(), arguments.patience))
        print(f"{arguments.scenario} {number + 1}: {json.dumps(results[-1])}", file=sys.stderr)
    still = sum(result["seconds"] is None for result in results)
    for key in results[0]:
        values = [result[key] for result in results if result[key] is not None]
        if values:
            least, middle, most = min(values), statistics.median(values), max(values)
            print(f"{arguments.scenario}: {key}: least {least:.2f}, median {middle:.2f}, most {most:.2f} of {len(values)}")
    print(f"{arguments.scenario}: {still} of {len(results)} stand still after {arguments.patience:.0f} s")


if __name__ == "__main__":
    main()
