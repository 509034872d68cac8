"""
Masterless minions of the Salt that runs the tests, and real trackers and agents for them. Nothing outside of a test's
own folder and the loopback is touched.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import urllib.request

import pytest

SUPPORT = pathlib.Path(__file__).resolve().parent / "support"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from harness import PATIENCE, ROOT, answers, free_port, program_folder, until  # noqa: E402

# the pure parts are imported as they are, without Salt's loader
sys.path[:0] = [str(ROOT / "salt" / folder) for folder in ("_utils", "_beacons")]


@pytest.fixture(scope="session")
def programs():
    """
    The folder of narrows-agent and narrows-tracker: NARROWS_BIN_DIR, or the workspace's builds.
    """
    folder = program_folder("narrows-agent", "narrows-tracker")
    if folder:
        return folder
    pytest.fail("no narrows-agent and narrows-tracker: build them (cargo build --release), or set NARROWS_BIN_DIR")


@pytest.fixture(scope="session")
def salt_modules(tmp_path_factory):
    """
    The custom modules, synced once; each minion gets a copy.
    """
    root = tmp_path_factory.mktemp("sync")
    opts = _options(root, root / "ext", {})
    import salt.client

    synced = salt.client.Caller(mopts=opts).cmd("saltutil.sync_all")
    assert "modules.narrows" in synced["modules"], synced
    return root / "ext"


def _options(root, modules, more):
    import salt.config

    for folder in ("etc", "pillar", "srv"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    config = {
        "root_dir": str(root),
        "pki_dir": "/pki",
        "cachedir": "/cache",
        "sock_dir": "/run",
        "log_file": "/log",
        "extension_modules": str(modules),
        "id": "client-1",
        "file_client": "local",
        "file_roots": {"base": [str(ROOT / "salt"), str(SUPPORT), str(root / "srv")]},
        "pillar_roots": {"base": [str(root / "pillar")]},
        "enable_fqdns_grains": False,
        "enable_gpu_grains": False,
        # as after fileserver.clear_file_list_cache
        "fileserver_list_cache_time": 0,
        "log_level": "error",
        **more,
    }
    file = root / "etc" / "minion"
    file.write_text(json.dumps(config))
    return salt.config.minion_config(str(file))


class Minion:
    """
    A masterless minion whose agent and tracker live below `root`; `more` goes into its configuration.
    """

    def __init__(self, root, programs, modules, **more):
        self.root, self.programs = root, programs
        self.units = root / "units"
        self.units.mkdir(parents=True)
        shutil.copytree(modules, root / "ext")
        (root / "etc").mkdir()
        self.opts = _options(
            root,
            root / "ext",
            {
                "process_service": str(self.units),
                "narrows.config": str(root / "conf/agent.yaml"),
                "narrows.tracker_config": str(root / "conf/tracker.yaml"),
                **more,
            },
        )
        self.listen, self.control = free_port(), free_port()
        self.pillar = {
            "lookup": {
                "agent": {
                    "binary": str(root / "bin/narrows-agent"),
                    "config": str(root / "conf/agent.yaml"),
                    "torrents": str(root / "conf/torrents"),
                    "data": str(root / "data"),
                    "state": str(root / "state"),
                    "unit": str(self.units / "narrows-agent.service"),
                    "user": None,
                    "group": "root",
                },
                "tracker": {
                    "binary": str(root / "bin/narrows-tracker"),
                    "config": str(root / "conf/tracker.yaml"),
                    "site_map": str(root / "conf/sites.yaml"),
                    "token": str(root / "conf/admin.token"),
                    "torrents": str(root / "tracked"),
                    "state": str(root / "tracker-state"),
                    "unit": str(self.units / "narrows-tracker.service"),
                    "user": None,
                    "group": "root",
                },
            },
            "agent": {
                "source": str(programs / "narrows-agent"),
                "config": {"listen": f"127.0.0.1:{self.listen}", "control": f"127.0.0.1:{self.control}"},
            },
        }

    @property
    def config(self):
        return self.root / "conf/agent.yaml"

    def caller(self):
        """
        A client that has read the pillar as it is now.
        """
        import salt.client

        (self.root / "pillar/top.sls").write_text(json.dumps({"base": {"*": ["narrows"]}}))
        (self.root / "pillar/narrows.sls").write_text(json.dumps({"narrows": self.pillar}))
        return salt.client.Caller(mopts=dict(self.opts))

    def call(self, function, *args, **kwargs):
        return self.caller().cmd(function, *args, **kwargs)

    def apply(self, sls, test=False):
        """
        The states by id, as (function, result, comment, changes); an error of rendering is the test's.
        """
        returned = self.caller().cmd("state.apply", sls, test=test)
        assert isinstance(returned, dict), returned
        return {key.split("_|-")[1]: state for key, state in returned.items()}

    def state(self, function, test=False, **kwargs):
        """
        One state's return.
        """
        returned = self.caller().cmd("state.single", function, test=test, **kwargs)
        assert isinstance(returned, dict), returned
        return next(iter(returned.values()))

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/status", timeout=5) as answer:
            return json.load(answer)

    def stop(self):
        for name in ("narrows-agent", "narrows-tracker"):
            if (self.units / f"{name}.service").exists():
                self.call("service.stop", name)


def failed(states):
    return {key: state["comment"] for key, state in states.items() if state["result"] is False}


def changed(states):
    return {key: state["changes"] for key, state in states.items() if state["changes"]}


@pytest.fixture
def minion(tmp_path, programs, salt_modules):
    minion = Minion(tmp_path / "minion", programs, salt_modules)
    yield minion
    minion.stop()


class Source:
    """
    A tracker and a seeder on the loopback, with contents made for the test.
    """

    def __init__(self, root, programs):
        self.root, self.programs = root, programs
        self.processes = []
        (root / "torrents").mkdir(parents=True)
        (root / "sites.yaml").write_text("version: 1\nsites: {lab: {networks: [127.0.0.0/8]}}\nlinks: []\n")
        self.tracker_port, admin = free_port(), free_port()
        (root / "tracker.yaml").write_text(
            f"listen: 127.0.0.1:{self.tracker_port}\nadmin: 127.0.0.1:{admin}\nsite_map: sites.yaml\ntorrents: torrents\n"
            "interval: {seeder: 5s, leecher: 2s, gateway: 2s, min: 1s}\n"
        )
        self.url = f"http://127.0.0.1:{self.tracker_port}/announce"
        self._start("narrows-tracker", "tracker.yaml")
        until(lambda: answers(f"http://127.0.0.1:{admin}/healthz"), "the tracker answers")
        self.contents = {}

    def _start(self, program, config):
        with open(self.root / f"{program}.log", "ab") as log:
            command = [self.programs / program, "run", "--config", self.root / config]
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def content(self, name, size=3_000_000, seeded=True, file="payload.bin"):
        """
        Makes a content and its pillar: `torrent` (a path), `info_hash`, `file`, and `sha256` of its file.
        """
        folder = self.root / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        block = hashlib.sha256(name.encode()).digest()
        data = (block * (size // len(block) + 1))[:size]
        (folder / file).write_bytes(data)
        torrent = self.root / "torrents" / f"{name}.torrent"
        command = [self.programs / "narrows-agent", "create", folder / file, "--tracker", self.url, "--output", torrent]
        said = subprocess.run(command, check=True, text=True, capture_output=True).stdout
        content = {
            "torrent": str(torrent),
            "info_hash": said.split("info hash ")[1].strip(),
            "file": file,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        self.contents[name] = content
        if seeded:
            self.seed()
        return {key: content[key] for key in ("torrent", "info_hash", "file")}

    def seed(self):
        """
        Runs the seeder with all contents.
        """
        port, control = free_port(), free_port()
        lines = [f"listen: 127.0.0.1:{port}", f"control: 127.0.0.1:{control}", "state: state", "data: data", "content:"]
        lines += [f"  - {{torrent: torrents/{name}.torrent, target: data/{name}}}" for name in self.contents]
        (self.root / "agent.yaml").write_text("\n".join(lines) + "\n")
        self.stop_seeding()
        self._start("narrows-agent", "agent.yaml")

        def seeding():
            answer = answers(f"http://127.0.0.1:{control}/status")
            return answer and all(content["state"] == "seeding" for content in json.loads(answer)["content"])

        until(seeding, "the seeder has everything")

    def stop_seeding(self):
        for process in self.processes[1:]:
            process.terminate()
            process.wait(PATIENCE)
        del self.processes[1:]

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(PATIENCE)


@pytest.fixture
def source(tmp_path, programs):
    source = Source(tmp_path / "source", programs)
    yield source
    source.stop()


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
