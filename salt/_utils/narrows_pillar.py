"""
The pillar below ``narrows``: what is wrong in it, and what follows from it. Pure functions.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import difflib
import ntpath
import posixpath
import re

KEYS = {
    "": ["lookup", "tracker", "agent", "content"],
    "tracker": ["active", "package", "version", "source", "source_hash", "url", "admin_token", "config", "sites"],
    "agent": [
        "active",
        "package",
        "version",
        "source",
        "source_hash",
        "config",
        "idle_after",
        "beacon",
        "beacon_interval",
        "firewall",
    ],
    "content": ["torrent", "info_hash", "version", "size", "file", "target", "ensure", "purge"],
}

#: Keys of agent.yaml and tracker.yaml that the states set themselves, and where to say it instead.
OWN = {
    "agent": {
        "content": "narrows:content",
        "data": "narrows:lookup:agent:data",
        "state": "narrows:lookup:agent:state",
    },
    "tracker": {
        "site_map": "narrows:tracker:sites",
        "admin_token": "narrows:tracker:admin_token",
        "torrents": "narrows:lookup:tracker:torrents",
        "state": "narrows:lookup:tracker:state",
    },
}

#: What the agent listens on if its configuration does not say.
DEFAULT_PORT = 6881

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{40}")


def check(pillar):
    """
    All mistakes, a sentence each: what is wrong, where, and what to do.
    """
    if not _is_map(pillar, "narrows", out := []):
        return out
    _unknown(pillar, "", "narrows", out)
    for part in ("tracker", "agent"):
        _check_part(part, pillar.get(part), out)
    if _is_map(pillar.get("lookup"), "narrows:lookup", out):
        for part, places in (pillar.get("lookup") or {}).items():
            if isinstance(places, dict) and places.get("user") == "root":
                out.append(f"narrows:lookup:{part}:user is root, whom the states would make anew; name a user of its own.")
    contents = pillar.get("content")
    if _is_map(contents, "narrows:content", out):
        for name, content in (contents or {}).items():
            _check_content(str(name), content, out)
        _check_places(contents or {}, out)
    return out


def _check_part(part, wanted, out):
    where = f"narrows:{part}"
    if not _is_map(wanted, where, out) or not wanted:
        return
    _unknown(wanted, part, where, out)
    choices = (True, False, "on_demand") if part == "agent" else (True, False)
    active = wanted.get("active", True)
    if not any(active is choice or (choice == "on_demand" and active == choice) for choice in choices):
        out.append(f"{where}:active is `{active}`; write one of {', '.join(str(c).lower() for c in choices)}.")
    source = wanted.get("source")
    if source and wanted.get("package"):
        out.append(f"{where} has a package and a source; keep one of them.")
    if source and str(source).startswith(("http://", "https://", "ftp://")) and not wanted.get("source_hash"):
        out.append(f"{where}:source is a URL; add its hash as {where}:source_hash, like sha256=<64 hex digits>.")
    if not isinstance(wanted.get("firewall", True), bool):
        out.append(f"{where}:firewall is `{wanted['firewall']}`; write true or false.")
    for key in ("idle_after", "beacon_interval"):
        value = wanted.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
            out.append(f"{where}:{key} is `{value}`; write a number of seconds.")
    if _is_map(wanted.get("config"), f"{where}:config", out):
        for key, instead in OWN[part].items():
            if key in (wanted.get("config") or {}):
                out.append(f"{where}:config:{key} is set by the states; write it as {instead}.")
    if part == "tracker":
        _is_map(wanted.get("sites"), f"{where}:sites", out)


def _check_content(name, content, out):
    where = f"narrows:content:{name}"
    if not _NAME.fullmatch(name):
        out.append(f"{where}: names are letters, digits, dot, dash and underscore, 64 at most; choose another.")
    if not _is_map(content, where, out) or content is None:
        if content is None:
            out.append(f"{where} is empty; it wants torrent, info_hash and target (salt-run narrows.publish writes them).")
        return
    _unknown(content, "content", where, out)
    if content.get("ensure", "present") not in ("present", "absent"):
        out.append(f"{where}:ensure is `{content['ensure']}`; write present or absent.")
    if not isinstance(content.get("purge", False), bool):
        out.append(f"{where}:purge is `{content['purge']}`; write true or false.")
    if not _HASH.fullmatch(str(content.get("info_hash", ""))):
        out.append(f"{where}:info_hash is not 40 hex digits; publish again, or take it from `narrows-agent create`.")
    if not content.get("torrent") and content.get("ensure") != "absent":
        out.append(f"{where}:torrent is missing; name the .torrent, as salt://narrows/torrents/{name}.torrent.")
    target = content.get("target")
    if target is not None and not _is_absolute(str(target)):
        out.append(f"{where}:target is `{target}`; write an absolute path.")
    file = str(content.get("file", "x"))
    if file in (".", "..", "") or "/" in file or "\\" in file:
        out.append(f"{where}:file is `{file}`; it is the one name that lies in the target, without a path.")
    if content.get("purge") and content.get("ensure") == "absent" and not content.get("file"):
        out.append(f"{where}:purge wants to know what to remove; add file: the name in the target.")


def _check_places(contents, out):
    seen = {}
    for name, content in contents.items():
        if not isinstance(content, dict) or content.get("ensure") == "absent" or not content.get("file"):
            continue
        place = (str(content.get("target")), str(content["file"]))
        if place in seen:
            out.append(
                f"narrows:content:{name} and narrows:content:{seen[place]} both are {place[1]} in {place[0]}; "
                "give one another target."
            )
        seen.setdefault(place, name)


def _is_map(value, where, out):
    if value is None or isinstance(value, dict):
        return True
    out.append(f"{where} is `{value}`, not keys with values; see pillar.example.")
    return False


def _unknown(wanted, part, where, out):
    for key in wanted:
        if key not in KEYS[part]:
            near = difflib.get_close_matches(str(key), KEYS[part], n=1)
            help_ = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(KEYS[part])}."
            out.append(f"{where} has an unknown key `{key}`; {help_}")


def _is_absolute(path):
    return posixpath.isabs(path) or (ntpath.isabs(path) and bool(ntpath.splitdrive(path)[0]))


def _join(folder, name):
    windows = "\\" in folder or bool(ntpath.splitdrive(folder)[0])
    return (ntpath if windows else posixpath).join(folder, name)


def wanted(pillar, place):
    """
    The contents of the pillar in the order of their names, with what is left out filled in.

    ``place`` is ``agent`` of map.jinja. Each has ``name``, ``torrent`` (its source), ``path`` (where the .torrent lies
    on this machine), ``info_hash``, ``target``, ``file``, ``ensure``, ``purge``.
    """
    out = []
    for name, content in sorted((pillar.get("content") or {}).items()):
        info_hash = str(content["info_hash"])
        out.append(
            {
                "name": str(name),
                "torrent": content.get("torrent"),
                "path": _join(place["torrents"], f"{name}-{info_hash[:8]}.torrent"),
                "info_hash": info_hash,
                "target": str(content.get("target") or place["data"]),
                "file": content.get("file"),
                "ensure": content.get("ensure", "present"),
                "purge": content.get("purge", False),
            }
        )
    return out


def agent_config(pillar, place, minion_id):
    """
    What agent.yaml says.
    """
    config = dict((pillar.get("agent") or {}).get("config") or {})
    config.setdefault("id", minion_id)
    config["data"], config["state"] = place["data"], place["state"]
    config["content"] = [
        {"torrent": content["path"], "target": content["target"]}
        for content in wanted(pillar, place)
        if content["ensure"] == "present"
    ]
    return config


def open_port(pillar):
    """
    The TCP port that neighbours connect to; None if the agent does not run, or if its address is wrong, which the
    agent's own check says better.
    """
    agent = pillar.get("agent") or {}
    port = str((agent.get("config") or {}).get("listen") or f"0.0.0.0:{DEFAULT_PORT}").rpartition(":")[2]
    usable = re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536
    return int(port) if usable and agent.get("active", True) is not False else None


def folders_outside(pillar, place):
    """
    Targets that are in none of the folders which the unit may write to anyway.
    """
    inside = [place["data"], place["state"], *place.get("writable", [])]
    targets = sorted({content["target"].rstrip("/") or "/" for content in wanted(pillar, place)})
    return [
        target
        for target in targets
        if not any(target == folder or target.startswith(folder.rstrip("/") + "/") for folder in inside)
    ]


def content_name(torrent):
    """
    The content's name and the first digits of its hash, by the .torrent's path on a minion.
    """
    base = ntpath.basename(torrent)
    found = re.fullmatch(r"(.+)-([0-9a-f]{8})\.torrent", base)
    return (found[1], found[2]) if found else (base.removesuffix(".torrent"), "")
