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
import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import shipped  # noqa: E402
from harness import answers, free_port, program_folder, until  # noqa: E402

# alerts that have to fire while the test looks on: of these alone `for` is shortened
AWAITED = ("NarrowsSiteMapRefused", "NarrowsSiteStarved")
SHORTER = rf"/alert: ({'|'.join(AWAITED)})$/,/for:/ s/for: .*/for: 2s/"

# more than a whole run takes
WHOLE = "15m"


class Lab:
    """
    A rollout in which a gateway is killed and all seeders are away for a while, and which is held at its end.
    """

    COMMAND = (
        "--json --hold --size 90MB --seeds hq=2 --clients b1=3,b2=2 --kill b1:gateway@25% --timeout 240".split()
        + ["--event", "stop seeders @60% for 10s", "--sites", HERE / "sites.yaml"]
    )

    def __init__(self, root, programs):
        self.root, self.said, self.result = root, root / "lab.err", root / "lab.json"
        root.mkdir()
        with open(self.said, "wb") as said, open(self.result, "wb") as result:
            command = [programs / "narrows-lab", "--bin-dir", programs, "--keep", root / "run", *self.COMMAND]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=result, stderr=said)
        self.tracker = root / "run/tracker"
        config = until(lambda: self._alive() and self._config(), "the lab has configured a tracker")
        self.admin, self.announce = config["admin"], f"http://{config['listen']}/announce"
        until(lambda: self._alive() and self.metrics(self.admin), "the tracker answers")

    def _config(self):
        file = self.tracker / "tracker.yaml"
        config = yaml.safe_load(file.read_text()) if file.exists() else None
        return config if config and "torrents" in config else None

    def _alive(self):
        assert self.process.poll() is None, self.said.read_text()
        return True

    def await_end(self):
        until(lambda: self._alive() and "until standard input ends" in self.said.read_text(), "all is complete", 300)

    def metrics(self, address):
        text = answers(f"http://{address}/metrics")
        return text and text.decode()

    def agent(self):
        """
        The address of a client's metrics.
        """
        return yaml.safe_load((self.root / "run/agents/b1-0/agent.yaml").read_text())["control"]

    def stranger(self):
        """
        An announce from the tracker's own address, which is in no site.
        """
        contents = until(lambda: json.loads(answers(f"http://{self.admin}/status"))["contents"], "there is a rollout")
        info_hash = bytes.fromhex(contents[0]["info_hash"])
        query = {"info_hash": info_hash, "peer_id": b"-XX0000-000000000000", "port": 6881, "left": 1, "uploaded": 0, "downloaded": 0}
        assert b"failure reason" in answers(f"{self.announce}?{urllib.parse.urlencode(query)}")

    def release(self):
        self.process.stdin.close()
        assert self.process.wait(120) == 0, self.said.read_text()
        return json.loads(self.result.read_text())

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


class Prometheus:
    """
    The shipped configuration, once a second instead of every 15 and 30, on a free port.
    """

    def __init__(self, root, admin):
        (root / "rules").mkdir(parents=True)
        config = (shipped.SHIPPED / "prometheus.yml").read_text()
        config, addresses = re.subn(r"127\.0\.0\.1:6970", admin, config)
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
        self.exposed = {"tracker": lab.metrics(lab.admin), "agent": lab.metrics(lab.agent())}
        self.targets = prometheus.ask("targets", state="active")["activeTargets"]
        self.starved_resolved = until(lambda: "NarrowsSiteStarved" not in prometheus.firing(), "nobody is starved any more")
        sites = lab.tracker / "sites.yaml"
        right = sites.read_text()
        sites.write_text(right.replace("between: [hq, b2]", "between: [hq, b3]"))
        until(lambda: "NarrowsSiteMapRefused" in prometheus.firing(), "the alert on the refused map fires")
        sites.write_text(right)
        until(lambda: "NarrowsSiteMapRefused" not in prometheus.firing(), "it is resolved")
        self.rules = prometheus.ask("rules")["groups"]
        self.lab = lab.release()


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    programs = program_folder("narrows-lab", "narrows-tracker", "narrows-agent")
    if not programs:
        pytest.fail("no narrows-lab, narrows-tracker and narrows-agent: build them, or set NARROWS_BIN_DIR")
    root = tmp_path_factory.mktemp("live")
    lab = Lab(root / "lab", programs)
    try:
        prometheus = Prometheus(root / "prometheus", lab.admin)
        try:
            yield Run(lab, prometheus)
        finally:
            prometheus.stop()
    finally:
        lab.stop()
