"""
The runner, the reactor and the orchestration with a real master and three minions on the loopback, as processes. (Twelve
booted clients behind shaped links are test_fleet.py.)
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from conftest import PATIENCE, ROOT, SUPPORT, free_port, sha256, until

CLIENTS = ("client-1", "client-2")


class Fleet:
    """
    A master, the tracker's minion and two clients.
    """

    def __init__(self, root, programs):
        self.root, self.programs = root, programs
        self.bin = pathlib.Path(sys.executable).parent
        self.processes = []
        self.tracker_port, self.admin = free_port(), free_port()
        for folder in ("srv", "pillar", "etc", "depot"):
            (root / folder).mkdir()
        self.publish_port, self.return_port = free_port(), free_port()
        self._master()
        for name in ("tracker-1", *CLIENTS):
            self._minion(name)

    def _master(self):
        config = {
            "root_dir": str(self.root / "m"),
            "pki_dir": "/pki",
            "cachedir": "/cache",
            "sock_dir": "/run",
            "log_file": "/log",
            "pidfile": "/run/master.pid",
            "interface": "127.0.0.1",
            "publish_port": self.publish_port,
            "ret_port": self.return_port,
            "auto_accept": True,
            "worker_threads": 3,
            "timeout": 15,
            "gather_job_timeout": 5,
            "user": "root",
            "file_roots": {"base": [str(self.root / "srv"), str(ROOT / "salt"), str(SUPPORT)]},
            "pillar_roots": {"base": [str(self.root / "pillar")]},
            "nodegroups": {"clients": "client-*"},
            "reactor": [
                {"salt/beacon/*/narrows/completed": ["salt://reactor/narrows/completed.sls"]},
                {"salt/beacon/*/narrows/idle": ["salt://reactor/narrows/idle.sls"]},
                {"salt/minion/*/start": ["salt://reactor/narrows/start.sls"]},
            ],
            "narrows": {"agent": str(self.programs / "narrows-agent")},
            "log_level_logfile": "info",
        }
        folder = self.root / "m/etc"
        folder.mkdir(parents=True)
        (folder / "master").write_text(json.dumps(config))
        places = self.root / "places"
        lookup = {}
        for part, program in (("agent", "narrows-agent"), ("tracker", "narrows-tracker")):
            base = f"{places}/{{{{ opts.id }}}}/{part}"
            lookup[part] = {
                "binary": f"{base}/bin/{program}",
                "config": f"{base}/{part}.yaml",
                "torrents": f"{base}/torrents",
                "state": f"{base}/state",
                "unit": f"{self.root}/{{{{ opts.id }}}}/units/{program}.service",
                "user": None,
                "group": "root",
            }
        lookup["agent"]["data"] = f"{places}/{{{{ opts.id }}}}/data"
        lookup["tracker"]["site_map"] = f"{places}/{{{{ opts.id }}}}/tracker/sites.yaml"
        self.pillar("places", {"lookup": lookup})
        self.pillar(
            "tracker",
            {
                "tracker": {
                    "source": str(self.programs / "narrows-tracker"),
                    "url": f"http://127.0.0.1:{self.tracker_port}/announce",
                    "config": {
                        "listen": f"127.0.0.1:{self.tracker_port}",
                        "admin": f"127.0.0.1:{self.admin}",
                        "interval": {"seeder": "5s", "leecher": "2s", "gateway": "2s", "min": "1s"},
                    },
                    "sites": {
                        "version": 1,
                        "sites": {"hq": {"networks": ["127.0.1.0/24"]}, "munich": {"networks": ["127.0.2.0/24"]}},
                        "links": [{"between": ["hq", "munich"], "rate": "800 Mbit/s"}],
                    },
                }
            },
        )
        self.control = {}
        for number, name in enumerate(CLIENTS, 1):
            self.control[name] = free_port()
            self.pillar(
                name,
                {
                    "agent": {
                        "source": str(self.programs / "narrows-agent"),
                        "beacon_interval": 1,
                        "idle_after": 3,
                        "config": {
                            "listen": f"127.0.{number}.1:{free_port(f'127.0.{number}.1')}",
                            "control": f"127.0.0.1:{self.control[name]}",
                            "names": "linux",
                        },
                    }
                },
            )
        top = {name: ["places", name, "narrows.content"] for name in CLIENTS}
        top["tracker-1"] = ["places", "tracker"]
        (self.root / "pillar/top.sls").write_text(json.dumps({"base": top}))
        empty = self.root / "pillar/narrows/content"
        empty.mkdir(parents=True)
        (empty / "init.sls").write_text("{}\n")
        (self.root / "srv/top.sls").write_text(json.dumps({"base": {"*": ["narrows"]}}))
        self._start("salt-master", folder)

    def pillar(self, name, data):
        (self.root / f"pillar/{name}.sls").write_text(json.dumps({"narrows": data}))

    def _minion(self, name):
        config = {
            "root_dir": str(self.root / name),
            "pki_dir": "/pki",
            "cachedir": "/cache",
            "sock_dir": "/run",
            "log_file": "/log",
            "pidfile": "/run/minion.pid",
            "extension_modules": "/ext",
            "user": "root",
            "id": name,
            "master": "127.0.0.1",
            "master_port": self.return_port,
            "publish_port": self.publish_port,
            "acceptance_wait_time": 1,
            "random_reauth_delay": 1,
            "recon_default": 200,
            "recon_max": 500,
            "enable_fqdns_grains": False,
            "enable_gpu_grains": False,
            "process_service": str(self.root / name / "units"),
            "narrows.config": str(self.root / f"places/{name}/agent/agent.yaml"),
            "narrows.tracker_config": str(self.root / f"places/{name}/tracker/tracker.yaml"),
            "log_level_logfile": "info",
        }
        folder = self.root / name / "etc"
        folder.mkdir(parents=True)
        (self.root / name / "units").mkdir()
        (folder / "minion").write_text(json.dumps(config))
        self._start("salt-minion", folder)

    def _start(self, program, folder):
        with open(folder / f"{program}.out", "ab") as out:
            command = [self.bin / program, "--disable-keepalive", "-c", folder]
            process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)

    @property
    def client(self):
        import salt.client

        return salt.client.LocalClient(str(self.root / "m/etc/master"))

    def do(self, target, function, *args, **kwargs):
        """
        What each minion returns; every one of them must answer.
        """
        names = ["tracker-1", *CLIENTS] if target == "*" else [target] if isinstance(target, str) else list(target)
        returned = self.client.cmd(names, function, list(args), kwarg=kwargs, tgt_type="list", timeout=60)
        assert set(returned) == set(names), returned
        return returned

    def run(self, function, *args, fails=False):
        """
        What `salt-run` prints, as data; its exit status says whether it failed.
        """
        command = [self.bin / "salt-run", "-c", self.root / "m/etc", "--out=json", "--log-level=quiet", function, *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert bool(done.returncode) == fails, (done.returncode, done.stdout, done.stderr)
        # progress comes first, each a document of its own
        decoder, text, found = json.JSONDecoder(), done.stdout.strip(), None
        while text:
            found, end = decoder.raw_decode(text)
            text = text[end:].strip()
        return found

    def _answer(self):
        from salt.exceptions import SaltClientError

        try:
            return set(self.client.cmd("*", "test.ping", timeout=5))
        except SaltClientError:
            return set()

    def begin(self):
        until(lambda: self._answer() == {"tracker-1", *CLIENTS}, "all minions answer", 120)
        self.do("*", "saltutil.sync_all")
        self.run("saltutil.sync_all")
        self.synced = time.monotonic()
        # the reactor's first run of the states may still be under way
        states = self.do("*", "state.apply", queue=True)
        for name, returned in states.items():
            assert isinstance(returned, dict), returned
            assert all(state["result"] for state in returned.values()), (name, returned)

    def end(self):
        for pids in self.root.glob("*/units/*.pid"):
            _end(int(pids.read_text().split()[0]), pids.parent)
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end(pid, units):
    """
    Ends an agent or tracker that a minion of ours started: its command line names our folder.
    """
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        if str(units.parents[1]).encode() in command:
            os.kill(pid, 15)
            until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), f"{pid} has ended")
    except (FileNotFoundError, ProcessLookupError):
        pass


@pytest.fixture(scope="module")
def fleet(programs):
    if os.geteuid() != 0:
        pytest.skip("a master with several minions needs root")
    # short, for the paths of Unix sockets
    root = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/nm.XXXXXX"], text=True).strip())
    fleet = Fleet(root, programs)
    try:
        fleet.begin()
        yield fleet
    finally:
        fleet.end()
        shutil.rmtree(root, ignore_errors=True)


def depot(fleet, name, text, size=2_000_000):
    """
    A file on the master to be published.
    """
    file = fleet.root / "depot" / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes((text.encode() * (size // len(text) + 1))[:size])
    return file


def publish(fleet, file, name, *more, fails=False):
    return fleet.run("narrows.publish", str(file), f"name={name}", *more, fails=fails)


def complete(fleet, name, count=2):
    return until(
        lambda: (r := fleet.run("narrows.rollout_status", name))["total"]["complete"] == count and r,
        f"{name} is complete on {count}",
        180,
    )


def test_one_command_publishes_and_the_clients_have_it_after_their_states(fleet):
    file = depot(fleet, "a/office.bin", "office ")
    done = publish(fleet, file, "office", f"target={fleet.root}/opt-{{}}".replace("{}", "x"), "tgt=N@clients", "seeder=client-1")
    assert done["changed"] and done["minions"] == 2 and done["size"] == 2_000_000
    assert (fleet.root / "srv/narrows/torrents" / f"office-{done['version']}.torrent").stat().st_size < 10_000
    assert fleet.do("tracker-1", "narrows_tracker.tracked")["tracker-1"] == {
        f"office-{done['version']}.torrent": done["info_hash"]
    }
    assert "content" not in fleet.do("tracker-1", "pillar.get", "narrows")["tracker-1"], "only those it is for"
    before = fleet.run("narrows.rollout_status", "office")
    assert {row["state"] for row in before["minions"].values()} == {"not assigned"}

    again = publish(fleet, file, "office", f"target={fleet.root}/opt-x", "tgt=clients", "tgt_type=nodegroup", "seeder=client-1")
    assert not again["changed"] and again["info_hash"] == done["info_hash"]

    states = fleet.do(CLIENTS, "state.apply", "narrows.content", queue=True)
    for returned in states.values():
        assert isinstance(returned, dict) and all(state["result"] for state in returned.values()), returned
    rollout = complete(fleet, "office")
    assert {name: site["complete"] for name, site in rollout["sites"].items()} == {"hq": 1, "munich": 1}
    assert sha256(fleet.root / "opt-x/office.bin") == sha256(file)
    table = fleet.run("narrows.rollout_status", "office", "table=true")
    assert "munich" in table and "100 %" in table
    assert fleet.run("narrows.published")["office"]["version"] == done["version"]


def test_a_changed_content_is_a_new_version_and_the_old_one_goes_when_the_new_one_is_everywhere(fleet):
    file = depot(fleet, "b/tool.bin", "one ")
    options = (f"target={fleet.root}/opt-tool", "tgt=client-*", "seeder=client-1", "apply=true")
    first = publish(fleet, file, "tool", *options)
    assert first["applied"] == {"client-1": True, "client-2": True}
    complete(fleet, "tool")
    # nothing overwrites what is being served: a new version is another file
    file.unlink()
    file = depot(fleet, "c/tool.bin", "two ")
    second = publish(fleet, file, "tool", *options[:3])
    assert second["changed"] and second["previous"] == [f"tool-{first['version']}.torrent"]
    tracked = fleet.do("tracker-1", "narrows_tracker.tracked")["tracker-1"]
    assert {f"tool-{first['version']}.torrent", f"tool-{second['version']}.torrent"} <= set(tracked)
    waiting = fleet.run("narrows.settle", "tool")
    assert waiting["retired"] == [] and waiting["waiting_for"] == 2
    fleet.do(CLIENTS, "state.apply", "narrows.content", queue=True)
    complete(fleet, "tool")
    # the reactor has settled it, or does so now
    until(lambda: fleet.run("narrows.settle", "tool")["retired"] or not fleet.run("narrows.published")["tool"]["previous"], "settled")
    tracked = fleet.do("tracker-1", "narrows_tracker.tracked")["tracker-1"]
    assert f"tool-{first['version']}.torrent" not in tracked and f"tool-{second['version']}.torrent" in tracked
    assert sha256(fleet.root / "opt-tool/tool.bin") == sha256(file)


def test_programs_links_and_names_for_linux_arrive_as_they_are(fleet):
    release = fleet.root / "depot/r/release"
    (release / "v1").mkdir(parents=True)
    (release / "v1/run.sh").write_text("#!/bin/sh\n")
    (release / "v1/run.sh").chmod(0o755)
    (release / "v1/File::Spec.3pm").write_text("a page\n")
    (release / "current").symlink_to("v1")
    options = (f"target={fleet.root}/opt-release", "tgt=client-*", "seeder=client-1", "apply=true")
    answer = fleet.run("narrows.publish", str(release), "name=release", *options, fails=True)
    assert "File::Spec.3pm" in answer and "names linux" in answer and "Traceback" not in answer
    publish(fleet, release, "release", *options, "names=linux")
    complete(fleet, "release")
    arrived = fleet.root / "opt-release/release"
    assert os.readlink(arrived / "current") == "v1"
    assert (arrived / "current/run.sh").stat().st_mode & 0o111 == 0o111
    assert (arrived / "v1/File::Spec.3pm").stat().st_mode & 0o111 == 0
    assert (arrived / "v1/File::Spec.3pm").read_text() == "a page\n"


def test_what_has_arrived_is_installed_by_the_reactor(fleet):
    (fleet.root / "srv/install").mkdir(exist_ok=True)
    (fleet.root / "srv/install/app.sls").write_text(
        "here:\n  narrows.present: [name: app]\n"
        f"app-installed:\n  file.managed:\n    - name: {fleet.root}/installed-{{{{ grains.id }}}}\n    - contents: done\n"
        "    - require: [narrows: here]\n"
    )
    # until then the reactor may know only the runners that there were before the sync (reactor_refresh_interval)
    until(lambda: time.monotonic() > fleet.synced + 61, "the reactor looks for runners again", 70)
    file = depot(fleet, "d/app.bin", "app ")
    publish(fleet, file, "app", f"target={fleet.root}/opt-app", "tgt=client-*", "seeder=client-1", "apply=true")
    for name in CLIENTS:
        until(lambda name=name: (fleet.root / f"installed-{name}").exists(), f"the reactor has installed it on {name}", 180)


def test_an_orchestration_assigns_waits_and_then_runs_a_state(fleet):
    (fleet.root / "srv/after.sls").write_text(
        f"after:\n  file.managed: [name: '{fleet.root}/after-{{{{ grains.id }}}}', contents: done]\n"
    )
    file = depot(fleet, "e/orch.bin", "orch ")
    publish(fleet, file, "orch", f"target={fleet.root}/opt-orch", "tgt=client-*", "seeder=client-1")
    pillar = json.dumps({"rollout": {"name": "orch", "percent": 100, "timeout": 60, "then": "after"}})
    returned = fleet.run("state.orchestrate", "narrows.orch.rollout", f"pillar={pillar}")
    states = next(iter(returned["data"].values()))
    assert all(state["result"] for state in states.values()), returned
    assert all((fleet.root / f"after-{name}").exists() for name in CLIENTS)
    missing = fleet.run("state.orchestrate", "narrows.orch.rollout", 'pillar={"rollout": {"name": "none"}}', fails=True)
    assert "No content none has been published" in json.dumps(missing)


def test_the_brake_is_one_command_and_so_is_its_release(fleet):
    file = depot(fleet, "f/brake.bin", "brake ")
    done = publish(fleet, file, "brake", f"target={fleet.root}/opt-brake", "tgt=client-*", "seeder=client-1")
    assert [content["info_hash"] for content in fleet.run("narrows.stop", "brake")["contents"]] == [done["info_hash"]]
    fleet.do(CLIENTS, "state.apply", "narrows.content", queue=True)
    until(lambda: fleet.do("client-1", "narrows.status", "brake")["client-1"]["complete"], "the seeder has it")
    held = time.monotonic() + 3
    until(lambda: time.monotonic() > held, "the brake holds for a while", 5)
    assert fleet.do("client-2", "narrows.status", "brake")["client-2"]["bytes_wan"] == 0
    assert fleet.run("narrows.start", "brake")["contents"] == []
    complete(fleet, "brake")
    assert fleet.run("narrows.stop", "all")["all"] is True
    assert fleet.run("narrows.start", "all")["all"] is False


def test_a_retired_content_is_forgotten_and_purged(fleet):
    file = depot(fleet, "g/gone.bin", "gone ")
    publish(fleet, file, "gone", f"target={fleet.root}/opt-gone", "tgt=client-2", "seeder=client-1", "apply=true")
    complete(fleet, "gone")
    done = fleet.run("narrows.retire", "gone", "purge=true")
    assert len(done["retired"]) == 1 and done["minions"] == 2
    states = fleet.do("client-2", "state.apply", "narrows.content", queue=True)["client-2"]
    assert all(state["result"] for state in states.values()), states
    assert not (fleet.root / "opt-gone/gone.bin").exists()
    assert "gone" not in fleet.do("client-2", "narrows.status")["client-2"]["content"]
    assert fleet.run("narrows.retire", "gone", "forget=true")["forgotten"]
    assert "gone" not in fleet.run("narrows.published")


def test_a_minion_that_is_off_has_not_answered_and_joins_by_itself_when_it_is_back(fleet):
    file = depot(fleet, "h/early.bin", "early ")
    publish(fleet, file, "early", f"target={fleet.root}/opt-early", "tgt=client-*", "seeder=client-1", "apply=true")
    complete(fleet, "early")
    assert fleet.run("narrows.rollout_status", "early")["minions"]["client-2"]["site"] == "munich"
    # switched off: a minion that is asked to end may take longer than anybody waits
    process = fleet.processes[-1]
    process.kill()
    process.wait(PATIENCE)
    file = depot(fleet, "h/late.bin", "late ")
    done = publish(fleet, file, "late", f"target={fleet.root}/opt-late", "tgt=client-*", "seeder=client-1", "apply=true")
    assert done["applied"] == {"client-1": True, "client-2": None}
    rollout = fleet.run("narrows.rollout_status", "late", "timeout=3")
    assert rollout["minions"]["client-2"]["state"] == "no answer"
    assert rollout["minions"]["client-2"]["site"] == "munich", "where it was last"
    fleet._start("salt-minion", fleet.root / "client-2/etc")
    complete(fleet, "late")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("/none/such", "name=x", "target=/opt"), "There is no /none/such on the master"),
        (("/etc/hostname", "name=a b", "target=/opt"), "cannot be called"),
        (("/etc/hostname", "name=x", "target=opt"), "absolute path"),
        (("/etc/hostname", "name=x", "target=/opt", "tgt_type=pillar"), "tgt_type is pillar; write one of"),
        (("/etc/hostname", "name=x", "target=/opt", "tgt=munch-*", "seeder=client-1"), "tgt matches no minion but the seeder"),
    ],
)
def test_what_cannot_be_published_is_one_sentence_and_changes_nothing(fleet, arguments, said):
    before = fleet.run("narrows.published")
    answer = fleet.run("narrows.publish", *arguments, fails=True)
    assert said in answer and "Traceback" not in answer
    assert fleet.run("narrows.published") == before
    for function in ("rollout_status", "retire", "stop", "settle", "wait"):
        answer = fleet.run(f"narrows.{function}", "nothing", fails=True)
        assert "No content nothing has been published" in answer and "Traceback" not in answer


def test_without_the_tracker_nothing_is_published_and_the_sentence_says_why(fleet):
    fleet.do("tracker-1", "service.stop", "narrows-tracker")
    answer = fleet.run("narrows.stop", "all", fails=True)
    assert "The tracker does not answer" in answer and "start its service" in answer
    fleet.do("tracker-1", "service.start", "narrows-tracker")
    assert fleet.run("narrows.start", "all", fails=True)


def test_an_agent_on_demand_rests_when_its_site_needs_it_no_more(fleet):
    wanted = json.loads((fleet.root / "pillar/client-2.sls").read_text())["narrows"]
    wanted["agent"]["active"] = "on_demand"
    fleet.pillar("client-2", wanted)
    fleet.do("client-2", "saltutil.refresh_pillar", wait=True)
    file = depot(fleet, "i/rest.bin", "rest ")
    publish(fleet, file, "rest", f"target={fleet.root}/opt-rest", "tgt=client-2", "seeder=client-1", "apply=true")
    complete(fleet, "rest")
    until(lambda: not fleet.do("client-2", "service.status", "narrows-agent")["client-2"], "its agent rests", 180)
    assert complete(fleet, "rest")["minions"]["client-2"]["state"] == "resting"
    states = fleet.do("client-2", "state.apply", "narrows.content", queue=True)["client-2"]
    assert all(state["result"] for state in states.values()), states
    assert fleet.run("narrows.rest", "client-1") == {
        "minion": "client-1",
        "stopped": False,
        "why": "its agent is not on demand",
    }


def test_events_that_another_minion_forges_make_no_minion_do_what_it_would_not(fleet):
    file = depot(fleet, "j/forged.bin", "forged ")
    publish(fleet, file, "forged", f"target={fleet.root}/opt-forged", "tgt=client-*", "seeder=client-1")
    (fleet.root / "srv/install").mkdir(exist_ok=True)
    (fleet.root / "srv/install/forged.sls").write_text("forged:\n  test.nop: []\n")
    for event in ("completed", "idle"):
        tag, said = f"salt/beacon/client-2/narrows/{event}", {"id": "client-2", "content": "forged"}
        assert fleet.do("client-1", "event.send", tag, said)["client-1"]
    assert fleet.run("narrows.install", "forged", "client-2") == {
        "minion": "client-2",
        "installed": False,
        "why": "it does not have forged",
    }
    for name in ("client-3", "client-2\n", "../client-2", "*", "client-*"):
        assert fleet.run("narrows.join", name)["why"] == "no accepted minion is called that"
        assert fleet.run("narrows.rest", name)["stopped"] is False
        assert not fleet.run("narrows.install", "forged", name)["installed"]
    fleet.run("narrows.join", "client-2")
    assert fleet.run("narrows.join", "client-2") == {"minion": "client-2", "joined": False, "why": "it has just joined"}


def test_a_minion_that_answers_nonsense_or_from_nowhere_hides_no_other_one(fleet):
    file = depot(fleet, "k/liar.bin", "liar ")
    publish(fleet, file, "liar", f"target={fleet.root}/opt-liar", "tgt=client-*", "seeder=client-1", "apply=true")
    complete(fleet, "liar")
    module = next((fleet.root / "client-2").glob("**/ext/modules/narrows.py"))
    honest = module.read_text()
    info_hash = fleet.run("narrows.published")["liar"]["info_hash"]
    alone = {"info_hash": info_hash, "state": "fetching", "complete": False, "progress": 0.1, "rate_down": 1e308, "role": []}
    try:
        for answer, state, site in (
            ({"site": "nowhere", "content": {"liar": alone}}, "fetching", "munich"),
            ({"site": "hq", "content": {"liar": alone}}, "fetching", "munich"),
            ({"site": {"x": 1}, "content": {"liar": {"info_hash": info_hash}}}, "no answer", "munich"),
            ([["x"] * 1000] * 100, "no answer", "munich"),
        ):
            module.write_text(f"{honest}\n\ndef report():\n    return {answer!r}\n")
            fleet.do("client-2", "saltutil.refresh_modules")
            rollout = fleet.run("narrows.rollout_status", "liar")
            row = rollout["minions"]["client-2"]
            assert (row["state"], row["site"], row["complete"]) == (state, site, False)
            assert rollout["minions"]["client-1"]["complete"] and rollout["sites"]["hq"]["complete"] == 1
            assert "hq" in fleet.run("narrows.rollout_status", "liar", "table=true")
            assert "is complete on 1 of 2" in fleet.run("narrows.wait", "liar", "timeout=1", "poll=1", fails=True)
            assert fleet.run("narrows.settle", "liar") == {"name": "liar", "retired": []}
    finally:
        module.write_text(honest)
        fleet.do("client-2", "saltutil.refresh_modules")
    complete(fleet, "liar")
