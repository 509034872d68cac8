#!/usr/bin/env python3
"""
What the first minute of a rollout costs the tracker: agents of thousands of sites join one swarm, and ten.

    cargo build --release -p narrows-tracker
    python3 tests/bench/herd.py [--sites 2000] [--connections 32] [--bin-dir target/release]      # wants wrk

Starts a tracker on the loopback for each of: a tree of links and a meshed map (headquarters, a fiftieth of the sites are
regions in a ring, branches behind them), one swarm and ten. One seeder is at headquarters. Then one agent of every
other site joins each swarm, through a trusted proxy, and announces again as a gateway; at the end the only seeder of one is a
rogue that comes and goes. It prints announces a
second, the tracker's CPU for each (all threads: planning too), how long the answers took, and how many agents were
not handed a peer to fetch from. Ends the tracker.
"""

import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import answers, free_port, until  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=2000)
    parser.add_argument("--swarms", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--maps", nargs="+", default=["tree", "mesh"], choices=["tree", "mesh"])
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--joining", type=int, default=30, help="seconds in which they all have joined")
    parser.add_argument("--settled", type=int, default=5, help="seconds in which they announce again")
    parser.add_argument("--wait", type=int, default=15, help="seconds in between")
    parser.add_argument("--bin-dir", type=pathlib.Path, default=HERE.parents[1] / "target/release")
    return parser.parse_args()


def site_map(sites, kind):
    """
    Site n is 10.(n / 256).(n % 256).0/24; 0 is headquarters, 1 to sites / 50 are regions, the others are branches.
    """
    rng, regions = random.Random(16), sites // 50
    lines = ["version: 1", "sites:"] + [f"  s{n:04}: {{networks: [10.{n // 256}.{n % 256}.0/24]}}" for n in range(sites)]
    links = [(0, n, rng.randint(100, 1000)) for n in range(1, regions + 1)]
    links += [(1 + n % regions, n, rng.randint(2, 50)) for n in range(regions + 1, sites)]
    if kind == "mesh":
        links += [(n, n % regions + 1, rng.randint(100, 1000)) for n in range(1, regions + 1)]
    lines += ["links:"] + [f"  - {{between: [s{a:04}, s{b:04}], rate: {rate} Mbit/s}}" for a, b, rate in links]
    return "\n".join(lines) + "\n"


def cpu(pid):
    """
    Seconds of CPU that a process has used.
    """
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def announce(port, site, swarm, event):
    """
    One request of an agent of this site.
    """
    query = (
        f"info_hash={'%01' * 19}%{swarm:02x}&peer_id=-NW0100-{site + 900_000:012d}&port=6881&uploaded=0&downloaded=0&left=0"
        f"&compact=1&narrows=1&agent=seeder-{site}&key={site + 1:08x}&event={event}"
    )
    headers = {"X-Forwarded-For": f"10.{site // 256}.{site % 256}.250"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/announce?{query}", headers=headers)
    assert b"failure" not in urllib.request.urlopen(request).read()


def rogue(port, turns=50):
    """
    The only seeder is one that comes and goes: seconds that each of its announces took, sorted.
    """
    took = []
    announce(port, 0, 1, "stopped")
    for _ in range(turns):
        for event in ("started", "stopped"):
            begun = time.perf_counter()
            announce(port, 1, 1, event)
            took.append(time.perf_counter() - begun)
    return sorted(took)


def load(options, port, swarms, again):
    environment = {**os.environ, "SITES": str(options.sites), "SWARMS": str(swarms)}
    if again:
        environment["AGAIN"] = "1"
    seconds = options.settled if again else options.joining
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", HERE / "herd.lua"]
    out = subprocess.run([*command, f"http://127.0.0.1:{port}"], env=environment, capture_output=True, text=True, check=True)
    [line] = [line for line in out.stdout.splitlines() if line.startswith("answered=")]
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


def show(name, found, used):
    answered = found["answered"]
    print(
        f"{name:<28} {answered:7.0f} announces {answered / found['seconds']:8.0f}/s   CPU {used * 1e6 / answered:7.1f} us each   "
        f"p50 {found['p50_ms']:7.2f} ms   p99 {found['p99_ms']:7.2f} ms   max {found['max_ms']:7.1f} ms   unfed {found['unfed']:.0f}",
        flush=True,
    )


def run(options, kind, swarms):
    with tempfile.TemporaryDirectory() as folder:
        folder, port, admin = pathlib.Path(folder), free_port(), free_port()
        (folder / "sites.yaml").write_text(site_map(options.sites, kind))
        config = f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\nsite_map: sites.yaml\ntrusted_proxies: [127.0.0.0/8]\n"
        (folder / "tracker.yaml").write_text(config)
        command = [options.bin_dir / "narrows-tracker", "run", "--config", folder / "tracker.yaml"]
        tracker = subprocess.Popen(command, env={**os.environ, "RUST_LOG": "error"})
        try:
            until(lambda: answers(f"http://127.0.0.1:{admin}/status"), "the tracker")
            for swarm in range(1, swarms + 1):
                announce(port, 0, swarm, "started")
            for again in (False, True):
                if again:
                    time.sleep(options.wait)
                before = cpu(tracker.pid)
                found = load(options, port, swarms, again)
                if not again:
                    # what is planned beside the requests is part of what joining costs
                    time.sleep(options.wait)
                show(f"{kind}, {swarms} swarm{'s' * (swarms > 1)}, {'settled' if again else 'joining'}", found, cpu(tracker.pid) - before)
            before = cpu(tracker.pid)
            took = rogue(port)
            each = (cpu(tracker.pid) - before) * 1e3 / len(took)
            print(
                f"{kind}, {swarms} swarm{'s' * (swarms > 1)}, a rogue seeder comes and goes: CPU {each:.1f} ms an announce   "
                f"p50 {took[len(took) // 2] * 1e3:.1f} ms   max {took[-1] * 1e3:.1f} ms",
                flush=True,
            )
        finally:
            tracker.terminate()
            tracker.wait()


def main():
    options = arguments()
    load_average = " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])
    print(f"{options.sites} sites, {options.connections} connections; load average before: {load_average}")
    for kind in options.maps:
        for swarms in options.swarms:
            run(options, kind, swarms)


if __name__ == "__main__":
    main()
