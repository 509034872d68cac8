"""
The execution module narrows against a real agent.
"""

import pytest
from conftest import until


@pytest.fixture
def running(minion, source):
    minion.pillar["content"] = {"office": dict(source.content("office", file="b ü.bin"), target=str(minion.root / "opt"))}
    minion.apply("narrows")
    until(lambda: minion.call("narrows.status", "office")["complete"], "the content has arrived")
    return minion


def fails(match):
    from salt.exceptions import CommandExecutionError

    return pytest.raises(CommandExecutionError, match=match)


def test_status_calls_contents_by_their_names_in_salt(running):
    status = running.call("narrows.status")
    assert status["id"] == "client-1" and status["site"] == "lab" and status["paused"] is False
    office = status["content"]["office"]
    assert office["name"] == "b ü.bin" and office["state"] == "seeding" and office["bytes"] == 3_000_000
    with fails("The agent has no content ofice .it has: office.; publish it"):
        running.call("narrows.status", "ofice")


def test_peers_and_explain_say_who_is_connected(running):
    assert isinstance(running.call("narrows.peers", "office")["office"], list)
    assert set(running.call("narrows.explain")) == {"office"}
    with fails("no content none"):
        running.call("narrows.explain", "none")


def test_pause_resume_and_verify_act_on_one_content_or_all(running):
    assert running.call("narrows.pause", "office") == ["b ü.bin"]
    assert running.call("narrows.status", "office")["state"] == "paused"
    running.call("narrows.resume")
    running.call("narrows.resume", "office")
    assert running.call("narrows.verify", "office", timeout=20) == ["b ü.bin"]
    assert running.call("narrows.status", "office")["complete"]
    assert running.call("narrows.is_complete", running.call("narrows.status", "office")["info_hash"])


def test_a_content_added_by_hand_is_fetched_until_the_pillar_has_its_way(running, source):
    more = source.content("more")
    with fails("has the info hash"):
        running.call("narrows.add", "more", more["torrent"], str(running.root / "opt"), info_hash="0" * 40)
    mode = running.config.stat().st_mode
    assert running.call("narrows.add", "more", more["torrent"], str(running.root / "opt"))["added"]
    assert running.config.stat().st_mode == mode
    until(lambda: running.call("narrows.status", "more")["complete"], "it has arrived")
    with fails("has a content more already"):
        running.call("narrows.add", "more", more["torrent"], "/opt")
    with fails("There is no /none.torrent"):
        running.call("narrows.add", "none", "/none.torrent", "/opt")
    assert running.call("narrows.remove", "more")["removed"]
    with fails("no content more"):
        running.call("narrows.remove", "more")
    assert set(running.call("narrows.contents")) == {"office"}
    running.call("narrows.remove", "office")
    assert running.apply("narrows")["narrows-agent-config-file-managed"]["changes"]
    assert set(running.call("narrows.status")["content"]) == {"office"}


def test_what_is_no_torrent_is_said_so(running):
    with fails("Cannot use .*agent.yaml: not a .torrent"):
        running.call("narrows.torrent_info", str(running.config))
    info = running.call("narrows.torrent_info", str(next((running.root / "conf/torrents").iterdir())))
    assert info["size"] == 3_000_000 and info["private"] is True and info["files"] == 1


def test_without_an_agent_every_function_says_what_to_do(running):
    running.call("service.stop", "narrows-agent")
    for function in ("status", "pause", "resume", "verify", "look", "peers", "explain", "reload"):
        with fails("The agent does not answer at .*; start its service"):
            running.call(f"narrows.{function}")
    running.config.unlink()
    with fails("Cannot read the agent's configuration .*; apply the state narrows.agent"):
        running.call("narrows.status")


def test_grains_show_the_site_that_the_tracker_says(running):
    grains = running.call("grains.item", "narrows")["narrows"]
    assert grains["site"] == "lab" and grains["version"]
