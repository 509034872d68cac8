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
import shlex

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
    "content": ["torrent", "info_hash", "version", "size", "file", "target", "ensure", "purge", "original"],
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

#: Values that are text for the programs: they say themselves what is wrong in it.
_TEXTS = {"narrows:tracker:admin_token", "narrows:tracker:sites", "narrows:tracker:config", "narrows:agent:config"}

#: What the agent listens on if its configuration does not say.
DEFAULT_PORT = 6881

#: Deepest that the pillar is looked at for characters that mislead; nothing of ours is deeper.
MAX_DEPTH = 8

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_$-]?")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9@_.:-]{0,127}")
#: Control characters, and those that end a line or turn the direction of the text behind them (UAX #9).
_MISLEADING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
_HASH = re.compile(r"[0-9a-f]{40}")


def check(pillar):
    """
    All mistakes, a sentence each: what is wrong, where, and what to do.
    """
    if not _is_map(pillar, "narrows", out := []):
        return out
    _unknown(pillar, "", "narrows", out)
    _check_characters(pillar, "narrows", 0, out)
    for part in ("tracker", "agent"):
        _check_part(part, pillar.get(part), out)
    if _is_map(pillar.get("lookup"), "narrows:lookup", out):
        for part, places in (pillar.get("lookup") or {}).items():
            if isinstance(places, dict):
                _check_lookup(f"narrows:lookup:{part}", places, out)
    contents = pillar.get("content")
    if _is_map(contents, "narrows:content", out):
        for name, content in (contents or {}).items():
            _check_content(str(name), content, out)
        lookup = pillar.get("lookup")
        agent = lookup.get("agent") if isinstance(lookup, dict) else None
        _check_places(contents or {}, agent if isinstance(agent, dict) else {}, out)
    return out


def _check_characters(value, where, depth, out):
    """
    Refuses characters by which a file, a unit or a log says something else than a person reads. What is text for the programs,
    which judge it themselves, is left to them.
    """
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, inner in value.items():
            if _MISLEADING.search(str(key)):
                out.append(f"{where} has a key with {_named(str(key))}; write it without.")
            elif f"{where}:{key}" not in _TEXTS:
                _check_characters(inner, f"{where}:{key}", depth + 1, out)
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for inner in value:
            _check_characters(inner, where, depth + 1, out)
    elif isinstance(value, str) and _MISLEADING.search(value):
        out.append(f"{where} has {_named(value)}, which shows other than it is; write it without.")


def _named(text):
    return f"the character U+{ord(_MISLEADING.search(text)[0]):04X}"


def _check_lookup(where, places, out):
    """
    Names and places of the system: they go into units, and into the commands that check configurations.
    """
    if places.get("user") == "root":
        out.append(f"{where}:user is root, an account that the states would create again; name a user of its own.")
    for key in ("user", "group", "service"):
        name = places.get(key)
        pattern = _SERVICE if key == "service" else _ACCOUNT
        if name is not None and not pattern.fullmatch(str(name)):
            out.append(f"{where}:{key} is {str(name)!r}; write a name of letters, digits, dots, dashes and underscores.")
    for key in ("binary", "config", "torrents", "data", "state", "unit", "site_map", "token"):
        path = places.get(key)
        if path is None:
            continue
        if not isinstance(path, str) or not _is_absolute(path):
            out.append(f"{where}:{key} is {path!r}; write an absolute path.")
        elif '"' in path or (key == "binary" and "'" in path) or (not posixpath.isabs(path) and "%" in path):
            out.append(f"{where}:{key} is {path!r}, which a command cannot be given safely; choose a path without quotes and, on Windows, %.")
    writable = places.get("writable")
    if writable is not None and not (isinstance(writable, list) and all(_is_absolute(str(folder)) for folder in writable)):
        out.append(f"{where}:writable is {writable!r}; write a list of absolute paths.")


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
    if source and wanted.get("source_hash") and not str(source).startswith(("http://", "https://", "ftp://")):
        out.append(
            f"{where}:source_hash is not looked at by Salt for {source}, which it takes as it is; remove it, or fetch the "
            "program from an https:// URL."
        )
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
    for key in ("purge", "original"):
        if not isinstance(content.get(key, False), bool):
            out.append(f"{where}:{key} is `{content[key]}`; write true or false.")
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


def _check_places(contents, lookup, out):
    """
    No two contents at one place, none in another's, none around the agent's own folders.
    """
    own = {key: _parts(str(lookup[key])) for key in ("data", "state") if isinstance(lookup.get(key), str)}
    data = own.get("data", ("narrows:lookup:agent:data",))
    seen = []
    for name, content in contents.items():
        if not isinstance(content, dict) or content.get("ensure") == "absent" or not content.get("file"):
            continue
        target = content.get("target")
        folder = data if target is None else _parts(str(target))
        # by the folder, for on Windows case means nothing
        windows = bool(folder) and bool(ntpath.splitdrive(folder[0])[0])
        place = (*folder, _parts(str(content["file"]), windows)[-1])
        where = f"narrows:content:{name}"
        for key, path in own.items():
            if path[: len(place)] == place:
                out.append(f"{where} would take the place of narrows:lookup:agent:{key}; give it another target.")
            elif key == "state" and place[: len(path)] == path:
                out.append(f"{where} would lie in narrows:lookup:agent:state; give it another target.")
        for other, there in seen:
            if there == place:
                both = f"both are {content['file']} in {target or 'narrows:lookup:agent:data'}"
            elif there[: len(place)] == place or place[: len(there)] == there:
                both = f"lie in each other ({'/'.join(place)} and {'/'.join(there)})"
            else:
                continue
            out.append(f"{where} and narrows:content:{other} {both}; give one another target.")
        seen.append((name, place))


def _parts(path, windows=None):
    """
    The parts of a path, equal if they name the same: without ``.``, ``..`` and double slashes, on Windows without case.
    """
    if windows is None:
        windows = bool(ntpath.splitdrive(path)[0]) or "\\" in path
    if windows:
        return tuple(part for part in ntpath.normcase(ntpath.normpath(path)).split("\\") if part) or ("",)
    parts = tuple(part for part in posixpath.normpath("/" + path.lstrip("/")).split("/") if part)
    return parts


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
    on this machine), ``info_hash``, ``target``, ``file``, ``ensure``, ``purge``,
    ``original``.
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
                "original": content.get("original", False),
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


def unit_word(text, prefix="", command=False):
    """
    A word of a unit file that systemd reads as this text and nothing else, after a prefix such as ``-``: quoted, with quotes,
    backslashes and specifiers escaped (systemd.syntax(7), systemd.unit(5)).

    command
        It is an argument in a command line, where variables are replaced, too (systemd.service(5)).
    """
    text = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{prefix}{text.replace("$", "$$") if command else text}"'


def command(binary, *words):
    """
    A command line for the shell of this system, of a program's path and words of ours.
    """
    windows = not posixpath.isabs(binary)
    return " ".join([f'"{binary}"' if windows else shlex.quote(binary), *words])


def content_name(torrent):
    """
    The content's name and the first digits of its hash, by the .torrent's path on a minion.
    """
    base = ntpath.basename(torrent)
    found = re.fullmatch(r"(.+)-([0-9a-f]{8})\.torrent", base)
    return (found[1], found[2]) if found else (base.removesuffix(".torrent"), "")
