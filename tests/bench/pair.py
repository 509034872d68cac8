#!/usr/bin/python3
"""One seeder to one leecher on loopback: Narrows beside libtorrent and aria2, in one run.

usage: tests/bench/pair.py [--size 1GB] [--players narrows,libtorrent,aria2] [--rounds 3] [--bin-dir target/release]

For each player it prints the wall-clock seconds from the leecher's start to "complete and verified", the CPU
seconds of both processes and their memory (RssAnon: what is really theirs; VmHWM: with mapped files). The
machine's load average is printed too: trust CPU seconds and ratios before wall-clock seconds.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACKER = "127.9.0.1:16969"
ADMIN = "127.9.0.1:16970"
TICKS = os.sysconf("SC_CLK_TCK")


def size_of(text: str) -> int:
    for suffix, factor in (("GB", 10**9), ("MB", 10**6), ("GiB", 2**30), ("MiB", 2**20)):
        if text.endswith(suffix):
            return int(float(text[: -len(suffix)]) * factor)
    return int(text)


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> dict:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = {}
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key in ("RssAnon", "VmHWM"):
            found[key] = round(int(value.split()[0]) / 1024, 1)
    return found


def wait_for(what, probe, limit=600.0, pause=0.02):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if probe():
            return
        time.sleep(pause)
    raise SystemExit(f"waited {limit} s for {what}")


def get_json(url: str, body=None):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


class Narrows:
    """Our agent."""

    def __init__(self, ip, data, torrent, scratch, bin_dir):
        config = scratch / "agent.yaml"
        config.write_text(
            f"id: bench-{ip}\nlisten: {ip}:16881\ncontrol: {ip}:16882\ndata: {data}\nstate: {scratch}/state\n"
            f"content:\n  - torrent: {torrent}\n"
        )
        self.ip = ip
        self.process = subprocess.Popen(
            [bin_dir / "narrows-agent", "run", "--config", config],
            stdout=open(scratch / "log", "w"),
            stderr=subprocess.STDOUT,
        )

    def complete(self):
        status = get_json(f"http://{self.ip}:16882/status")
        return bool(status) and status["content"][0]["state"] == "seeding"


class Libtorrent:
    """Debian's python3-libtorrent with its default settings but for discovery."""

    def __init__(self, ip, data, torrent, scratch, bin_dir):
        self.log = scratch / "log"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", ROOT / "tests/clients/libtorrent_peer.py", torrent, data, ip, "16883"],
            stdin=subprocess.PIPE,
            stdout=open(self.log, "w"),
            stderr=open(scratch / "errors", "w"),
        )

    def complete(self):
        lines = self.log.read_text().splitlines()
        return bool(lines) and json.loads(lines[-1])["seeding"]


class Aria2:
    """aria2c with its default settings but for discovery."""

    def __init__(self, ip, data, torrent, scratch, bin_dir):
        self.ip = ip
        self.process = subprocess.Popen(
            [
                "aria2c", "--no-conf", f"--interface={ip}", "--listen-port=16884", f"--dir={data}",
                "--enable-rpc", "--rpc-listen-all=true", f"--rpc-listen-port={16885 + int(ip.split('.')[3])}",
                "--seed-ratio=0.0", "--check-integrity=true", "--enable-dht=false",
                "--enable-peer-exchange=false", "--bt-enable-lpd=false", "--bt-tracker-interval=1",
                "--file-allocation=none", torrent,
            ],
            stdout=open(scratch / "log", "w"),
            stderr=subprocess.STDOUT,
        )

    def complete(self):
        port = 16885 + int(self.ip.split(".")[3])
        call = {"jsonrpc": "2.0", "id": "b", "method": "aria2.tellActive", "params": [["seeder"]]}
        answer = get_json(f"http://{self.ip}:{port}/jsonrpc", call)
        return bool(answer) and bool(answer["result"]) and answer["result"][0].get("seeder") == "true"


PLAYERS = {"narrows": Narrows, "libtorrent": Libtorrent, "aria2": Aria2}


def one_round(player, number, source, torrent, work, bin_dir):
    scratch = {}
    for role in ("seeder", "leecher"):
        scratch[role] = work / f"{player}-{number}-{role}"
        scratch[role].mkdir()
    # fresh addresses a round: the tracker still knows the last round's peers
    base = 10 + 10 * number + 2 * list(PLAYERS).index(player)
    start = PLAYERS[player]
    seeder = start(f"127.9.0.{base}", source, torrent, scratch["seeder"], bin_dir)
    leecher = None
    try:
        wait_for(f"{player} to seed", seeder.complete)
        time.sleep(0.5)  # its announce is on its way; no program here tells when it arrived
        before = cpu_seconds(seeder.process.pid)
        data = scratch["leecher"] / "data"
        data.mkdir()
        begin = time.monotonic()
        leecher = start(f"127.9.0.{base + 1}", data, torrent, scratch["leecher"], bin_dir)
        wait_for(f"{player} to complete", leecher.complete)
        wall = time.monotonic() - begin
        row = {
            "wall": wall,
            "seeder_cpu": cpu_seconds(seeder.process.pid) - before,
            "leecher_cpu": cpu_seconds(leecher.process.pid),
            "seeder_memory": memory_mb(seeder.process.pid),
            "leecher_memory": memory_mb(leecher.process.pid),
        }
        shutil.rmtree(data)
        return row
    finally:
        for end in (seeder, leecher):
            if end:
                end.process.kill()
                end.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1GB")
    parser.add_argument("--players", default="narrows,libtorrent,aria2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bin-dir", type=pathlib.Path, default=ROOT / "target/release")
    parser.add_argument("--work", type=pathlib.Path, default=None, help="where content and copies go")
    arguments = parser.parse_args()
    size = size_of(arguments.size)
    work = pathlib.Path(tempfile.mkdtemp(prefix="narrows-pair-", dir=arguments.work))
    tracker = None
    try:
        source = work / "source"
        source.mkdir()
        with open(source / "payload.bin", "wb") as payload:
            left = size
            while left:
                left -= payload.write(os.urandom(min(left, 16 << 20)))
        torrent = work / "torrents" / "payload.torrent"
        torrent.parent.mkdir()
        subprocess.run(
            [arguments.bin_dir / "narrows-agent", "create", source / "payload.bin", "--tracker",
             f"http://{TRACKER}/announce", "--output", torrent],
            check=True,
        )
        (work / "sites.yaml").write_text("version: 1\nsites:\n  here: {networks: [127.0.0.0/8]}\nlinks: []\n")
        (work / "tracker.yaml").write_text(
            f"listen: {TRACKER}\nadmin: {ADMIN}\nsite_map: sites.yaml\ntorrents: torrents/\n"
            "interval: {seeder: 5s, leecher: 5s, gateway: 5s, min: 1s}\n"
        )
        tracker = subprocess.Popen(
            [arguments.bin_dir / "narrows-tracker", "run", "--config", work / "tracker.yaml"],
            stderr=open(work / "tracker.log", "w"),
        )
        wait_for("the tracker", lambda: get_json(f"http://{ADMIN}/status") is not None)
        rows = {}
        for number in range(arguments.rounds):
            for player in arguments.players.split(","):
                row = one_round(player, number, source, torrent, work, arguments.bin_dir)
                rows.setdefault(player, []).append(row)
        print(f"{size / 1e6:.0f} MB, median of {arguments.rounds}, load average {os.getloadavg()[0]:.1f}")
        print(f"{'player':<12}{'wall s':>8}{'ratio':>7}{'MiB/s':>8}{'seeder CPU s':>14}{'leecher CPU s':>15}"
              f"{'leecher anon MB':>17}{'HWM MB':>9}{'seeder anon MB':>16}")
        reference = None
        for player, got in rows.items():
            wall = statistics.median(row["wall"] for row in got)
            reference = reference or wall
            print(
                f"{player:<12}{wall:>8.2f}{wall / reference:>7.2f}{size / wall / 2**20:>8.0f}"
                f"{statistics.median(row['seeder_cpu'] for row in got):>14.2f}"
                f"{statistics.median(row['leecher_cpu'] for row in got):>15.2f}"
                f"{max(row['leecher_memory']['RssAnon'] for row in got):>17.1f}"
                f"{max(row['leecher_memory']['VmHWM'] for row in got):>9.1f}"
                f"{max(row['seeder_memory']['RssAnon'] for row in got):>16.1f}"
            )
        return 0
    finally:
        if tracker:
            tracker.kill()
            tracker.wait()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
