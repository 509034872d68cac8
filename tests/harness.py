"""
What the Python tests of Salt and of Prometheus share: waiting, ports, our programs.
"""

import os
import pathlib
import random
import socket
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATIENCE = 60
# the system's, for pytest's workers must not draw the same numbers
_RANDOM = random.SystemRandom()


def until(condition, what, patience=PATIENCE):
    """
    Waits until `condition()` is true and returns it.
    """
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {patience} s still not: {what}"
        time.sleep(0.05)


def free_port(host="127.0.0.1"):
    """
    A port that nobody listens on. Not one that the system would give: of those it gives away more, to connections and to
    tests beside this one, before ours is in use.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        system = int(file.read().split()[0])
    while True:
        port = _RANDOM.randrange(10000, max(system, 20000))
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue


def answers(url):
    """
    The body, or None while nobody answers.
    """
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read()
    except OSError:
        return None


def program_folder(*names):
    """
    The folder of our programs: NARROWS_BIN_DIR, or the workspace's builds; None if they are not built.
    """
    given = os.environ.get("NARROWS_BIN_DIR")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    for folder in [pathlib.Path(given)] if given else [target / "release", target / "debug"]:
        if all((folder / name).exists() for name in names):
            return folder.resolve()
    return None
