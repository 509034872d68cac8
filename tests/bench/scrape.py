#!/usr/bin/env python3
"""
How long the tracker takes to answer Prometheus, and what that does to announces.

    cargo build --release -p narrows-tracker
    python3 tests/bench/scrape.py [--agents 10000] [--contents 100] [--sites 200] [--bin-dir target/release]

Starts a tracker on the loopback with a map of so many sites, has every agent announce every content (half of the
contents are being rolled out, the others are everywhere), then measures /metrics, /sd and announces, the latter without and
while Prometheus scrapes without a pause. Ends the tracker.
"""

import argparse
import contextlib
import http.client
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import answers, free_port, until  # noqa: E402

BATCH = 500


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--contents", type=int, default=100)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--hold", action="store_true", help="say where the page is, and wait for Enter at the end")
    parser.add_argument("--bin-dir", type=pathlib.Path, default=root / "target/release")
    return parser.parse_args()


def site_map(sites):
    lines = ["version: 1", "sites:"] + [f"  s{n:03}: {{networks: [10.{n}.0.0/16]}}" for n in range(sites)]
    lines += ["links:"] + [f"  - {{between: [s000, s{n:03}], rate: {10 + n % 90} Mbit/s}}" for n in range(1, sites)]
    return "\n".join(lines) + "\n"


def announce(options, agent, content):
    """
    The request of one agent: those of site 0 are seeders; odd contents are everywhere.
    """
    site, host = agent % options.sites, agent // options.sites
    left = 0 if site == 0 or content % 2 else 1_000_000_000 - (agent * 7919 + content) % 900_000_000
    gateway = host == 0 and left
    name = f"agent-{agent:05}"
    return (
        f"GET /announce?info_hash={'%01' * 19}%{content:02x}&peer_id=-NW0100-{agent:012}&port=6881&uploaded=0&downloaded=0&left={left}"
        f"&compact=1&narrows=1&agent={name}&role={'gateway' if gateway else 'member'}&wan={(1_000_000_000 - left) if gateway else 0}&metrics=6882"
        f" HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 10.{site}.{host // 250}.{host % 250 + 1}\r\n\r\n"
    ).encode()


def fill(options, port):
    """
    Everybody announces everything, many requests at a time over one connection.
    """
    connection = socket.create_connection(("127.0.0.1", port))
    received = connection.makefile("rb", 1 << 20)
    pairs = [(agent, content) for content in range(options.contents) for agent in range(options.agents)]
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        connection.sendall(b"".join(announce(options, *pair) for pair in batch))
        for _ in batch:
            body = read_reply(received)
            assert b"failure reason" not in body, body
    connection.close()
    return len(pairs)


def read_reply(received):
    length = 0
    while (line := received.readline()) != b"\r\n":
        assert line, "the tracker has closed the connection"
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return received.read(length)


def fetch(admin, path):
    """
    (seconds, body)
    """
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=60)
    begun = time.perf_counter()
    connection.request("GET", path)
    body = connection.getresponse().read()
    return time.perf_counter() - begun, body


def latencies(options, port, count=4000):
    """
    Seconds that announces take, one after the other, sorted.
    """
    rng, took = random.Random(1), []
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = connection.makefile("rb")
    for _ in range(count):
        request = announce(options, rng.randrange(options.agents), rng.randrange(options.contents))
        begun = time.perf_counter()
        connection.sendall(request)
        read_reply(received)
        took.append(time.perf_counter() - begun)
    connection.close()
    return sorted(took)


def show_page(admin, count=5):
    """
    What the page is told every second, and what it asks.
    """
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=60)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    sizes = []
    while len(sizes) < count:
        line = answer.readline()
        if line.startswith(b"data: "):
            sizes.append(len(line))
    connection.close()
    print(f"/events: {max(sizes) / 1e3:.0f} kB a second")
    content = "01" * 19 + "00"
    for path in (f"/rollout?content={content}", f"/agents?site=s001&content={content}"):
        show(path.split("?")[0], sorted(fetch(admin, path)[0] for _ in range(20)))


def show(name, took):
    part = lambda share: took[min(int(len(took) * share), len(took) - 1)] * 1000  # noqa: E731
    print(f"{name:<34} p50 {part(0.5):7.2f} ms   p99 {part(0.99):7.2f}   max {took[-1] * 1000:7.2f}")


@contextlib.contextmanager
def running(bin_dir, sites):
    """
    A tracker with a map of so many sites: its ports for announces and for us. Ends with the block.
    """
    with tempfile.TemporaryDirectory(prefix="narrows-scrape-") as folder:
        folder = pathlib.Path(folder)
        port, admin = free_port(), free_port()
        (folder / "sites.yaml").write_text(site_map(sites))
        (folder / "tracker.yaml").write_text(
            f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\nsite_map: sites.yaml\ntrusted_proxies: [127.0.0.1]\n"
        )
        command = [bin_dir / "narrows-tracker", "run", "--config", folder / "tracker.yaml"]
        tracker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: answers(f"http://127.0.0.1:{admin}/healthz"), "the tracker answers")
            yield port, admin
        finally:
            tracker.send_signal(signal.SIGTERM)
            tracker.wait(30)


def main():
    options = arguments()
    assert options.sites <= 250 and options.contents <= 256 and options.agents <= options.sites * 62_500
    with running(options.bin_dir, options.sites) as (port, admin):
        begun = time.perf_counter()
        announces = fill(options, port)
        seconds = time.perf_counter() - begun
        print(f"{announces} announces of {options.agents} agents at {options.sites} sites, {options.contents} contents: {seconds:.0f} s")
        scrapes = sorted(fetch(admin, "/metrics")[0] for _ in range(30))
        _, text = fetch(admin, "/metrics")
        series = sum(not line.startswith(b"#") for line in text.splitlines())
        print(f"/metrics: {series} series, {len(text) / 1e6:.2f} MB")
        show("/metrics", scrapes)
        show("/sd", sorted(fetch(admin, "/sd")[0] for _ in range(10)))
        show("announce, without scrapes", latencies(options, port))
        done = threading.Event()

        def scrape_on():
            while not done.is_set():
                fetch(admin, "/metrics")

        scraper = threading.Thread(target=scrape_on)
        scraper.start()
        try:
            show("announce, scrapes without a pause", latencies(options, port))
        finally:
            done.set()
            scraper.join()
        show_page(admin)
        if options.hold:
            input(f"http://127.0.0.1:{admin}/ is the page; Enter ends it\n")


if __name__ == "__main__":
    main()
