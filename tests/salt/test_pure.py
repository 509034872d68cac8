"""
The parts that need no running Salt: configurations, torrents, pillars, rollouts, events.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess

import narrows as beacon
import narrows_config
import narrows_metainfo
import narrows_pillar
import narrows_place
import narrows_published
import narrows_rollout
import pytest
import yaml
from salt.exceptions import CommandExecutionError

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "salt/pillar.example"
PLACE = {"torrents": "/etc/narrows/torrents", "data": "/data", "state": "/state", "writable": ["/opt"]}


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def test_keys_in_any_order_are_read_and_keys_that_stand_twice_are_refused():
    info = b"d6:lengthi5e4:name1:f7:privatei1ee"
    read = narrows_metainfo.parse(b"d4:info" + info + b"8:announce1:xe")
    assert read["info_hash"] == hashlib.sha1(info).hexdigest()
    with pytest.raises(ValueError, match="stands twice"):
        narrows_metainfo.parse(b"d4:info" + info + b"4:info" + info + b"e")


@pytest.mark.parametrize(
    "url, fault",
    [
        ("http://tracker.example.com:6969/announce", None),
        ("HTTP://[2001:db8::1]/announce?key=1", None),
        ("https://t:6971/announce", None),
        ("udp://t:6969/announce", "http and https"),
        ("t:6969/announce", "no scheme"),
        ("http://t:6969", "no path"),
        ("http://t:99999/announce", "port"),
        ("http://t:0/announce", "port"),
        ("http:///announce", "no host"),
        ("http://me@t/announce", "user"),
        ("http://t/an nounce", "space"),
    ],
)
def test_a_tracker_that_no_agent_can_announce_to_is_told_unless_another_one_can(url, fault):
    info = b"d6:lengthi5e4:name1:f7:privatei1ee"
    lone = b"d8:announce" + bencode(url.encode()) + b"4:info" + info + b"e"
    problem = narrows_metainfo.without_tracker(narrows_metainfo.parse(lone)["trackers"])
    assert problem is None if fault is None else url in problem and fault in problem
    tiers = bencode([[url.encode()], [b"http://t/announce"]])
    listed = b"d8:announce1:x13:announce-list" + tiers + b"4:info" + info + b"e"
    trackers = narrows_metainfo.parse(listed)["trackers"]
    assert trackers == [url, "http://t/announce"] and narrows_metainfo.without_tracker(trackers) is None


def test_a_torrent_without_a_tracker_is_told():
    info = b"d6:lengthi5e4:name1:f7:privatei1ee"
    trackers = narrows_metainfo.parse(b"d4:info" + info + b"e")["trackers"]
    assert narrows_metainfo.without_tracker(trackers) == "it names no tracker"


def test_symbolic_links_have_no_bytes_whatever_their_torrent_says():
    link = b"d4:attr1:l%s4:pathl1:le12:symlink pathl1:fee"
    for length in (b"", b"6:lengthi7e"):
        files = b"5:filesl" + link % length + b"d6:lengthi5e4:pathl1:feee"
        read = narrows_metainfo.parse(b"d4:infod" + files + b"4:name1:n12:piece lengthi16384e6:pieces0:ee")
        assert (read["size"], read["files"]) == (5, 2)


def test_random_torrents_are_read_as_they_were_written():
    chance = random.Random(4)
    for _ in range(300):
        info = {b"name": chance.randbytes(3).hex().encode(), b"piece length": 16384, b"pieces": chance.randbytes(20)}
        sizes = [chance.randrange(10**12) for _ in range(chance.randrange(1, 5))]
        if len(sizes) == 1:
            info[b"length"] = sizes[0]
        else:
            info[b"files"] = [{b"length": size, b"path": [chance.randbytes(2).hex().encode()]} for size in sizes]
        if chance.random() < 0.5:
            info[b"private"] = 1
        data = bencode({b"announce": b"http://x/announce", b"info": info, b"zz": [1, {b"a": -5}]})
        read = narrows_metainfo.parse(data)
        assert read["info_hash"] == hashlib.sha1(bencode(info)).hexdigest()
        assert (read["size"], read["files"]) == (sum(sizes), len(sizes))
        assert read["private"] == (b"private" in info)
        # and what is torn or bent is refused, never half read
        broken = bytearray(data)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        for bad in (data[: chance.randrange(len(data))], data + b"x", bytes(broken)):
            try:
                assert narrows_metainfo.parse(bad)["size"] >= 0 or bad == bytes(broken)
            except ValueError:
                pass


@pytest.mark.parametrize("data", [b"", b"d", b"le", b"de", b"d4:infoi1ee", b"i" * 10**5, b"l" * 10**5, b"9:x"])
def test_what_is_no_torrent_is_a_value_error(data):
    with pytest.raises(ValueError):
        narrows_metainfo.parse(data)


def test_the_example_pillar_is_right_and_names_every_key():
    pillar = yaml.safe_load(EXAMPLE.read_text())["narrows"]
    assert narrows_pillar.check(pillar) == []
    text = EXAMPLE.read_text()
    for part, keys in narrows_pillar.KEYS.items():
        for key in keys:
            assert f"{key}:" in text, (part, key)


@pytest.mark.parametrize(
    ("pillar", "said"),
    [
        ("text", "narrows is `text`, not keys with values"),
        ({"tracker": ["x"]}, "narrows:tracker is"),
        ({"agent": {"active": "on-demand"}}, "write one of true, false, on_demand"),
        ({"agent": {"active": 1}}, "narrows:agent:active is `1`"),
        ({"agent": {"source": "https://x/agent"}}, "add its hash"),
        ({"agent": {"source": "/x", "package": "y"}}, "keep one of them"),
        ({"agent": {"source": "salt://x", "source_hash": "sha256=" + "a" * 64}}, "is not looked at by Salt for salt://x"),
        ({"tracker": {"source": "/x", "source_hash": "sha256=" + "a" * 64}}, "is not looked at by Salt for /x"),
        ({"agent": {"config": {"content": []}}}, "write it as narrows:content"),
        ({"agent": {"config": "x"}}, "narrows:agent:config is"),
        ({"agent": {"idle_after": "5m"}}, "write a number of seconds"),
        ({"tracker": {"config": {"site_map": "x"}}}, "write it as narrows:tracker:sites"),
        ({"lookup": {"agent": {"user": "root"}}}, "name a user of its own"),
        ({"lookup": {"agent": {"user": "a\nExecStartPre=/bin/x"}}}, "narrows:lookup:agent:user has the character U+000A"),
        ({"lookup": {"agent": {"group": "a b"}}}, "write a name of letters"),
        ({"lookup": {"agent": {"service": "a; reboot"}}}, "write a name of letters"),
        ({"lookup": {"agent": {"binary": "/opt/it's"}}}, "choose a path without quotes"),
        ({"lookup": {"agent": {"binary": "narrows-agent"}}}, "write an absolute path"),
        ({"lookup": {"agent": {"config": 'C:\\a" & calc & "'}}}, "choose a path without quotes"),
        ({"lookup": {"agent": {"writable": "/opt"}}}, "write a list of absolute paths"),
        ({"lookup": {"agent": {"writable": ["/opt\nUser=root"]}}}, "U+000A"),
        ({"content": {"a": {"torrent": "x", "info_hash": "a" * 40, "target": "/opt\nUser=root"}}}, "target has the character U+000A"),
        ({"content": {"a": {"torrent": "x", "info_hash": "a" * 40, "target": "/opt/\u202egpj.exe"}}}, "U+202E, which shows other"),
        ({"content": {"a": {"torrent": "x", "info_hash": "a" * 40, "target": "/opt/\x85"}}}, "U+0085"),
        ({"content": {"a": {"torrent": "x", "info_hash": "a" * 40, "file": "a\u2066"}}}, "U+2066"),
        ({"agent": {"package": "x\n  - y"}}, "narrows:agent:package has the character U+000A"),
        ({"tracker": {"site": {}}}, "did you mean `sites`?"),
        ({"content": {"a": None}}, "narrows:content:a is empty"),
        ({"content": {"a": {"torent": "x"}}}, "did you mean `torrent`?"),
        ({"content": {"../a": {}}}, "choose another"),
        ({"content": {"a": {"torrent": "x", "info_hash": "a" * 40, "file": "a/b"}}}, "without a path"),
        ({"agent": {"firewall": "no"}}, "narrows:agent:firewall is `no`; write true or false."),
        ({"tracker": {"firewall": False}}, "unknown key `firewall`"),
        ({"content": {"a": {"torrent": "x", "info_hash": "A" * 40}}}, "40 hex digits"),
        ({"content": {"a": {"info_hash": "a" * 40, "ensure": "absent", "purge": True}}}, "purge wants to know"),
        ({"content": {n: {"torrent": n, "info_hash": "a" * 40, "target": "/x", "file": "f"} for n in "ab"}}, "another target"),
    ],
)
def test_each_mistake_of_a_pillar_is_said_with_what_to_do(pillar, said):
    assert said in " ".join(narrows_pillar.check(pillar))


HOSTILE = [
    "/opt/with space",
    "/opt/100%",
    "/opt/%n%t%%",
    '/opt/"quoted"',
    "/opt/it's",
    "/opt/back\\slash\\",
    "/opt/$HOME ${PATH} $$",
    "/opt/#; x",
    "/opt/{{ 7 }}",
    "/opt/-/+x",
    "/opt/ü 漢",
]


def unit(name, **context):
    jinja2 = pytest.importorskip("jinja2")
    text = (EXAMPLE.parent / f"narrows/files/{name}.service").read_text()
    salt = {"narrows.unit_word": narrows_pillar.unit_word}
    return jinja2.Environment().from_string(text).render(salt=salt, source="salt://x", **context)


def words(line, command=False):
    """
    The words of a setting as systemd reads them (systemd.syntax, systemd.unit).
    """
    found, word, quote, at = [], None, None, 0
    while at < len(line):
        letter = line[at]
        if letter == "\\":
            at += 1
            word = (word or "") + line[at]
        elif quote:
            word, quote = (word, None) if letter == quote else (word + letter, quote)
        elif letter in "\"'":
            word, quote = word or "", letter
        elif letter == " ":
            found, word = found + ([word] if word is not None else []), None
        else:
            word = (word or "") + letter
        at += 1
    assert quote is None
    found += [word] if word is not None else []
    for word in found:
        assert "%" not in word.replace("%%", ""), "no specifier"
        assert not command or "$" not in word.replace("$$", ""), "no variable"
    return [word.replace("%%", "%").replace("$$", "$" if command else "$$") for word in found]


def test_any_path_in_a_unit_is_one_word_with_one_meaning(tmp_path):
    program = tmp_path / "an agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    place = {**PLACE, "binary": str(program), "config": "/etc/$x y%/a.yaml", "user": "daemon", "group": "daemon", "writable": ["/o p"]}
    contents = {f"c{n}": {"torrent": "x", "info_hash": "a" * 40, "target": path, "file": "f"} for n, path in enumerate(HOSTILE)}
    pillar = {"lookup": {"agent": {key: place[key] for key in ("binary", "config", "user", "writable")}}, "content": contents}
    assert narrows_pillar.check(pillar) == []
    text = unit("narrows-agent", agent=place, targets=narrows_pillar.folders_outside(pillar, {**place, "writable": []}))
    lines = [line.partition("=") for line in text.splitlines()]
    writable = [word for key, _, value in lines if key == "ReadWritePaths" for word in words(value)]
    assert sorted(writable) == sorted("-" + path for path in ["/data", "/state", "/o p", *HOSTILE])
    started = [words(value, command=True) for key, _, value in lines if key == "ExecStart"]
    assert started == [[str(program), "run", "--config", "/etc/$x y%/a.yaml"]]
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("no systemd-analyze here")
    (tmp_path / "narrows-agent.service").write_text(text)
    done = subprocess.run([analyze, "verify", "--man=no", tmp_path / "narrows-agent.service"], capture_output=True, text=True, check=False)
    assert "narrows-agent.service" not in done.stderr, done.stderr


@pytest.mark.parametrize(("name", "of"), [("narrows-agent", {**PLACE, "writable": []}), ("narrows-tracker", PLACE)])
def test_a_program_without_a_user_of_its_own_has_a_unit_that_names_none(name, of):
    part = name.removeprefix("narrows-")
    for user in ("daemon", None):
        place = {**of, "binary": "/bin/x", "config": "/etc/x", "user": user, "group": user}
        lines = unit(name, **{part: place, "targets": []}).splitlines()
        named = [line for line in lines if line.startswith(("User=", "Group="))]
        assert named == (["User=daemon", "Group=daemon"] if user else [])
        # a block that is left out joins no lines
        assert "TimeoutStopSec=20" in lines and any(line.startswith("LimitNOFILE=") for line in lines)


def test_a_purge_removes_what_is_as_the_agent_left_it_and_follows_no_link(tmp_path):
    tree, outside = tmp_path / "target/tree", tmp_path / "outside"
    (tree / "a/b").mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "state").mkdir()
    for path in (tree / "a/b/ours", tree / "a/changed", tree / "top", outside / "theirs"):
        path.write_text(path.name)
    files = []
    for path in ("a/b/ours", "a/changed", "top"):
        stat = (tree / path).stat()
        files.append([path, [stat.st_size, stat.st_mtime_ns, stat.st_ino]])
    stat = (outside / "theirs").stat()
    files += [[path, [stat.st_size, stat.st_mtime_ns, stat.st_ino]] for path in ("link/theirs", "../../outside/theirs")]
    (tree / "link").symlink_to(outside)
    (tree / "a/changed").write_text("by the user")
    (tree / "own").write_text("the user's")
    known = {"target": str(tmp_path / "target"), "name": "tree", "origin": "fetched", "files": files}
    (tmp_path / f"state/{'a' * 40}.place").write_text(json.dumps(known))
    place = narrows_place.read(tmp_path / "state", "a" * 40)
    assert narrows_place.remove(place) == (2, True)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == [
        "outside/theirs",
        f"state/{'a' * 40}.place",
        "target/tree/a/changed",
        "target/tree/own",
    ]
    assert not (tree / "a/b").exists()
    for path in (tree / "a/changed", tree / "own", tree / "link"):
        path.unlink()
    (tree / "a").rmdir()
    assert narrows_place.remove(place) == (0, False) and not tree.exists()
    narrows_place.forget(tmp_path / "state", "a" * 40)
    assert os.listdir(tmp_path / "state") == [] and narrows_place.read(tmp_path / "state", "a" * 40) is None


def test_a_purge_removes_links_of_the_content_and_nothing_of_it_is_kept(tmp_path):
    tree, state = tmp_path / "target/tree", tmp_path / "state"
    (tree / "v1").mkdir(parents=True)
    state.mkdir()
    (tree / "v1/file").write_text("bytes")
    (tree / "current").symlink_to("v1")
    (tree / "mine").symlink_to("v1")
    files = []
    for path in ("v1/file", "current"):
        stat = (tree / path).lstat()
        files.append([path, [stat.st_size, stat.st_mtime_ns, stat.st_ino]])
    known = {"target": str(tmp_path / "target"), "name": "tree", "origin": "fetched", "files": files}
    for ending in ("place", "resume", "journal", "scrub", "wan"):
        (state / f"{'a' * 40}.{ending}").write_text(json.dumps(known))
    place = narrows_place.read(state, "a" * 40)
    assert narrows_place.remove(place) == (2, True)
    assert os.listdir(tree) == ["mine"]
    narrows_place.forget(state, "a" * 40)
    assert os.listdir(state) == []


def test_the_seeders_pillar_says_that_it_has_the_original(tmp_path):
    jinja2 = pytest.importorskip("jinja2")
    data = {"name": "office", "info_hash": "a" * 40, "target": "/opt", "file": "office", "ensure": "absent", "purge": True}
    data.update(tgt="*", seeder="m", seeder_target="/srv")
    narrows_published.save(tmp_path, "office", data)
    text = (tmp_path / "narrows/content/init.sls").read_text().replace("{%-   import_yaml 'narrows/content/' ~ name ~ '.yaml' as data %}", "")
    saved = yaml.safe_load((tmp_path / "narrows/content/office.yaml").read_text())
    environment = jinja2.Environment()
    environment.filters["json"] = json.dumps

    def pillar(minion):
        shown = environment.from_string(text).render(data=saved, opts={"id": minion}, salt={"match.compound": lambda *_: True})
        return yaml.safe_load(shown)["narrows"]["content"]["office"]

    assert (pillar("m")["target"], pillar("m")["original"]) == ("/srv", True)
    assert "original" not in pillar("n")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (("/opt", "x"), ("/opt/", "x"), "both are x in /opt/"),
        (("/opt", "x"), ("/srv/../opt/.", "x"), "both are x"),
        (("/opt", "x"), ("//opt", "x"), "both are x"),
        (("/opt", "x"), ("/opt/x/deep", "y"), "lie in each other"),
        (("/opt/x", "y"), ("/opt", "x"), "lie in each other"),
        ((None, "x"), (None, "x"), "both are x in narrows:lookup:agent:data"),
        ((r"C:\Deploy", "X.msi"), ("c:/deploy/", "x.MSI"), "both are x.MSI"),
        (("/opt", "x"), ("/opt", "X"), None),
        (("/opt", "x"), ("/opt/x2", "x"), None),
        (("/", "x"), ("/opt", "x"), None),
    ],
)
def test_equal_and_nested_places_are_refused_with_both_names(a, b, said):
    contents = {
        name: {"torrent": "t", "info_hash": "a" * 40, "file": file, **({"target": target} if target else {})}
        for name, (target, file) in (("one", a), ("two", b))
    }
    mistakes = narrows_pillar.check({"content": contents})
    if said is None:
        assert mistakes == []
    else:
        assert len(mistakes) == 1 and said in mistakes[0], mistakes
        assert "narrows:content:one" in mistakes[0] and "narrows:content:two" in mistakes[0]


def test_no_content_takes_the_place_of_the_agents_folders():
    lookup = {"agent": {"data": "/var/lib/narrows/data", "state": "/var/lib/narrows/state"}}
    for target, file in (("/var/lib", "narrows"), ("/var/lib/narrows", "data"), ("/var/lib/narrows/state", "x")):
        content = {"torrent": "t", "info_hash": "a" * 40, "target": target, "file": file}
        assert "another target" in " ".join(narrows_pillar.check({"lookup": lookup, "content": {"x": content}}))
    content = {"torrent": "t", "info_hash": "a" * 40, "file": "x"}
    assert narrows_pillar.check({"lookup": lookup, "content": {"x": content}}) == []


def test_any_pillar_is_judged_without_an_error():
    chance = random.Random(5)
    values = [None, True, 1, -1, 0.5, "", "x", [], ["a"], {}, {"a": 1}]

    def any_map(depth=0):
        keys = [key for known in narrows_pillar.KEYS.values() for key in known] + ["a", "b"]
        return {
            chance.choice(keys): any_map(depth + 1) if depth < 3 and chance.random() < 0.6 else chance.choice(values)
            for _ in range(chance.randrange(5))
        }

    for _ in range(3000):
        pillar = any_map()
        if not narrows_pillar.check(pillar):
            # what is right can be used
            config = narrows_pillar.agent_config(pillar, PLACE, "m")
            assert config["id"] and isinstance(config["content"], list)
            narrows_pillar.folders_outside(pillar, PLACE)
            port = narrows_pillar.open_port(pillar)
            assert port is None or isinstance(port, int)


@pytest.mark.parametrize(
    ("listen", "port"),
    [("10.2.0.1:7000", 7000), ("[::]:7001", 7001), (None, 6881), ("nowhere", None), ("10.2.0.1:0", None), ("1.2.3.4:70000", None)],
)
def test_the_port_for_neighbours_is_that_of_listen(listen, port):
    config = {} if listen is None else {"listen": listen}
    assert narrows_pillar.open_port({"agent": {"config": config}}) == port
    assert narrows_pillar.open_port({"agent": None}) == 6881
    assert narrows_pillar.open_port({"agent": {"active": False, "config": config}}) is None


def test_windows_paths_are_joined_as_windows_does():
    place = dict(PLACE, torrents=r"C:\ProgramData\Narrows\torrents", data=r"C:\data")
    pillar = {"content": {"office": {"torrent": "x", "info_hash": "ab" * 20, "target": r"C:\deploy"}}}
    assert narrows_pillar.check(pillar) == []
    path = narrows_pillar.wanted(pillar, place)[0]["path"]
    assert path == r"C:\ProgramData\Narrows\torrents\office-abababab.torrent"
    assert narrows_pillar.content_name(path) == ("office", "abababab")


def status(state="seeding", progress=1.0, info_hash="h", site="hq", **more):
    content = {"info_hash": info_hash, "state": state, "progress": progress, "complete": state == "seeding", "site": site}
    content.update({"name": "f", "rate_down": 0, "rate_up": 0, "role": "member", "error": None})
    content.update({"uploaded_lan": 0, "uploaded_wan": 0, **more})
    return {"site": site, "content": {"office": content}}


SITES = {"a": "hq", "b": "munich", "c": "munich"}


def test_a_rollout_counts_who_is_complete_missing_and_silent_by_site():
    answers = {
        "a": status(),
        "b": status("fetching", 0.999, rate_down=1_000_000),
        "c": status(site="munich"),
        "d": "ERROR: The agent does not answer at x; start its service.",
        "e": status(info_hash="old", site="munich"),
    }
    sites = {"a": "hq", "b": "hq", "c": "munich", "e": "munich", "f": "munich"}
    rollout = narrows_rollout.merge("office", "h", ["a", "b", "c", "d", "e", "f"], answers, sites=sites)
    assert {name: row["state"] for name, row in rollout["minions"].items()} == {
        "a": "seeding",
        "b": "fetching",
        "c": "seeding",
        "d": "failed",
        "e": "not assigned",
        "f": "no answer",
    }
    assert rollout["minions"]["b"]["percent"] == 99, "100 is for those that have all of it"
    assert rollout["sites"]["hq"] == {
        "minions": 2,
        "complete": 1,
        "no_answer": 0,
        "wanted": 2,
        "wanted_complete": 1,
        "percent": 99,
        "rate": 1_000_000,
    }
    assert rollout["sites"]["munich"]["minions"] == 3 and rollout["sites"]["munich"]["no_answer"] == 1
    assert rollout["total"]["complete"] == 2 and rollout["total"]["minions"] == 6
    text = narrows_rollout.table(rollout)
    assert "8.0 Mbit/s" in text and "no answer" in text and "start its service" in text


def test_the_percentage_of_a_rollout_leaves_out_the_seeder_that_had_everything_from_the_start():
    answers = {"seeder": status(), "a": status("fetching", 0.5), "b": status("fetching", 0.1)}
    sites = {"seeder": "hq", "a": "hq", "b": "munich"}
    rollout = narrows_rollout.merge("office", "h", list(answers), answers, sites=sites, seeder="seeder")
    assert [rollout["sites"][site]["percent"] for site in ("hq", "munich")] == [50, 10]
    assert (rollout["total"]["percent"], rollout["total"]["wanted"], rollout["total"]["wanted_complete"]) == (30, 2, 0)
    assert rollout["total"]["minions"] == 3 and rollout["total"]["complete"] == 1
    alone = narrows_rollout.merge("office", "h", ["seeder"], {"seeder": status()}, seeder="seeder")
    assert alone["total"]["percent"] == 100


def test_enough_is_enough_at_every_site():
    both = {"a": status(), "b": status(), "c": status("fetching", 0.5)}
    rollout = narrows_rollout.merge("office", "h", list("abc"), both, sites=SITES)
    assert narrows_rollout.reached(rollout, 50) and not narrows_rollout.reached(rollout, 60)
    silent = narrows_rollout.merge("office", "h", list("abcdef"), both, sites=SITES)
    assert not narrows_rollout.reached(silent, 50), "who has never been seen at a site counts for all"
    assert narrows_rollout.reached(narrows_rollout.merge("office", "h", [], {}), 100)


#: What a minion may answer: each of these ended the picture of all once.
SENSELESS = [
    {"content": {"office": None}},
    {"content": {"office": {"state": "seeding", "complete": True}}},
    {"content": {"office": {"info_hash": "h", "complete": True}}},
    {"site": "nowhere", "content": {"office": {"info_hash": "h", "state": "fetching", "complete": False, "progress": "x", "rate_down": 1}}},
    {"site": ["hq"], "content": {"office": {"info_hash": "h", "state": ["x"], "complete": 1, "progress": {}, "rate_down": None}}},
    {"content": {"office": {"info_hash": "h", "state": "fetching", "complete": False, "progress": float("nan"), "rate_down": 1}}},
    {"content": []},
    [],
    7,
    b"seeding",
]


@pytest.mark.parametrize("answer", SENSELESS)
def test_a_minion_whose_answer_makes_no_sense_has_not_answered_and_the_others_are_shown(answer):
    honest = {name: status() for name in "abc"}
    rollout = narrows_rollout.merge("office", "h", list("abcm"), {**honest, "m": answer}, sites=SITES)
    row = rollout["minions"]["m"]
    assert row["state"] in ("no answer", "not assigned") and not row["complete"] and row["site"] == ""
    assert rollout["total"]["complete"] == 3 and rollout["sites"]["munich"]["complete"] == 2
    assert narrows_rollout.reached(rollout, 75) and "munich" in narrows_rollout.table(rollout)
    assert not narrows_rollout.is_needed(narrows_rollout.merge("office", "h", list("abc"), honest, sites=SITES), "hq")


def test_a_minion_alone_at_a_site_that_it_invents_holds_no_site_up():
    answers = {name: status() for name in "abcdefghi"}
    answers["m"] = status("fetching", 0.1, site="nowhere")
    sites = dict.fromkeys("abcdefghi", "hq")
    rollout = narrows_rollout.merge("office", "h", list(answers), answers, sites=sites)
    assert set(rollout["sites"]) == {"", "hq"} and narrows_rollout.reached(rollout, 90)
    assert not narrows_rollout.reached(rollout, 100), "it does not have it"
    assert "(not known)" in narrows_rollout.table(rollout)


def test_a_minion_speaks_for_itself_alone():
    honest = {**status(), "id": "b"}
    assert narrows_rollout.claims({"a": {**status(site="munich"), "id": "b"}, "b": honest}) == {"a": ("a", "munich"), "b": ("b", "hq")}
    assert narrows_rollout.claims({"a": {**status(), "id": "agent-7"}, "c": None, "d": {"site": 5}}) == {"a": ("agent-7", "hq")}


def test_any_answer_of_any_minion_leads_to_a_picture_and_a_table_of_bounded_size():
    chance = random.Random(11)
    leaves = [None, True, -1, 10**400, 1e308, float("nan"), float("inf"), "", "h", "x" * 10**6, "\u202e\x1b[2J\n", b"\xff", [], {}]
    keys = ["site", "id", "content", "office", "info_hash", "state", "complete", "progress", "rate_down", "role", "error", 5, None]

    def anything(depth=0):
        kind = chance.random()
        if depth > 4 or kind < 0.3:
            return chance.choice(leaves)
        if kind < 0.4:
            return [anything(depth + 1) for _ in range(chance.randrange(4))]
        return {chance.choice(keys): anything(depth + 1) for _ in range(chance.randrange(6))}

    def bent():
        answer = status()
        where = chance.choice([answer, answer["content"], answer["content"]["office"]])
        where[chance.choice(list(where))] = anything(2)
        return answer

    for _ in range(2000):
        answers = {"m": chance.choice([anything, bent])(), "a": status()}
        rollout = narrows_rollout.merge("office", "h", ["a", "m"], answers, sites={"a": "hq"})
        assert rollout["minions"]["a"]["complete"] and rollout["sites"]["hq"]["complete"] == 1
        table = narrows_rollout.table(rollout)
        assert len(table) < 2000 and all(line.isprintable() for line in table.splitlines())
        for percent in (0, 50, 100):
            narrows_rollout.reached(rollout, percent)
        narrows_rollout.is_needed(rollout, "hq")
        assert all(isinstance(part, str) and len(part) <= 64 for claim in narrows_rollout.claims(answers).values() for part in claim)
        json.dumps(rollout, allow_nan=False)


def test_an_agent_is_needed_while_somebody_of_its_site_or_of_no_known_site_lacks_the_content():
    answers = {"a": status(), "b": status(), "c": status("fetching", 0.5)}
    rollout = narrows_rollout.merge("office", "h", list("abc"), answers, sites=SITES)
    assert narrows_rollout.is_needed(rollout, "munich") and not narrows_rollout.is_needed(rollout, "hq")
    unknown = narrows_rollout.merge("office", "h", list("abcd"), answers, sites=SITES)
    assert narrows_rollout.is_needed(unknown, "hq")


def react(name, tag, data):
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment()
    environment.filters["json"] = json.dumps
    text = (EXAMPLE.parent / f"reactor/narrows/{name}.sls").read_text()
    return yaml.safe_load(environment.from_string(text).render(tag=tag, data=data))


def test_an_event_that_does_not_agree_with_itself_leads_to_nothing():
    honest = {"id": "m-1", "content": "office"}
    assert react("completed", "salt/beacon/m-1/narrows/completed", honest)["narrows-completed-install"]
    assert react("idle", "salt/beacon/m-1/narrows/idle", honest)["narrows-idle"]
    assert react("start", "salt/minion/m-1/start", honest)["narrows-start"]
    for data in ({"id": "m-2"}, {"id": ["m-1"]}, {"id": None}, {}, [], "text", None, 5):
        assert react("completed", "salt/beacon/m-1/narrows/completed", data) == {}
        assert react("idle", "salt/beacon/m-1/narrows/idle", data) == {}
        assert react("start", "salt/minion/m-1/start", data) == {}
    assert react("start", "salt/minion/m-1/x/start", honest) == {}


@pytest.mark.parametrize("said", ["a\nb: {c: d}", "x\" - y: z", "{{ 7 * 7 }}", "!!python/object:x", "\u202e", "y" * 10**4, ["a"], {"b": 1}, None])
def test_what_an_event_says_of_a_content_is_one_argument(said):
    found = react("completed", "salt/beacon/m-1/narrows/completed", {"id": "m-1", "content": said})
    assert list(found) == ["narrows-completed-install", "narrows-completed-settle"]
    minion, name = found["narrows-completed-install"]["runner.narrows.install"][0]["args"]
    assert minion == {"minion": "m-1"} and name == {"name": str(said)[:64]}


def tags(events):
    return [event["tag"] for event in events]


def test_completed_is_told_once_per_version_and_again_after_it_was_missing():
    known = {"office": {"target": "/opt"}}
    events, told = beacon.news(status(), known, {}, 0, 300)
    assert events == [{"tag": "completed", "content": "office", "info_hash": "h", "name": "f", "target": "/opt"}]
    for state in ("seeding", "paused", "checking", "seeding"):
        events, told = beacon.news(status(state, 0.3), known, told, 1, 300)
        assert events == [], state
    events, told = beacon.news(status(info_hash="new"), known, told, 2, 300)
    assert tags(events) == ["completed"]
    events, told = beacon.news(status("fetching", 0.9, info_hash="new"), known, told, 3, 300)
    assert events == []
    events, told = beacon.news(status(info_hash="new"), known, told, 4, 300)
    assert tags(events) == ["completed"]


def test_a_failure_is_told_once_per_reason():
    events, told = beacon.news(status("error", error="disk is full"), {}, {}, 0, 300)
    assert tags(events) == ["failed"] and events[0]["error"] == "disk is full"
    events, told = beacon.news(status("error", error="disk is full"), {}, told, 1, 300)
    assert events == []
    events, told = beacon.news(status("error", error="torrent is gone"), {}, told, 2, 300)
    assert tags(events) == ["failed"]


def test_idle_is_told_after_a_while_without_work_and_again_after_as_long():
    told, seen = {}, []
    for second in range(0, 1000, 5):
        sent = min(second, 100)
        events, told = beacon.news(status(uploaded_lan=sent), {}, told, second, 300)
        seen += [second for tag in tags(events) if tag == "idle"]
    # 100 s of serving, a look at which nothing has been sent since, then 300 s of rest
    assert seen == [405, 705], seen
    events, told = beacon.news(status("fetching", 0.5, uploaded_lan=100), {}, told, 2000, 300)
    assert tags(events) == []


def test_the_beacons_configuration_is_checked():
    assert beacon.validate([{"interval": 5}, {"idle_after": 60}])[0]
    assert not beacon.validate([{"idle_after": "5m"}])[0]
    assert not beacon.validate({"idle_after": 5})[0]


@pytest.mark.parametrize("program", ["agent", "tracker"])
@pytest.mark.parametrize(
    "text, told",
    [
        (None, "Cannot read the {}'s configuration .*; apply the state narrows.{}"),
        ("listen: [0.0.0.0", "The {}'s configuration .* is no YAML"),
        ("- listen", "The {}'s configuration .* is no configuration; apply the state narrows.{}"),
    ],
)
def test_a_configuration_of_either_program_that_cannot_be_read_is_told_in_a_sentence(tmp_path, program, text, told):
    file = tmp_path / "narrows.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandExecutionError, match=told.replace("{}", program)):
        narrows_config.read(str(file), program)
