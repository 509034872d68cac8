"""
States of the Narrows agent and tracker.

:maintainer: the Narrows developers
:maturity: new
:depends: execution modules narrows, narrows_tracker
:platform: all

.. code-block:: yaml

    office-2026-is-here:
      narrows.present:
        - name: office

    install-office:
      pkg.installed:
        - sources: [{office: /opt/deploy/office.rpm}]
        - require:
          - narrows: office-2026-is-here

No state waits for a download unless told to (``timeout``): the comment carries the progress, and the beacon says when
it has arrived.
"""

import os
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "narrows"

#: How long a running agent may take to list what its configuration has, in seconds.
_LISTED = 10
_POLL = 0.2


def __virtual__():
    if "narrows.status" in __salt__:
        return __virtualname__
    return False, "The execution module narrows is missing; run saltutil.sync_all."


def _ret(name, result=True, comment="", changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}


def _progress(content):
    """
    ``fetching, 42 % of 524.3 MB, 3 peers, gateway at munich.``
    """
    size = content["bytes"]
    unit, factor = next((u for u in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if size >= u[1]), ("B", 1))
    percent = int(100 * content["progress"])
    place = f", {content['role']} at {content['site']}" if content.get("site") else ""
    return (
        f"{content['state']}, {percent} % of {size / factor:.4g} {unit}, {content['peers']} "
        f"peer{'' if content['peers'] == 1 else 's'}{place}."
    )


def _found(name, info_hash):
    """
    The content's status, or None; by its info hash if that is known.
    """
    known = __salt__["narrows.status"]()["content"]
    if info_hash is None:
        return known.get(name)
    return next((content for content in known.values() if content["info_hash"] == info_hash), None)


def refused(name, mistakes):
    """
    Fails with all mistakes of a pillar, in test mode too. The formula has it in place of what would act on them.

    name
        Where they are.

    mistakes
        A sentence each.
    """
    return _ret(name, False, f"Nothing was changed, for {name} is wrong. " + " ".join(mistakes))


def torrent(name, source, info_hash):
    """
    A .torrent is at its place, and it is the right one.

    name
        Where it goes.

    source
        Where it comes from: a path, ``salt://`` or ``https://`` URL.

    info_hash
        40 hex digits. Another torrent is refused, and what is at the place stays.
    """
    try:
        cached = __salt__["cp.cache_file"](source)
        if not cached:
            return _ret(name, False, f"There is no {source}; publish the content again, or correct its pillar.")
        info = __salt__["narrows.torrent_info"](cached)
    except CommandExecutionError as error:
        return _ret(name, False, str(error))
    if info["info_hash"] != info_hash:
        comment = (
            f"{source} has the info hash {info['info_hash']}, and the pillar says {info_hash}; publish the content "
            "again, or correct the pillar."
        )
        return _ret(name, False, comment)
    if not info["private"]:
        return _ret(name, False, f"{source} is not private (BEP 27); make it with narrows-agent create.")
    ret = __states__["file.managed"](name, source=cached, mode="0644" if os.name == "posix" else None)
    return {**ret, "name": name}


def torrents_only(name, keep):
    """
    A folder has no .torrent files but some.

    name
        The folder.

    keep
        Their paths.
    """
    there = [os.path.join(name, file) for file in sorted(os.listdir(name))] if os.path.isdir(name) else []
    gone = [path for path in there if path.endswith(".torrent") and path not in keep]
    changes = {path: {"old": "present", "new": "removed"} for path in gone}
    if __opts__["test"]:
        return _ret(name, None if gone else True, f"{len(gone)} would be removed." if gone else "", changes)
    for path in gone:
        try:
            __salt__["file.remove"](path)
        except (CommandExecutionError, OSError) as error:
            return _ret(name, False, f"Cannot remove {path}: {error}")
    return _ret(name, True, f"{len(gone)} removed." if gone else "", changes)


def reloaded(name, service="narrows-agent"):
    """
    The running agent has read its configuration again. Meant for ``onchanges`` on the file; what it fetches goes on.

    name
        The configuration, for the comment.

    service
        Restarted if a changed key needs that.
    """
    if __opts__["test"]:
        return _ret(name, None, "The agent would read its configuration again.")
    try:
        done = __salt__["narrows.reload"]()
        if done.get("needs_restart"):
            if not __salt__["service.restart"](service):
                return _ret(name, False, f"The service {service} does not start again; see its log.")
            comment = f"Restarted for {', '.join(done['needs_restart'])}."
            return _ret(name, True, comment, {"restarted": {"old": False, "new": True}})
    except CommandExecutionError as error:
        return _ret(name, False, str(error))
    changes = {key: done[key] for key in ("added", "removed") if done.get(key)}
    return _ret(name, True, "The agent works by the new configuration.", changes)


def assigned(name, info_hash=None, on_demand=False):
    """
    The agent has the content in its list. True at once, whatever has arrived; the comment carries the progress.
    False if the agent does not take it, or if the content has come to a halt: the comment is the agent's reason.

    name
        The content.

    info_hash
        Its version; None: any.

    on_demand
        The agent need not run if it has all of the content.
    """
    try:
        content = _found(name, info_hash)
        changes = {}
        if content is None:
            if __opts__["test"]:
                return _ret(name, None, f"{name} would be assigned.")
            content = _take(name, info_hash)
            changes = {name: {"old": "not assigned", "new": "assigned"}}
    except CommandExecutionError as error:
        if __opts__["test"]:
            return _ret(name, None, f"{name} would be assigned once the agent runs. {error}")
        if on_demand and info_hash and __salt__["narrows.is_complete"](info_hash):
            return _ret(name, True, "Complete; the agent rests.")
        return _ret(name, False, str(error))
    if content is None:
        return _ret(name, False, f"The agent does not take {name}; see narrows.status and the agent's log.")
    if content["state"] == "error":
        return _ret(name, False, f"{name} has come to a halt: {content['error']}", changes)
    return _ret(name, True, _progress(content), changes)


def _take(name, info_hash):
    """
    Has the agent list what its configuration has; None if it does not.
    """
    __salt__["narrows.reload"]()
    deadline = time.monotonic() + _LISTED
    while True:
        content = _found(name, info_hash)
        if content is not None or time.monotonic() > deadline:
            return content
        time.sleep(_POLL)


def present(name, info_hash=None, verify=False, timeout=0):
    """
    The content is complete and verified at its target; else False, so that whatever requires it waits for another run.

    name
        The content.

    info_hash
        Its version; None: that which the agent has.

    verify
        Hash all of it again now. (What the agent calls complete was verified when it came, or when the agent found it; and
        its files are compared with that now, by size, time and inode.)

    timeout
        Seconds to wait for it. Long waits block the minion for other states; prefer ``retry``, or the beacon.
    """
    deadline = time.monotonic() + timeout
    try:
        content = _found(name, info_hash)
        if content is None:
            comment = f"The agent does not have {name}; publish it, or apply the state narrows.content."
            return _ret(name, None if __opts__["test"] else False, comment)
        if __opts__["test"]:
            done = content["complete"] and not verify
            return _ret(name, True if done else None, "" if done else f"It would be: {_progress(content)}")
        # what it was a minute ago does not count; an agent from before this version has no word for it
        if content.get("verified") is not None:
            __salt__["narrows.look"](name)
        if verify:
            __salt__["narrows.verify"](name, timeout=max(timeout, 1))
        content = _found(name, info_hash)
        # an error may heal, as a full disk does
        while content and not content["complete"] and time.monotonic() < deadline:
            time.sleep(_POLL)
            content = _found(name, info_hash)
    except CommandExecutionError as error:
        return _ret(name, None if __opts__["test"] else False, str(error))
    if content is None:
        return _ret(name, False, f"{name} was taken from the agent meanwhile.")
    if content["complete"]:
        return _ret(name, True, f"Complete and verified: {_progress(content)}")
    if content["state"] == "error":
        return _ret(name, False, f"{name} has come to a halt: {content['error']}")
    return _ret(name, False, f"Not complete yet: {_progress(content)}")


def absent(name, info_hash=None, target=None, file=None, purge=False, unassign=False, original=False):
    """
    The agent does not have the content.

    info_hash, target, file
        What and where it is, for ``purge``.

    purge
        Remove its files as well: those that this agent fetched and that are as it left them. What users added or changed
        stays, and so does what the agent found in its place, for that is an original.

    unassign
        Take it out of the agent's configuration too, in which the state ``narrows.agent`` does not write it anyway.

    original
        This machine has the original, from which the content was published: ``purge`` does not apply to it.
    """
    changes = {}
    try:
        listed = name in __salt__["narrows.contents"]()
    except CommandExecutionError:
        # no configuration, so nothing is assigned
        listed = False
    if listed and not unassign and not __opts__["test"]:
        return _ret(name, False, f"The agent's configuration has {name}; say `ensure: absent` in the pillar.")
    if purge and not info_hash:
        return _ret(name, False, f"What {name} left cannot be removed: name its info_hash.")
    left = __salt__["narrows.purgeable"](info_hash, target, file) if purge and not original else None
    to_purge = bool(left and left["removable"])
    if __opts__["test"] and (listed or to_purge):
        return _ret(name, None, f"{name} would be removed.")
    if left and left["why"]:
        stays = left["why"]
    else:
        stays = "Its files stay, for they are the original that was published." if purge and original else ""
    try:
        if listed:
            __salt__["narrows.remove"](name)
            changes[name] = {"old": "assigned", "new": "not assigned"}
        if to_purge:
            done = __salt__["narrows.purge"](info_hash)
            stays = done["stays"]
            if done["removed"]:
                changes[left["place"]] = {"old": "present", "new": "removed"}
    except (CommandExecutionError, OSError) as error:
        return _ret(name, False, str(error), changes)
    said = "Removed." if changes else "Not there." if not stays else "Not assigned."
    return _ret(name, not (left and left["unknown"]), f"{said} {stays}".strip(), changes)


def paused(name):
    """
    The content neither fetches nor serves, until ``narrows.resume``.

    name
        The content; ``all`` for the whole agent.
    """
    try:
        if name == "all":
            is_paused = __salt__["narrows.status"]()["paused"]
        else:
            is_paused = __salt__["narrows.status"](name)["state"] == "paused"
        if is_paused:
            return _ret(name, True, "Paused already.")
        if __opts__["test"]:
            return _ret(name, None, f"{name} would be paused.")
        __salt__["narrows.pause"](None if name == "all" else name)
    except CommandExecutionError as error:
        return _ret(name, None if __opts__["test"] else False, str(error))
    return _ret(name, True, "Paused.", {name: {"old": "running", "new": "paused"}})


def tracked(name, source="salt://narrows/torrents", user=None):
    """
    The tracker's folder has the .torrent files of ``source`` and no others.

    name
        The folder.

    source
        A ``salt://`` folder. If it has none, nothing is removed: it may be a mistake.

    user
        Who owns them.
    """
    prefix = source.removeprefix("salt://").strip("/") + "/"
    listed = __salt__["cp.list_master"](prefix=prefix)
    wanted = {os.path.basename(path): f"salt://{path}" for path in listed if path.endswith(".torrent")}
    there = {file for file in os.listdir(name) if file.endswith(".torrent")} if os.path.isdir(name) else set()
    gone = sorted(there - set(wanted)) if wanted else []
    new = sorted(set(wanted) - there)
    if __opts__["test"]:
        changed = {file: {"old": file in there, "new": file not in there} for file in new + gone}
        return _ret(name, None if changed else True, "Would follow what was published.", changed)
    changes = {}
    try:
        for file, url in sorted(wanted.items()):
            cached = __salt__["cp.cache_file"](url)
            if not cached:
                return _ret(name, False, f"There is no {url} any more; apply this again.", changes)
            ret = __states__["file.managed"](os.path.join(name, file), source=cached, user=user, mode="0644")
            if not ret["result"]:
                return _ret(name, False, ret["comment"], changes)
            if ret["changes"]:
                changes[file] = {"old": "tracked" if file in there else "not tracked", "new": "tracked"}
        for file in gone:
            __salt__["file.remove"](os.path.join(name, file))
            changes[file] = {"old": "tracked", "new": "not tracked"}
    except (CommandExecutionError, OSError) as error:
        return _ret(name, False, str(error), changes)
    comment = f"{len(wanted)} contents tracked." if wanted else f"{source} has no .torrent, so nothing was removed."
    return _ret(name, True, comment, changes)
