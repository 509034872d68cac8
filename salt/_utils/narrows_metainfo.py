"""
Reads .torrent files (BEP 3), as far as Salt needs to know them.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import hashlib
import urllib.parse


def read(path):
    """
    What a .torrent says: ``name``, ``info_hash`` (40 hex digits), ``size`` (bytes), ``files``, ``private``, ``trackers``.

    :raises ValueError: if it is no torrent.
    :raises OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return parse(file.read())


def parse(data):
    """
    The same from the bytes of a .torrent.
    """
    try:
        top, spans, end = _dictionary(data, 0)
        info = top[b"info"]
        start, stop = spans[b"info"]
        if end != len(data):
            raise ValueError("something follows its end")
        files = info.get(b"files")
        # a symbolic link (BEP 47) has no bytes, and need not say so
        sizes = [info[b"length"]] if files is None else [_size(file) for file in files]
        return {
            "name": info[b"name"].decode(),
            "info_hash": hashlib.sha1(data[start:stop]).hexdigest(),
            "size": sum(sizes),
            "files": len(sizes),
            "private": info.get(b"private") == 1,
            "trackers": _trackers(top),
        }
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a .torrent: {error!r}") from error


def without_tracker(trackers):
    """
    Why agents can announce to none of these URLs, for a person; None: they can use one.
    """
    faults = [_fault(url) for url in trackers]
    if not faults:
        return "it names no tracker"
    if None in faults:
        return None
    return "; ".join(f"its tracker {url} cannot be announced to: {fault}" for url, fault in zip(trackers, faults))


def _trackers(top):
    tiers = top.get(b"announce-list") or [[top[b"announce"]] if top.get(b"announce") else []]
    return [url.decode(errors="replace") for tier in tiers for url in tier]


def _fault(url):
    """
    What keeps agents from an announce URL; None: nothing. As the agent's own check.
    """
    if not all("!" <= letter <= "~" for letter in url):
        return "it holds a space, a control character or a letter that is not ASCII"
    if "://" not in url:
        return "it has no scheme; write http:// before it"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or its port is none"
    if parts.scheme not in ("http", "https"):
        return "agents announce over http and https only; write http:// or https://"
    if "@" in parts.netloc:
        return "it holds a user or a password, which no tracker takes"
    if not parts.hostname:
        return "it names no host"
    if port == 0:
        return "its port is no number from 1 to 65535"
    if not parts.path.startswith("/"):
        return "it has no path; our tracker serves /announce"
    return None


def _size(file):
    return 0 if b"l" in file.get(b"attr", b"") else file[b"length"]


def _dictionary(data, at):
    """
    A dictionary at ``at``: its values, where each lies, and where it ends.
    """
    if data[at : at + 1] != b"d":
        raise ValueError("not a .torrent: it does not begin with a dictionary")
    values, spans, at = {}, {}, at + 1
    while data[at : at + 1] != b"e":
        key, at = _value(data, at)
        if key in values:
            # readers differ in which of two equal keys they take
            raise ValueError(f"not a .torrent: the key {key!r} stands twice")
        start = at
        values[key], at = _value(data, at)
        spans[key] = (start, at)
    return values, spans, at + 1


def _value(data, at):
    """
    The value at ``at``, and where it ends.
    """
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind == b"l":
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _value(data, at)
            items.append(item)
        return items, at + 1
    if kind == b"d":
        values, _, at = _dictionary(data, at)
        return values, at
    colon = data.index(b":", at)
    start = colon + 1
    end = start + int(data[at:colon])
    if end > len(data):
        raise ValueError("not a .torrent: it ends too soon")
    return data[start:end], end
