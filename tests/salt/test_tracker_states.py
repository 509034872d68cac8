"""
The tracker's states on a masterless minion, and its execution module.
"""

import copy
import json

import pytest
from conftest import changed, failed, free_port, until

SITES = {
    "version": 1,
    "sites": {"hq": {"networks": ["127.0.0.0/16"]}, "munich": {"networks": ["127.1.0.0/16"]}},
    "links": [{"between": ["hq", "munich"], "rate": "10 Mbit/s"}],
}


@pytest.fixture
def tracker(minion):
    del minion.pillar["agent"]
    minion.listen, minion.admin = free_port(), free_port()
    minion.pillar["tracker"] = {
        "source": str(minion.programs / "narrows-tracker"),
        "url": f"http://127.0.0.1:{minion.listen}/announce",
        "config": {"listen": f"127.0.0.1:{minion.listen}", "admin": f"127.0.0.1:{minion.admin}"},
        "sites": copy.deepcopy(SITES),
    }
    return minion


def published(minion, source, name, **more):
    """
    A content below file_roots, as the runner leaves it.
    """
    content = source.content(name, seeded=False, **more)
    folder = minion.root / "srv/narrows/torrents"
    folder.mkdir(parents=True, exist_ok=True)
    file = f"{name}-{content['info_hash'][:8]}.torrent"
    (folder / file).write_bytes(open(content["torrent"], "rb").read())
    return file, content["info_hash"]


def test_the_tracker_is_installed_with_its_site_map_and_then_nothing_changes(tracker):
    would = tracker.apply("narrows", test=True)
    assert not failed(would) and not (tracker.root / "conf").exists(), failed(would)
    states = tracker.apply("narrows")
    assert not failed(states), failed(states)
    status = tracker.call("narrows_tracker.status")
    assert status["site_map"]["sites"] == 2 and status["site_map"]["valid"]
    again = tracker.apply("narrows")
    assert not failed(again) and not changed(again), (failed(again), changed(again))
    assert "narrows-agent-service" not in states, "a tracker is no client unless its pillar says so"


def test_a_mistake_in_the_site_map_is_said_with_its_place_and_the_map_in_force_stays(tracker):
    tracker.apply("narrows")
    before = (tracker.root / "conf/sites.yaml").read_text()
    tracker.pillar["tracker"]["sites"]["links"][0]["between"] = ["hq", "munch"]
    states = tracker.apply("narrows")
    said = json.dumps(states["narrows-tracker-config-site-map-managed"])
    assert "did you mean" in said and "munich" in said and "sites.yaml" not in before, said
    assert (tracker.root / "conf/sites.yaml").read_text() == before
    assert tracker.call("narrows_tracker.status")["site_map"]["valid"]
    assert tracker.call("service.status", "narrows-tracker")


def test_a_changed_site_map_is_in_force_without_a_restart(tracker):
    tracker.apply("narrows")
    pid = (tracker.units / "narrows-tracker.pid").read_text()
    tracker.pillar["tracker"]["sites"]["sites"]["vienna"] = {"networks": ["127.2.0.0/16"]}
    tracker.pillar["tracker"]["sites"]["links"].append({"between": ["hq", "vienna"], "rate": "1 Mbit/s"})
    assert not failed(tracker.apply("narrows"))
    until(lambda: tracker.call("narrows_tracker.status")["site_map"]["sites"] == 3, "the tracker has read its map again")
    assert (tracker.units / "narrows-tracker.pid").read_text() == pid


def test_without_a_site_map_the_state_says_where_to_write_it(tracker):
    del tracker.pillar["tracker"]["sites"]
    assert "narrows:tracker:sites" in " ".join(failed(tracker.apply("narrows.tracker")).values())


def test_the_tracker_follows_what_is_published_and_an_empty_list_removes_nothing(tracker, source):
    one, hash_one = published(tracker, source, "one")
    assert not failed(tracker.apply("narrows"))
    assert tracker.call("narrows_tracker.tracked") == {one: hash_one}
    two, hash_two = published(tracker, source, "two")
    (tracker.root / "srv/narrows/torrents" / one).unlink()
    would = tracker.apply("narrows", test=True)["narrows-tracker-config-torrents"]
    assert would["result"] is None and set(would["changes"]) == {one, two}
    assert not failed(tracker.apply("narrows"))
    assert tracker.call("narrows_tracker.tracked") == {two: hash_two}
    (tracker.root / "srv/narrows/torrents" / two).unlink()
    states = tracker.apply("narrows")
    assert "nothing was removed" in states["narrows-tracker-config-torrents"]["comment"]
    assert tracker.call("narrows_tracker.tracked") == {two: hash_two}


def test_torrents_are_tracked_and_untracked_one_by_one(tracker, source):
    file, info_hash = published(tracker, source, "one")
    (tracker.root / "srv/narrows/torrents/bad.torrent").write_text("no torrent")
    tracker.apply("narrows.tracker.package")
    tracker.pillar["tracker"]["config"]["torrents"] = str(tracker.root / "elsewhere")
    assert "narrows:lookup:tracker:torrents" in " ".join(failed(tracker.apply("narrows")).values())
    del tracker.pillar["tracker"]["config"]["torrents"]
    said = failed(tracker.apply("narrows"))
    assert "bad.torrent" not in json.dumps(said)
    from salt.exceptions import CommandExecutionError

    with pytest.raises(CommandExecutionError, match="Cannot track salt://narrows/torrents/bad.torrent"):
        tracker.call("narrows_tracker.track", "salt://narrows/torrents/bad.torrent")
    with pytest.raises(CommandExecutionError, match="There is no salt://none"):
        tracker.call("narrows_tracker.track", "salt://none")
    assert tracker.call("narrows_tracker.untrack", file) is True
    assert tracker.call("narrows_tracker.untrack", file) is False
    assert tracker.call("narrows_tracker.track", f"salt://narrows/torrents/{file}") is True
    assert tracker.call("narrows_tracker.track", f"salt://narrows/torrents/{file}") is False
    assert tracker.call("narrows_tracker.tracked")[file] == info_hash
    with pytest.raises(CommandExecutionError, match="no name of a .torrent"):
        tracker.call("narrows_tracker.untrack", "../conf/tracker.yaml")


def test_brakes_need_the_token_that_the_state_has_written(tracker):
    tracker.pillar["tracker"]["admin_token"] = "a-secret-of-enough-letters"
    assert not failed(tracker.apply("narrows"))
    assert (tracker.root / "conf/admin.token").stat().st_mode & 0o777 == 0o640
    assert tracker.call("narrows_tracker.brake", site="munich")["sites"] == ["munich"]
    assert tracker.call("narrows_tracker.brakes")["sites"] == ["munich"]
    assert tracker.call("narrows_tracker.release", site="munich")["sites"] == []
    assert tracker.call("narrows_tracker.brake", everything=True)["all"] is True
    from salt.exceptions import CommandExecutionError

    with pytest.raises(CommandExecutionError, match="did you mean|there is no|no site"):
        tracker.call("narrows_tracker.brake", site="munch")
    with pytest.raises(CommandExecutionError, match="Name what to stop"):
        tracker.call("narrows_tracker.brake")
    tracker.call("service.stop", "narrows-tracker")
    with pytest.raises(CommandExecutionError, match="The tracker does not answer"):
        tracker.call("narrows_tracker.status")


def test_clean_removes_the_tracker(tracker):
    tracker.apply("narrows")
    states = tracker.apply("narrows.tracker.clean")
    assert not failed(states), failed(states)
    for place in ("conf/tracker.yaml", "conf/sites.yaml", "tracked", "bin/narrows-tracker", "units/narrows-tracker.service"):
        assert not (tracker.root / place).exists(), place
