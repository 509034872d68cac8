"""
Events of the Narrows agent: ``salt/beacon/<minion>/narrows/completed``, ``failed`` and ``idle``.

:maintainer: the Narrows developers
:maturity: new
:depends: a running narrows-agent
:platform: all

``completed`` {content, info_hash, name, target}
    Once per content and version, when it is whole, verified and at its target; again if it was missing in between.

``failed`` {content, info_hash, error}
    Once per error, when a content comes to a halt.

``idle`` {contents, site}
    Everything is complete, and no peer has fetched anything from this machine for ``idle_after`` seconds; again after as long.

What has been told is kept over a restart of the minion.
"""

import json
import os
import time

import salt.utils.files
from salt.exceptions import CommandExecutionError

__virtualname__ = "narrows"


def __virtual__():
    return __virtualname__


def validate(config):
    """
    Checks the beacon's configuration: ``idle_after`` is a number of seconds.
    """
    if not isinstance(config, list):
        return False, "The configuration of the beacon narrows must be a list."
    for entry in config:
        idle_after = entry.get("idle_after", 300) if isinstance(entry, dict) else 300
        if isinstance(idle_after, bool) or not isinstance(idle_after, (int, float)) or idle_after <= 0:
            return False, f"idle_after of the beacon narrows is {idle_after!r}; write a number of seconds."
    return True, "Valid beacon configuration."


def beacon(config):
    """
    Compares what the agent says with what has been told.

    .. code-block:: yaml

        beacons:
          narrows:
            - interval: 5
            - idle_after: 300
    """
    idle_after = 300
    for entry in config:
        idle_after = entry.get("idle_after", idle_after)
    try:
        status = __salt__["narrows.status"]()
        known = __salt__["narrows.contents"]()
    except CommandExecutionError:
        # no agent, or it is stopped: nothing happens there
        return []
    file = os.path.join(__opts__["cachedir"], "narrows_beacon.json")
    told = _load(file)
    events, new = news(status, known, told, time.time(), idle_after)
    if new != told:
        _save(file, new)
    return events


def news(status, known, told, now, idle_after):
    """
    The events since ``told``, and what has been told then. Pure; times are in seconds.
    """
    events = []
    new = {"completed": {}, "failed": {}, "sent": 0, "since": None}
    for name, content in sorted(status["content"].items()):
        new["sent"] += content["uploaded_lan"] + content["uploaded_wan"]
        if content["complete"]:
            new["completed"][name] = content["info_hash"]
            if told.get("completed", {}).get(name) != content["info_hash"]:
                target = known.get(name, {}).get("target")
                said = {"info_hash": content["info_hash"], "name": content["name"], "target": target}
                events.append({"tag": "completed", "content": name, **said})
        elif content["state"] in ("checking", "paused") and told.get("completed", {}).get(name) == content["info_hash"]:
            # being looked at again, not missing
            new["completed"][name] = content["info_hash"]
        if content["state"] == "error":
            new["failed"][name] = content["error"]
            if told.get("failed", {}).get(name) != content["error"]:
                said = {"info_hash": content["info_hash"], "error": content["error"]}
                events.append({"tag": "failed", "content": name, **said})
    contents = status["content"].values()
    at_rest = all(content["complete"] and not content["rate_up"] for content in contents)
    if at_rest and told.get("sent") == new["sent"]:
        new["since"] = told.get("since") or now
        if now - new["since"] >= idle_after:
            events.append({"tag": "idle", "contents": sorted(status["content"]), "site": status["site"]})
            new["since"] = now
    return events, new


def _load(file):
    try:
        with salt.utils.files.fopen(file) as text:
            told = json.load(text)
        return told if isinstance(told, dict) else {}
    except (OSError, ValueError):
        return {}


def _save(file, told):
    with salt.utils.files.fopen(file + ".new", "w") as text:
        json.dump(told, text)
    os.replace(file + ".new", file)
