"""
The formula on a masterless minion: what the states write and start, and what wrong pillars do not.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
import yaml
from conftest import changed, failed, sha256, until


def test_the_agent_is_installed_configured_and_started_and_then_nothing_changes(minion):
    would = minion.apply("narrows", test=True)
    assert not failed(would), failed(would)
    assert would["narrows-agent-service"]["result"] is None
    assert not (minion.root / "bin").exists() and not (minion.root / "conf").exists()

    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert minion.status()["id"] == "client-1"
    unit = (minion.units / "narrows-agent.service").read_text()
    for line in ("Type=notify", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert line in unit
    assert yaml.safe_load(minion.config.read_text())["content"] == []

    again = minion.apply("narrows")
    assert not failed(again), failed(again)
    assert not changed(again), changed(again)
    assert not any(state["result"] is None for state in minion.apply("narrows", test=True).values())


def test_all_mistakes_of_a_pillar_are_said_at_once_and_nothing_is_touched(minion):
    minion.apply("narrows")
    before = minion.config.read_text()
    minion.pillar["agnet"] = {}
    minion.pillar["agent"]["activ"] = False
    minion.pillar["content"] = {"office": {"info_hash": "12", "target": "opt"}}
    for test in (True, False):
        for sls in ("narrows", "narrows.agent", "narrows.content"):
            states = minion.apply(sls, test=test)
            said = " ".join(failed(states).values())
            for part in ("unknown key `agnet`; did you mean `agent`?", "`activ`", "40 hex digits", "absolute path"):
                assert part in said, said
            assert not changed(states)
    assert minion.config.read_text() == before
    assert minion.status()["id"] == "client-1"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("listen", "nowhere", "no address with a port"), ("gatway", "never", "gatway"), ("limits", {"upload": "10 MB"}, "rate")],
)
def test_a_configuration_that_the_agent_refuses_never_replaces_the_working_one(minion, key, value, said):
    minion.apply("narrows")
    before = minion.config.read_text()
    minion.pillar["agent"]["config"][key] = value
    states = minion.apply("narrows")
    assert said in json.dumps(states["narrows-agent-config-file-managed"]), states["narrows-agent-config-file-managed"]
    assert states["narrows-agent-config-file-managed"]["result"] is False
    assert minion.config.read_text() == before
    assert minion.status()["id"] == "client-1"


def test_a_changed_listen_address_restarts_the_agent_and_a_changed_limit_does_not(minion):
    minion.apply("narrows")
    pid = (minion.units / "narrows-agent.pid").read_text()
    minion.pillar["agent"]["config"]["limits"] = {"upload": "10 Mbit/s"}
    assert not failed(minion.apply("narrows"))
    assert (minion.units / "narrows-agent.pid").read_text() == pid
    minion.pillar["agent"]["config"]["listen"] = f"127.0.0.2:{minion.listen}"
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert (minion.units / "narrows-agent.pid").read_text() != pid


def test_content_is_assigned_at_once_and_present_when_it_is_complete_and_what_requires_it_waits(minion, source):
    wanted = source.content("office", seeded=False)
    minion.pillar["content"] = {"office": dict(wanted, target=str(minion.root / "opt"))}
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert "0 % of 3 MB" in states["narrows-content-office"]["comment"]
    (minion.root / "srv/install.sls").write_text(
        "here:\n  narrows.present: [name: office]\n"
        f"install:\n  file.managed:\n    - name: {minion.root}/installed\n    - contents: yes it is\n"
        "    - require: [narrows: here]\n"
    )
    assert minion.state("narrows.present", test=True, name="office")["result"] is None
    waiting = minion.apply("install")
    assert "Not complete yet" in waiting["here"]["comment"]
    assert waiting["install"]["result"] is False and not (minion.root / "installed").exists()

    source.seed()
    until(lambda: minion.call("narrows.status", "office")["complete"], "the content has arrived")
    assert sha256(minion.root / "opt" / wanted["file"]) == source.contents["office"]["sha256"]
    states = minion.apply("install")
    assert not failed(states), failed(states)
    assert (minion.root / "installed").exists()
    assert minion.state("narrows.present", name="office", verify=True, timeout=20)["result"] is True
    again = minion.apply("narrows")
    assert not failed(again) and not changed(again), (failed(again), changed(again))

    # the agent was not told, and it would look within a minute
    source.stop_seeding()
    place = minion.root / "opt" / wanted["file"]
    with open(place, "r+b") as file:
        file.write(bytes(byte ^ 1 for byte in file.read(3)))
        file.seek(0)
        file.write(b"!")
    assert minion.state("narrows.present", name="office")["result"] is False
    source.seed()
    assert minion.state("narrows.present", name="office", timeout=20)["result"] is True
    assert sha256(place) == source.contents["office"]["sha256"]


def test_a_torrent_with_another_hash_than_the_pillars_is_refused_and_what_runs_goes_on(minion, source):
    good = source.content("office")
    other = source.content("other")
    minion.pillar["content"] = {"office": good}
    assert not failed(minion.apply("narrows"))
    before = minion.config.read_text()
    minion.pillar["content"]["other"] = dict(other, info_hash="0" * 40, target=str(minion.root / "opt"))
    said = failed(minion.apply("narrows"))
    assert f"has the info hash {other['info_hash']}, and the pillar says 0000" in said["narrows-agent-config-torrent-other"]
    assert minion.config.read_text() == before
    assert [content["name"] for content in minion.status()["content"]] == [good["file"]]


def test_a_missing_torrent_is_named_and_leaves_everything_as_it_was(minion):
    minion.apply("narrows")
    before = minion.config.read_text()
    minion.pillar["content"] = {"office": {"torrent": "salt://narrows/torrents/none.torrent", "info_hash": "a" * 40}}
    said = failed(minion.apply("narrows"))["narrows-agent-config-torrent-office"]
    assert "There is no salt://narrows/torrents/none.torrent; publish" in said
    assert minion.config.read_text() == before


def test_absent_content_is_served_no_more_and_its_files_stay_unless_purged(minion, source):
    target = minion.root / "opt"
    minion.pillar["content"] = {
        name: dict(source.content(name, file=f"{name}.bin"), target=str(target)) for name in ("kept", "purged")
    }
    assert not failed(minion.apply("narrows"))
    for name in minion.pillar["content"]:
        assert minion.state("narrows.present", name=name, timeout=30)["result"] is True
    minion.pillar["content"]["kept"]["ensure"] = "absent"
    minion.pillar["content"]["purged"].update(ensure="absent", purge=True)
    would = minion.apply("narrows", test=True)
    assert would["narrows-content-purged"]["result"] is None and (target / "purged.bin").exists()
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert minion.status()["content"] == []
    assert (target / "kept.bin").exists() and not (target / "purged.bin").exists()
    assert os.listdir(minion.root / "conf/torrents") == []
    assert not changed(minion.apply("narrows"))


def test_a_purge_takes_what_the_agent_fetched_and_leaves_originals_and_users_files(minion, source):
    names = ("original", "found", "changed", "fetched")
    contents = {name: dict(source.content(name, file=f"{name}.bin"), target=str(minion.root / name)) for name in names}
    for name in ("original", "found"):
        (minion.root / name).mkdir()
        shutil.copy(source.root / f"data/{name}/{name}.bin", minion.root / name)
    minion.pillar["content"] = contents
    assert not failed(minion.apply("narrows"))
    for name in names:
        assert minion.state("narrows.present", name=name, timeout=30)["result"] is True
    (minion.root / "changed/changed.bin").write_text("the user's")
    for content in contents.values():
        content.update(ensure="absent", purge=True)
    contents["original"]["original"] = True
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    there = {name for name in names if (minion.root / name / f"{name}.bin").exists()}
    assert there - {"changed"} == {"original", "found"}
    # it is where the user left it, or, if the agent's look at all files came first, where what is repaired is kept
    changed = [path for path in (minion.root / "changed").rglob("*") if path.is_file()]
    assert "the user's" in {path.read_text(errors="replace") for path in changed}
    assert "they are the original" in states["narrows-content-original"]["comment"]
    assert "it was there before the agent" in states["narrows-content-found"]["comment"]
    if "changed" in there:
        assert "it was changed after it came" in states["narrows-content-changed"]["comment"]
    # what the agent does not know of is never removed, and that is no success
    unknown = dict(contents["fetched"], info_hash="e" * 40, file="x")
    (minion.root / "fetched/x").write_text("a user's")
    minion.pillar["content"] = {"unknown": unknown}
    said = failed(minion.apply("narrows"))["narrows-content-unknown"]
    assert "the agent does not know that it fetched it" in said and (minion.root / "fetched/x").exists()


def test_paused_content_stays_paused(minion, source):
    minion.pillar["content"] = {"office": source.content("office", seeded=False)}
    minion.apply("narrows")
    assert minion.state("narrows.paused", test=True, name="office")["result"] is None
    assert minion.state("narrows.paused", name="office")["changes"]
    assert minion.state("narrows.paused", name="office")["comment"] == "Paused already."
    assert minion.status()["content"][0]["state"] == "paused"
    assert minion.state("narrows.paused", name="nothing")["result"] is False
    assert minion.state("narrows.paused", name="all")["result"] is True
    assert minion.status()["paused"] is True


def test_an_agent_that_does_not_answer_fails_what_asks_it_with_what_to_do(minion, source):
    minion.pillar["content"] = {"office": source.content("office", seeded=False)}
    minion.apply("narrows")
    minion.call("service.stop", "narrows-agent")
    for function in ("narrows.present", "narrows.assigned", "narrows.paused"):
        state = minion.state(function, name="office")
        assert state["result"] is False
        assert "The agent does not answer" in state["comment"] and "start its service" in state["comment"]
    # the formula starts it again
    states = minion.apply("narrows")
    assert not failed(states), failed(states)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_fails_the_state_with_the_reason_and_heals(minion, source):
    disk = minion.root / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    try:
        minion.pillar["content"] = {"office": dict(source.content("office"), target=str(disk))}
        minion.apply("narrows")
        until(lambda: minion.status()["content"][0]["error"], "the agent notices that the disk is full")
        said = failed(minion.apply("narrows"))["narrows-content-office"]
        assert "has come to a halt" in said and "is full" in said, said
        assert minion.state("narrows.present", name="office")["result"] is False
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert minion.state("narrows.present", name="office", timeout=90)["result"] is True
        assert not failed(minion.apply("narrows"))
    finally:
        minion.stop()
        subprocess.run(["umount", disk], check=True)


def test_on_demand_the_agent_runs_while_something_is_missing_and_may_rest_then(minion, source):
    minion.pillar["agent"]["active"] = "on_demand"
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert not minion.call("service.status", "narrows-agent"), "nothing to do, so it is not started"
    minion.pillar["content"] = {"office": source.content("office")}
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert minion.call("service.status", "narrows-agent") and not minion.call("service.enabled", "narrows-agent")
    assert minion.state("narrows.present", name="office", timeout=30)["result"] is True
    assert not changed(minion.apply("narrows")), "its site may need it, so no state stops it"
    assert minion.call("narrows.report")["content"]["office"]["state"] == "seeding"
    assert minion.call("narrows.rest") is True
    states = minion.apply("narrows")
    assert not failed(states) and not changed(states), (failed(states), changed(states))
    assert states["narrows-content-office"]["comment"] == "Complete; the agent rests."
    office = minion.call("narrows.report")["content"]["office"]
    assert (office["state"], office["complete"]) == ("resting", True), "it counts as complete while it rests"
    minion.pillar["content"]["maps"] = {**source.content("maps", seeded=False), "target": str(minion.root / "maps")}
    assert not failed(minion.apply("narrows"))
    assert minion.call("narrows.rest") is False, "something has come that it does not have"
    assert minion.call("service.status", "narrows-agent")


def test_an_agent_that_is_not_on_demand_never_rests_and_is_missed_when_it_does_not_answer(minion, source):
    minion.pillar["content"] = {"office": source.content("office")}
    minion.apply("narrows")
    assert minion.state("narrows.present", name="office", timeout=30)["result"] is True
    assert minion.call("narrows.rest") is False
    minion.call("service.stop", "narrows-agent")
    from salt.exceptions import CommandExecutionError

    with pytest.raises(CommandExecutionError, match="does not answer"):
        minion.call("narrows.report")


def test_an_inactive_agent_is_stopped_and_stays_configured(minion, source):
    minion.pillar["content"] = {"office": source.content("office", seeded=False)}
    minion.apply("narrows")
    minion.pillar["agent"]["active"] = False
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    assert not minion.call("service.status", "narrows-agent")
    assert len(yaml.safe_load(minion.config.read_text())["content"]) == 1


def test_clean_undoes_everything_but_what_has_arrived(minion, source):
    minion.pillar["content"] = {"office": dict(source.content("office"), target=str(minion.root / "opt"))}
    minion.apply("narrows")
    assert minion.state("narrows.present", name="office", timeout=30)["result"] is True
    would = minion.apply("narrows.agent.clean", test=True)
    assert not failed(would) and minion.config.exists()
    states = minion.apply("narrows.agent.clean")
    assert not failed(states), failed(states)
    for place in ("conf/agent.yaml", "conf/torrents", "state", "bin/narrows-agent", "units/narrows-agent.service"):
        assert not (minion.root / place).exists(), place
    assert (minion.root / "opt/payload.bin").exists()
    assert not changed(minion.apply("narrows.agent.clean"))


def test_a_target_outside_of_what_the_unit_may_write_is_added_to_it(minion, source):
    far, odd = pathlib.Path(minion.root / "far/away"), pathlib.Path(minion.root / "5 %t of \"it's\" $HOME {7}: [x")
    minion.pillar["content"] = {
        name: dict(source.content(name, seeded=False), target=str(target)) for name, target in (("office", far), ("odd", odd))
    }
    minion.pillar["lookup"]["agent"]["config"] = str(minion.root / "con $f 5%/agent.yaml")
    minion.opts["narrows.config"] = minion.pillar["lookup"]["agent"]["config"]
    states = minion.apply("narrows")
    assert not failed(states), failed(states)
    unit = (minion.units / "narrows-agent.service").read_text()
    assert f'ReadWritePaths="-{far}"\n' in unit
    assert f'ReadWritePaths="-{minion.root}/5 %%t of \\"it\'s\\" $HOME {{7}}: [x"\n' in unit
    assert f'run --config "{minion.root}/con $$f 5%%/agent.yaml"\n' in unit
    assert far.is_dir() and odd.is_dir()
    targets = yaml.safe_load(pathlib.Path(minion.root / "con $f 5%/agent.yaml").read_text())["content"]
    assert {content["target"] for content in targets} == {str(far), str(odd)}
