"""
Steers the Narrows agent on this machine, over its control port.

:maintainer: the Narrows developers
:maturity: new
:depends: a running narrows-agent, for all that asks or tells it something
:platform: all

What the agent fetches is in its configuration, which the state ``narrows.agent`` writes from the pillar. The
configuration is looked for where the formula puts it; ``narrows.config`` in the minion's configuration says otherwise.

Errors: each function raises ``CommandExecutionError`` with one sentence if the agent does not answer or refuses.
"""

import os
import shutil
import time

from salt.exceptions import CommandExecutionError

__virtualname__ = "narrows"

_SERVICE = "narrows-agent"

#: Bounds the waiting of functions that wait, in seconds.
_POLL = 0.2


def __virtual__():
    return __virtualname__


def _config_path():
    return __salt__["config.get"]("narrows.config", __utils__["narrows_agent.default_config_path"]())


def _config():
    return __utils__["narrows_config.read"](_config_path(), "agent")


def _state_folder():
    return __utils__["narrows_agent.state_folder"](_config())


def _ask(method, path, query=None, timeout=10):
    config = _config()
    token = None if method == "GET" else __utils__["narrows_agent.token"](config)
    address = config.get("control", "127.0.0.1:6882")
    return __utils__["narrows_http.request"](method, address, path, query=query, token=token, timeout=timeout)


# what the agent says


def contents():
    """
    What the agent's configuration lists: name to ``torrent``, ``target`` and ``version`` (8 digits of the info hash).

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.contents
    """
    found = {}
    for entry in _config().get("content") or []:
        name, version = __utils__["narrows_pillar.content_name"](str(entry["torrent"]))
        found[name] = {"torrent": entry["torrent"], "target": entry.get("target"), "version": version}
    return found


def status(name=None):
    """
    What the agent does: ``id``, ``site`` (as the tracker says), ``paused``, and each content by its name in Salt.

    name
        One content only; an error if the agent does not have it.

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.status
        salt 'munich-*' narrows.status office
    """
    answer = _ask("GET", "/status")
    named = {}
    for content_name, content in contents().items():
        named.setdefault(content["version"], content_name)
    found = {}
    for content in answer.get("content", []):
        content_name = named.get(content["info_hash"][:8], content["name"])
        content["complete"] = content["state"] == "seeding"
        found[content_name] = content
    answer["content"] = found
    if name is None:
        return answer
    if name not in found:
        raise CommandExecutionError(_unknown(name, found))
    return found[name]


def _unknown(name, known):
    said = ", ".join(sorted(known)) or "none"
    return f"The agent has no content {name} (it has: {said}); publish it, or apply the state narrows.content."


# what the agent is told


def _command(command, name):
    query = None
    if name is not None:
        query = {"content": status(name)["info_hash"]}
    return _ask("POST", f"/{command}", query=query)["content"]


def pause(name=None):
    """
    Stops fetching and serving: one content, or all. A restart of the agent does not forget it.

    CLI Example:

    .. code-block:: bash

        salt 'munich-*' narrows.pause office
    """
    return _command("pause", name)


def resume(name=None):
    """
    Goes on after a pause.

    CLI Example:

    .. code-block:: bash

        salt 'munich-*' narrows.resume
    """
    return _command("resume", name)


def verify(name=None, timeout=0):
    """
    Hashes what is on disk again, and fetches what is wrong.

    timeout
        Seconds to wait for the result; 0: do not wait.

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.verify office timeout=600
    """
    names = _command("verify", name)
    deadline = time.monotonic() + timeout
    while timeout:
        states = [content["state"] for key, content in status()["content"].items() if name in (None, key)]
        if "checking" not in states:
            break
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"Still verifying after {timeout} s; ask narrows.status for the progress.")
        time.sleep(_POLL)
    return names


def look(name=None):
    """
    Has the agent compare the files at their targets with what it knows of them, by size, time and inode. When this returns,
    ``narrows.status`` says what is true now; what has changed is being checked, and fetched if it is wrong. (The agent does so
    each minute by itself. To hash everything: ``narrows.verify``.)

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.look office
    """
    query = {"content": status(name)["info_hash"]} if name is not None else None
    # a folder of 100,000 files takes some seconds on a slow disk
    return _ask("POST", "/look", query=query, timeout=40)["content"]


def peers(name=None):
    """
    The peers that the agent is connected to, of one content or of all.

    CLI Example:

    .. code-block:: bash

        salt munich-017 narrows.peers office
    """
    found = {}
    for key, content in explain(name).items():
        found[key] = content.get("peers", [])
    return found


def explain(name=None):
    """
    The agent's role, and which peers it is connected to and why. (The tracker's side of it: ``narrows_tracker.explain``.)

    CLI Example:

    .. code-block:: bash

        salt munich-017 narrows.explain office
    """
    known = status()["content"]
    if name is not None and name not in known:
        raise CommandExecutionError(_unknown(name, known))
    by_hash = {content["info_hash"]: key for key, content in known.items()}
    query = {"content": known[name]["info_hash"]} if name is not None else None
    answer = _ask("GET", "/explain", query=query)
    return {by_hash.get(content["info_hash"], content["name"]): content for content in answer["content"]}


def reload():  # pylint: disable=redefined-builtin
    """
    Has the agent read its configuration again; a wrong one is refused, and everything runs as before.

    Returns what was ``added`` and ``removed``, and which keys ``needs_restart``.

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.reload
    """
    return _ask("POST", "/reload", timeout=30)


# what its configuration lists, by hand


def add(name, torrent, target, info_hash=None):
    """
    Adds a content by hand. The pillar is the whole truth: the next ``narrows.agent`` state takes it away again
    unless the pillar has it too.

    torrent
        The .torrent: a path, ``salt://`` or ``https://`` URL.

    target
        The folder that its file or folder goes into.

    info_hash
        Refuse any other torrent.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.add office salt://narrows/torrents/office-0a1b2c3d.torrent /opt/deploy
    """
    cached = __salt__["cp.cache_file"](torrent)
    if not cached or not os.path.exists(cached):
        raise CommandExecutionError(f"There is no {torrent}; publish the content, or correct the path.")
    info = torrent_info(cached)
    if info_hash and info["info_hash"] != info_hash:
        raise CommandExecutionError(
            f"{torrent} has the info hash {info['info_hash']}, not {info_hash}; correct one of them."
        )
    path, config = _config_path(), _config()
    if name in contents():
        raise CommandExecutionError(f"The agent has a content {name} already; remove it first, or choose another name.")
    place = os.path.join(os.path.dirname(path), "torrents", f"{name}-{info['info_hash'][:8]}.torrent")
    os.makedirs(os.path.dirname(place), exist_ok=True)
    shutil.copyfile(cached, place)
    entries = list(config.get("content") or []) + [{"torrent": place, "target": target}]
    __utils__["narrows_agent.write_config"](path, dict(config, content=entries))
    return reload()


def remove(name):
    """
    Takes a content from the agent by hand: it is served no more; its files stay. The next ``narrows.agent`` state
    brings it back if the pillar has it.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.remove office
    """
    path, config = _config_path(), _config()
    known = contents()
    if name not in known:
        raise CommandExecutionError(_unknown(name, known))
    keep = [entry for entry in config["content"] if entry["torrent"] != known[name]["torrent"]]
    __utils__["narrows_agent.write_config"](path, dict(config, content=keep))
    return reload()


# what its files say; the agent need not run


def torrent_info(path):
    """
    What a .torrent says: ``name``, ``info_hash``, ``size`` in bytes, number of ``files``, ``private``.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.torrent_info /etc/narrows/torrents/office-0a1b2c3d.torrent
    """
    try:
        return __utils__["narrows_metainfo.read"](path)
    except (OSError, ValueError) as error:
        raise CommandExecutionError(f"Cannot use {path}: {error}; make it with narrows-agent create.") from error


def is_complete(info_hash):
    """
    Whether the agent had all of a content when it last wrote down what it has; also when it does not run.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.is_complete 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d
    """
    return __utils__["narrows_agent.phase"](_state_folder(), info_hash) == "complete"


def purgeable(info_hash, target=None, file=None):
    """
    What a purge of a content would do: ``place``, whether something is ``removable``, and ``why`` not all of it.
    ``unknown``: there is something at ``target`` and ``file``, and the agent does not know that it brought it there.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.purgeable 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d /opt/deploy office.msi
    """
    try:
        state = _state_folder()
    except CommandExecutionError:
        state = __utils__["narrows_agent.state_folder"]({})
    place = __utils__["narrows_place.read"](state, info_hash)
    return __utils__["narrows_place.purgeable"](place, target, file)


def purge(info_hash):
    """
    Removes the files of a content that the agent has fetched and does not have any more. What was added or changed by
    others stays. Returns how many files were ``removed``, and what ``stays``.

    CLI Example:

    .. code-block:: bash

        salt lab-1 narrows.purge 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d
    """
    state = _state_folder()
    place = __utils__["narrows_place.read"](state, info_hash)
    if not place or place["origin"] != "fetched":
        raise CommandExecutionError(
            f"The agent does not know that it fetched {info_hash}; remove its files by hand, if at all."
        )
    removed, stays = __utils__["narrows_place.remove"](place)
    __utils__["narrows_place.forget"](state, info_hash)
    at = os.path.join(place["target"], place["name"])
    return {"removed": removed, "stays": f"{at} stays, for it has files that are not the content's." if stays else ""}


# what the pillar says, and agents on demand


def check_pillar(pillar=None):
    """
    What is wrong in the pillar below ``narrows``, a sentence each.

    CLI Example:

    .. code-block:: bash

        salt '*' narrows.check_pillar
    """
    if pillar is None:
        # not pillar.get: since Salt 3008 what it returns outside of states is masked
        pillar = __pillar__.get("narrows") or {}
    return __utils__["narrows_pillar.check"](pillar)


def on_demand():
    """
    Whether the pillar wants the agent to run only while there is something to do.

    CLI Example:

    .. code-block:: bash

        salt munich-017 narrows.on_demand
    """
    return ((__pillar__.get("narrows") or {}).get("agent") or {}).get("active") == "on_demand"


def _all_held():
    """
    The agent's contents by name, with their info hashes; None if its disk does not have all of one.
    """
    found = {name: torrent_info(content["torrent"])["info_hash"] for name, content in contents().items()}
    return found if all(is_complete(info_hash) for info_hash in found.values()) else None


def report():
    """
    What ``narrows.status`` says; of an agent on demand that rests, what it has of its contents.

    CLI Example:

    .. code-block:: bash

        salt munich-017 narrows.report
    """
    try:
        return status()
    except CommandExecutionError:
        held = _all_held() if on_demand() and not __salt__["service.status"](_SERVICE) else None
        if held is None:
            raise
    rests = {"state": "resting", "complete": True, "progress": 1.0, "rate_down": 0, "role": "", "site": "", "error": None}
    return {"site": "", "content": {name: {"info_hash": info_hash, **rests} for name, info_hash in held.items()}}


def rest():
    """
    Stops the agent if the pillar wants it on demand and it has all of its contents. Whether its site needs it is for the
    master to know: ``salt-run narrows.rest``.

    Returns whether it was stopped. It looks again here, for a content may have come since the master looked.

    CLI Example:

    .. code-block:: bash

        salt munich-017 narrows.rest
    """
    if not on_demand() or _all_held() is None:
        return False
    return bool(__salt__["service.stop"](_SERVICE))


# what the SLS files ask; `place` is `agent` of map.jinja


def wanted(pillar, place):
    """
    The contents of the pillar with what it leaves out filled in. For the states of the formula.

    CLI Example: not meant for the command line; see ``pillar.item narrows``.
    """
    return __utils__["narrows_pillar.wanted"](pillar, place)


def agent_config(pillar, place):
    """
    What agent.yaml shall say. For the states of the formula.

    CLI Example: not meant for the command line; read agent.yaml.
    """
    return __utils__["narrows_pillar.agent_config"](pillar, place, __grains__["id"])


def open_port(pillar):
    """
    The port that neighbours connect to. For the states of the formula.

    CLI Example: not meant for the command line; see ``listen`` in agent.yaml.
    """
    return __utils__["narrows_pillar.open_port"](pillar)


def folders_outside(pillar, place):
    """
    Targets that the unit has to be allowed to write to. For the states of the formula.

    CLI Example: not meant for the command line; see ``systemctl cat narrows-agent``.
    """
    return __utils__["narrows_pillar.folders_outside"](pillar, place)


def unit_word(text, prefix="", command=False):
    """
    A word of a unit file, quoted for systemd. For the states of the formula.

    CLI Example: not meant for the command line; see ``systemctl cat narrows-agent``.
    """
    return __utils__["narrows_pillar.unit_word"](text, prefix=prefix, command=command)


def command(binary, *words):
    """
    A command line for the shell of this system. For the states of the formula.

    CLI Example: not meant for the command line.
    """
    return __utils__["narrows_pillar.command"](binary, *words)


def missing(pillar, place):
    """
    The wanted contents that this machine does not have all of. For the states of the formula.

    CLI Example: not meant for the command line; see ``narrows.status``.
    """
    return [
        content["name"]
        for content in wanted(pillar, place)
        if content["ensure"] == "present" and __utils__["narrows_agent.phase"](place["state"], content["info_hash"]) != "complete"
    ]
