"""
What the Python tests of Salt and of Prometheus share: waiting, ports, our programs.
"""

import os
import pathlib
import socket
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATIENCE = 60


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
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


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
