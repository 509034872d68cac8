"""
The shipped Prometheus beside machines that announce themselves as agents and are none.
"""

import http.client
import http.server
import subprocess
import threading
import urllib.parse

import pytest
import yaml
from conftest import HERE, Prometheus
from harness import answers, free_port, program_folder, until

# one of a branch for each, and one outside for what is not to be reached
REDIRECTS, FLOODS, SPEAKS_FOR_THE_TRACKER, IS_HONEST, TRAP = (f"127.2.0.{n}" for n in (66, 67, 68, 69, 70))
SERIES = 200_000


class Machine:
    """
    Answers every request as `answer` says, and keeps the paths that it was asked for.
    """

    def __init__(self, host, answer):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # Prometheus has had enough

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((host, free_port(host)), Handler)
        self.address = "{}:{}".format(*self.server.server_address)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def metrics(text):
    return 200, {"Content-Type": "text/plain; version=0.0.4"}, text.encode()


def flood():
    return metrics("".join(f'narrows_agent_flood{{n="{n}"}} 1\n' for n in range(SERIES)))


def imitation():
    """
    What would raise alerts if the tracker said it.
    """
    content = 'content="rollout",info_hash="0000000000000000000000000000000000000000"'
    lines = [
        "narrows_tracker_site_map_valid 0",
        "narrows_tracker_torrents_broken 9",
        f"narrows_tracker_starved_sites{{{content}}} 9",
        f"narrows_tracker_starved_leechers{{{content}}} 9",
        f'site_content:narrows_tracker_leechers_able:sum{{site="b1",{content}}} 9',
        'up{job="narrows-tracker",instance="127.0.0.1:1"} 0',
        'narrows_agent_disk_free_bytes{job="narrows-tracker",site="hq",id="seeder"} 5e10',
        "narrows_agent_disk_size_bytes 1e11",
    ]
    return metrics("\n".join(lines) + "\n")


class Tracker:
    """
    narrows-tracker with the sites of the rollouts, and what announces to it.
    """

    def __init__(self, root):
        programs = program_folder("narrows-tracker")
        assert programs, "no narrows-tracker: build it, or set NARROWS_BIN_DIR"
        root.mkdir()
        self.listen, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        config = {"listen": self.listen, "admin": self.admin, "site_map": str(HERE / "sites.yaml")}
        (root / "tracker.yaml").write_text(yaml.safe_dump(config))
        with open(root / "tracker.log", "wb") as log:
            command = [programs / "narrows-tracker", "run", "--config", root / "tracker.yaml"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        until(lambda: answers(f"http://{self.admin}/healthz"), "the tracker answers")

    def announce(self, host, agent, metrics_port):
        query = {"info_hash": b"\0" * 20, "peer_id": b"-XX0000-000000000000", "port": 6881, "left": 0, "uploaded": 0}
        query |= {"downloaded": 0, "event": "started", "narrows": 1, "agent": agent, "metrics": metrics_port}
        connection = http.client.HTTPConnection(self.listen, timeout=10, source_address=(host, 0))
        connection.request("GET", f"/announce?{urllib.parse.urlencode(query)}")
        answer = connection.getresponse().read()
        connection.close()
        assert b"failure" not in answer, answer

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """
    Prometheus once it has asked each of them three times, and the machines by address.
    """
    root = tmp_path_factory.mktemp("hostile")
    trap = Machine(TRAP, metrics("narrows_agent_trapped 1\n"))
    machines = {
        TRAP: trap,
        REDIRECTS: Machine(REDIRECTS, (302, {"Location": f"http://{trap.address}/admin?delete=everything"}, b"")),
        FLOODS: Machine(FLOODS, flood()),
        SPEAKS_FOR_THE_TRACKER: Machine(SPEAKS_FOR_THE_TRACKER, imitation()),
        IS_HONEST: Machine(IS_HONEST, metrics("narrows_agent_disk_free_bytes 5e10\nnarrows_agent_disk_size_bytes 1e11\n")),
    }
    tracker = Tracker(root / "tracker")
    prometheus = None
    try:
        for host, machine in machines.items():
            if machine is not trap:
                tracker.announce(host, f"pc-{host}", machine.port)
        prometheus = Prometheus(root / "prometheus", f"http://{tracker.admin}")
        hostile = [machine for machine in machines.values() if machine is not trap]
        until(lambda: all(len(machine.asked) >= 3 for machine in hostile), "Prometheus has asked all of them", 120)
        # a scrape is stored when it has ended, and rules come after it
        until(lambda: prometheus.query('narrows_agent_disk_free_bytes{id="pc-127.2.0.69"}'), "the honest one is stored")
        yield prometheus, machines
    finally:
        if prometheus:
            prometheus.stop()
        tracker.stop()
        for machine in machines.values():
            machine.stop()


def up(prometheus):
    return {labels["instance"].split(":")[0]: value for labels, value in prometheus.query('up{job="narrows-agent"}')}


def test_nobody_leads_prometheus_elsewhere(world):
    prometheus, machines = world
    assert machines[TRAP].asked == []
    assert up(prometheus)[REDIRECTS] == 0


def test_a_flood_of_series_is_not_stored(world):
    prometheus, _ = world
    assert up(prometheus)[FLOODS] == 0
    assert prometheus.query("count(narrows_agent_flood)") == []
    [(_, stored)] = prometheus.query("sum(scrape_samples_post_metric_relabeling)")
    assert stored < 10_000


def test_an_agent_does_not_speak_for_the_tracker_nor_for_another_agent(world):
    prometheus, _ = world
    jobs = {labels["job"] for labels, _ in prometheus.query('{__name__=~".*narrows_tracker_.*",job!=""}')}
    assert jobs == {"narrows-tracker"}
    instances = {labels["instance"] for labels, _ in prometheus.query('up{job="narrows-tracker"}')}
    assert "127.0.0.1:1" not in instances and len(instances) == 1
    said = prometheus.query('narrows_agent_disk_free_bytes{instance=~"127.2.0.68:.*"}')
    assert [(labels["site"], labels["id"], labels["job"]) for labels, _ in said] == [("b1", "pc-127.2.0.68", "narrows-agent")]


def test_no_alert_is_raised_by_what_they_say(world):
    prometheus, _ = world
    pending = {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]}
    assert pending <= {"NarrowsAgentWithoutTracker"}, pending
