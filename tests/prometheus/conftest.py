"""
A real Prometheus with the shipped configuration and rules, beside a rollout in the lab.
"""

import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import shipped  # noqa: E402
from harness import Lab, address, answers, free_port, until  # noqa: E402

# alerts that have to fire while the test looks on: of these alone `for` is shortened
AWAITED = ("NarrowsSiteMapRefused", "NarrowsSiteStarved")
SHORTER = rf"/alert: ({'|'.join(AWAITED)})$/,/for:/ s/for: .*/for: 2s/"

# more than a whole run takes
WHOLE = "15m"


class Rollout(Lab):
    """
    Two gateways are killed in it, since one may be back before another is named in its place, and all seeders are away
    for a while.
    """

    ARGUMENTS = (
        "--size 90MB --seeds hq=2 --clients b1=3,b2=2 --kill b1:gateway@25% --kill b1:gateway@40% --timeout 240".split()
        + ["--event", "stop seeders @60% for 10s"]
    )

    def __init__(self, root):
        super().__init__(root, HERE / "sites.yaml", self.ARGUMENTS)

    def exposed(self, file, key):
        """
        The metrics that are served at an address in a configuration.
        """
        url = f"http://{address(file, key)}/metrics"
        return until(lambda: answers(url), f"{file} has its metrics served").decode()

    def stranger(self):
        """
        An announce from the tracker's own address, which is in no site.
        """
        info_hash = bytes.fromhex(self.status()["contents"][0]["info_hash"])
        query = {"info_hash": info_hash, "peer_id": b"-XX0000-000000000000", "port": 6881, "left": 1, "uploaded": 0, "downloaded": 0}
        announce = f"http://{address(self.tracker, 'listen')}/announce?{urllib.parse.urlencode(query)}"
        assert b"failure reason" in until(lambda: answers(announce), "the tracker answers an announce")


class Prometheus:
    """
    The shipped configuration, once a second instead of every 15 and 30, on a free port.
    """

    def __init__(self, root, tracker):
        (root / "rules").mkdir(parents=True)
        config = (shipped.SHIPPED / "prometheus.yml").read_text()
        config, addresses = re.subn(r"127\.0\.0\.1:6970", urllib.parse.urlsplit(tracker).netloc, config)
        config, intervals = re.subn(r"(_interval): \d+s", r"\1: 1s", config)
        assert (addresses, intervals) == (3, 4), "prometheus.yml is not what this test knows"
        (root / "prometheus.yml").write_text(config)
        with open(root / "rules/narrows.yml", "wb") as rules:
            subprocess.run(["sed", "-E", SHORTER, shipped.SHIPPED / "rules/narrows.yml"], stdout=rules, check=True)
        self.url, self.began = f"http://127.0.0.1:{free_port()}", time.time()
        command = [
            "prometheus",
            f"--config.file={root / 'prometheus.yml'}",
            f"--storage.tsdb.path={root / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        self.log = root / "prometheus.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: self._alive() and answers(f"{self.url}/-/ready"), "Prometheus is ready")

    def _alive(self):
        assert self.process.poll() is None, self.log.read_text()
        return True

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expr, **more):
        """
        (labels, value) of each series now, or at `time`.
        """
        found = self.ask("query", query=expr, **more)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def samples(self, selector):
        """
        (labels, [(time, value)]) of each series, all that is stored.
        """
        found = self.ask("query", query=f"{selector}[{WHOLE}]")["result"]
        return [(series["metric"], [(at, float(value)) for at, value in series["values"]]) for series in found]

    def over_time(self, expr):
        """
        The values of each series while the test ran.
        """
        return self.ask("query_range", query=expr, start=self.began, end=time.time(), step=2)["result"]

    def firing(self):
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Run:
    """
    What was seen while all of it ran.
    """

    def __init__(self, lab, prometheus):
        self.prometheus = prometheus
        # from the beginning on, so that what is stored has its first increase
        lab.stranger()
        lab.await_end()
        lab.stranger()
        complete = "min(narrows_tracker_rollout_complete_ratio)"
        until(lambda: [value for _, value in prometheus.query(complete)] == [1], "Prometheus has heard that all is complete")
        client = lab.root / "agents/b1-0/agent.yaml"
        self.exposed = {"tracker": lab.exposed(lab.tracker, "admin"), "agent": lab.exposed(client, "control")}
        self.targets = self._scraped(lab)
        self.starved_resolved = until(lambda: "NarrowsSiteStarved" not in prometheus.firing(), "no client is starved any more")
        sites = lab.tracker.with_name("sites.yaml")
        right = sites.read_text()
        sites.write_text(right.replace("between: [hq, b2]", "between: [hq, b3]"))
        until(lambda: "NarrowsSiteMapRefused" in prometheus.firing(), "the alert on the refused map fires")
        sites.write_text(right)
        until(lambda: "NarrowsSiteMapRefused" not in prometheus.firing(), "it is resolved")
        self.rules = prometheus.ask("rules")["groups"]
        self.lab = lab.release()

    def _scraped(self, lab):
        """
        Prometheus' targets once it has found as many agents as there are, and reached all. It takes a few seconds to find
        those that were away, and on a busy machine a scrape fails that may last no more than a second.
        """
        there = len(list((lab.root / "agents").iterdir())) + 1

        def targets():
            return self.prometheus.ask("targets", state="active")["activeTargets"]

        def all_up():
            found = targets()
            return found if [target["health"] for target in found] == ["up"] * there else None

        return until(all_up, lambda: f"the tracker and all agents, {there} together, are found and reached: {targets()}")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("live")
    lab = Rollout(root / "lab")
    try:
        prometheus = Prometheus(root / "prometheus", lab.url)
        try:
            yield Run(lab, prometheus)
        finally:
            prometheus.stop()
    finally:
        lab.stop()
