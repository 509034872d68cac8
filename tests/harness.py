"""
What the Python tests of Salt, of Prometheus and of the page share: waiting, ports, our programs, a rollout in the lab.
"""

import json
import os
import pathlib
import random
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATIENCE = 60
_RANDOM = random.SystemRandom()
# ports that `free_port` gave: mostly no program listens there yet
_GIVEN = set()


def until(condition, what, patience=PATIENCE):
    """
    Waits until `condition()` is true and returns it. `what` is a text, or a function that says at the end what is missing.
    """
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {patience} s still not: {what() if callable(what) else what}"
        time.sleep(0.05)


def free_port(host="127.0.0.1"):
    """
    A port that no program listens on, and that this gives once: by chance alone, one test run in ten had two programs with the
    same. Not one that the system would give: of those it gives away more, to connections and to tests beside this one,
    before ours is in use. Each of pytest's workers has its own.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        system = int(file.read().split()[0])
    while True:
        port = _RANDOM.randrange(10000, max(system, 20000))
        if port % workers != worker or port in _GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
                _GIVEN.add(port)
                return port
            except OSError:
                continue


def answers(url):
    """
    The body, or None while there is no answer.
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


def address(file, key):
    """
    The address behind a key of a tracker.yaml or an agent.yaml that the lab has written.
    """
    # the benches that use this file do without it
    import yaml

    return yaml.safe_load(file.read_text())[key]


class Lab:
    """
    A rollout in narrows-lab, in the new folder `root`. At its end everything stays until `release` or `stop`.
    """

    PROGRAMS = ("narrows-lab", "narrows-tracker", "narrows-agent")

    def __init__(self, root, sites, arguments):
        programs = program_folder(*self.PROGRAMS)
        assert programs, f"no {', '.join(self.PROGRAMS)}: build them, or set NARROWS_BIN_DIR"
        root.mkdir()
        self.root, self.said, self.result = root / "run", root / "lab.err", root / "lab.json"
        command = [programs / "narrows-lab", "--bin-dir", programs, "--keep", self.root, "--sites", sites, "--json", "--hold"]
        with open(self.said, "wb") as said, open(self.result, "wb") as result:
            self.process = subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=result, stderr=said)
        self.tracker = self.root / "tracker/tracker.yaml"
        try:
            until(lambda: self._alive() and self._is_configured(), "the lab has configured a tracker")
            self.url = f"http://{address(self.tracker, 'admin')}/"
            until(lambda: self._alive() and answers(f"{self.url}healthz"), "the tracker answers")
            until(lambda: self._alive() and self.status()["contents"], "there is a rollout")
        except BaseException:
            self.stop()
            raise

    def _alive(self):
        assert self.process.poll() is None, self.said.read_text()
        return True

    def _is_configured(self):
        return self.tracker.exists() and "torrents:" in self.tracker.read_text()

    def status(self):
        """
        What the tracker's `/status` says.
        """
        with urllib.request.urlopen(f"{self.url}status", timeout=10) as answer:
            return json.load(answer)

    def await_end(self):
        until(lambda: self._alive() and "until standard input ends" in self.said.read_text(), "all is complete", 300)

    def release(self):
        """
        Lets it end, and returns its report.
        """
        self.process.stdin.close()
        assert self.process.wait(120) == 0, self.said.read_text()
        return json.loads(self.result.read_text())

    def stop(self):
        """
        Ends it where it is still there.
        """
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
