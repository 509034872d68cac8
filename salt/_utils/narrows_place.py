"""
What the agent remembers of a content's place, in ``<state>/<info hash>.place``: whether the agent fetched the files,
and each as it left it. By that a purge tells what is ours from what is a user's.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import contextlib
import json
import os

#: What the agent keeps per content in its state folder.
_KEPT = ("place", "resume", "journal", "scrub", "wan")


def read(state, info_hash):
    """
    A map with ``target``, ``name``, ``origin`` (``fetched``, ``found`` or None) and ``files``; None if nothing is known.
    """
    try:
        with open(os.path.join(state, f"{info_hash}.place"), encoding="utf-8") as file:  # pylint: disable=resource-leakage
            place = json.load(file)
        files = [(str(path), tuple(int(part) for part in stamp)) for path, stamp in place.get("files") or []]
        return {
            "target": str(place["target"]),
            "name": str(place["name"]),
            "origin": place.get("origin"),
            "files": [(path, stamp) for path, stamp in files if _is_below(path) and len(stamp) == 3],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(state, info_hash):
    """
    Removes what the agent keeps of a content.
    """
    for ending in _KEPT:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(state, f"{info_hash}.{ending}"))


def ours(place):
    """
    The paths, below the content's folder, of files and links that are as the agent left them; empty for a single file.
    """
    return [path for path, stamp in place["files"] if _stamp(place, path) == stamp]


def remove(place):
    """
    Removes the files that are ours, and folders that are empty then. What others added or changed stays. Symbolic links
    are not followed. Returns how many files were removed, and whether something stays.
    """
    removed, folders = 0, {""}
    for path in ours(place):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _act(place, path, os.unlink)
            removed += 1
        parts = path.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for folder in sorted(folders, key=lambda folder: folder.count("/") + bool(folder), reverse=True):
        with contextlib.suppress(OSError):
            _act(place, folder, os.rmdir)
    return removed, os.path.lexists(os.path.join(place["target"], place["name"]))


def purgeable(place, target=None, file=None):
    """
    What a purge would do: ``place`` on the disk, whether something is ``removable``, and ``why`` not all of it. ``unknown``:
    there is something at ``target`` and ``file``, and the agent does not know that it brought it there.
    """
    at = os.path.join(place["target"], place["name"]) if place else os.path.join(target or "", file or "")
    out = {"place": at, "removable": False, "why": "", "unknown": False}
    if place and place["origin"] == "fetched":
        out["removable"] = bool(ours(place)) or not os.path.lexists(at)
        if not out["removable"]:
            out["why"] = f"{at} stays, for it was changed after it came; remove it by hand if it is not needed."
    elif place and place["origin"] == "found":
        if os.path.lexists(at):
            out["why"] = f"{at} stays, for it was there before the agent; remove it by hand if it is no original."
    elif target and file and os.path.lexists(at):
        out["unknown"] = True
        out["why"] = f"{at} stays, for the agent does not know that it fetched it; remove it by hand, or take `purge` away."
    return out


def _is_below(path):
    return not path or all(part not in ("", ".", "..") for part in path.split("/"))


def _stamp(place, path):
    """
    Size, time of modification in ns and inode (0 on Windows), as the agent writes them; None if there is no such file.
    """
    try:
        stat = _act(place, path, os.lstat)
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns, 0 if os.name == "nt" else stat.st_ino)


def _act(place, path, act):
    """
    Does something to a path below the target, which is not left through a symbolic link.
    """
    parts = [place["name"], *(path.split("/") if path else [])]
    if not _is_below("/".join(parts)):
        raise FileNotFoundError(path)
    if os.name != "posix":
        whole = os.path.join(place["target"], *parts)
        if os.path.realpath(os.path.dirname(whole)) != os.path.join(os.path.realpath(place["target"]), *parts[:-1]):
            raise FileNotFoundError(whole)
        return act(whole)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    at = os.open(place["target"], flags)
    try:
        for part in parts[:-1]:
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return act(parts[-1], dir_fd=at)
    finally:
        os.close(at)
