"""
Steers the Narrows tracker on this machine, over its admin port.

:maintainer: the Narrows developers
:maturity: new
:depends: a running narrows-tracker
:platform: Linux

The runner ``narrows`` calls these on the tracker's minion, so that the admin port can stay on the loopback. Its
configuration is looked for where the formula puts it; ``narrows.tracker_config`` in the minion's configuration says
otherwise.

Errors: each function raises ``CommandExecutionError`` with one sentence if the tracker does not answer or refuses.
"""

import logging
import os
import shutil

import salt.utils.files
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

__virtualname__ = "narrows_tracker"


def __virtual__():
    return __virtualname__


def _config():
    path = __salt__["config.get"]("narrows.tracker_config", "/etc/narrows/tracker.yaml")
    config = __utils__["narrows_config.read"](path, "tracker")
    folder = os.path.dirname(path)
    for key in ("torrents", "admin_token"):
        if config.get(key):
            config[key] = os.path.join(folder, config[key])
    return config


def _ask(method, path, query=None):
    config = _config()
    token = None
    if method != "GET" and config.get("admin_token"):
        with salt.utils.files.fopen(config["admin_token"]) as file:
            token = file.read().strip()
    address = config.get("admin", "127.0.0.1:6970")
    return __utils__["narrows_http.request"](method, address, path, query=query, token=token, who="The tracker")


def announce_url():
    """
    What .torrent files say of where the tracker is, by this minion's pillar; None if it does not say.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.announce_url
    """
    return ((__pillar__.get("narrows") or {}).get("tracker") or {}).get("url")


def _folder():
    folder = _config().get("torrents")
    if not folder:
        raise CommandExecutionError("The tracker tracks any info hash; set `torrents` in its configuration to restrict it.")
    return folder


def status():
    """
    What the tracker's ``/status`` says: its site map, and each swarm by site.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.status
    """
    return _ask("GET", "/status")


def explain(agent, content):
    """
    What the tracker tells an agent about a content, and by which rule.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.explain munich-017 office
    """
    return _ask("GET", "/explain", query={"agent": agent, "content": content})


def seen(info_hash, claims):
    """
    Which of these agents announce a content from an address of the site that they say. For the runner's pictures of rollouts.

    claims
        Site to a list of agents' ids.

    Returns the same, without those that are not there.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.seen 0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d '{munich: [munich-017]}'
    """
    swarms = {swarm["info_hash"]: swarm for swarm in status()["contents"]}
    if info_hash not in swarms:
        return {}
    swarm = swarms[info_hash]
    with_peers = {site["site"] for site in swarm["sites"]}
    return {site: _listed(info_hash, site, agents) for site, agents in claims.items() if site in with_peers}


def _listed(content, site, agents):
    """
    Those of `agents` that the tracker lists at a site.
    """
    wanted, found, offset = set(agents), set(), 0
    query = {"filter": agents[0]} if len(wanted) == 1 else {}
    while True:
        page = _ask("GET", "/agents", {"site": site, "content": content, "limit": 500, "offset": offset, **query})
        found.update(agent["id"] for agent in page["agents"] if agent["id"] in wanted)
        offset += len(page["agents"])
        if not page["agents"] or offset >= page["total"] or found == wanted:
            return sorted(found)


def brakes():
    """
    The emergency brakes that are on.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.brakes
    """
    return _ask("GET", "/brake")


def brake(link=None, site=None, content=None, everything=False):
    """
    Puts the emergency brake on: a link, a site, a content (name or info hash), or everything.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.brake site=munich
    """
    return _ask("POST", "/brake", query=_target(link, site, content, everything))


def release(link=None, site=None, content=None, everything=False):
    """
    Takes the brake off again.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.release site=munich
    """
    return _ask("DELETE", "/brake", query=_target(link, site, content, everything))


def _target(link, site, content, everything):
    given = {"link": link, "site": site, "content": content}
    query = {key: value for key, value in given.items() if value is not None}
    if everything:
        query["all"] = "1"
    if not query:
        raise CommandExecutionError("Name what to stop: link=NAME, site=NAME, content=NAME or everything=true.")
    return query


def tracked():
    """
    The .torrent files in the tracker's folder: file name to info hash; null for what is no torrent.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.tracked
    """
    folder = _folder()
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".torrent"):
            try:
                found[name] = __utils__["narrows_metainfo.read"](os.path.join(folder, name))["info_hash"]
            except (OSError, ValueError):
                found[name] = None
    return found


def track(source):
    """
    Takes a .torrent into the tracker's folder, which the tracker watches.

    source
        A path, a ``salt://`` or an ``https://`` URL.

    Returns whether the file is new or other than before.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.track salt://narrows/torrents/office-0a1b2c3d.torrent
    """
    cached = __salt__["cp.cache_file"](source)
    if not cached:
        raise CommandExecutionError(f"There is no {source}; correct the path.")
    try:
        info = __utils__["narrows_metainfo.read"](cached)
    except ValueError as error:
        raise CommandExecutionError(f"Cannot track {source}: {error}.") from error
    problem = __utils__["narrows_metainfo.without_tracker"](info["trackers"])
    if problem:
        log.warning("No agent can announce %s: %s", source, problem)
    place = os.path.join(_folder(), os.path.basename(source))
    with salt.utils.files.fopen(cached, "rb") as file:
        data = file.read()
    if os.path.exists(place):
        with salt.utils.files.fopen(place, "rb") as file:
            if file.read() == data:
                return False
    # the tracker looks at *.torrent only, and sees the old file or the new one
    part = place + ".part"
    shutil.copyfile(cached, part)
    os.chmod(part, 0o644)
    os.replace(part, place)
    return True


def untrack(file):
    """
    Takes a .torrent out of the tracker's folder: its swarm is forgotten at once.

    Returns whether it was there.

    CLI Example:

    .. code-block:: bash

        salt tracker-1 narrows_tracker.untrack office-0a1b2c3d.torrent
    """
    if os.path.basename(file) != file or not file.endswith(".torrent"):
        raise CommandExecutionError(f"{file} is no name of a .torrent; narrows_tracker.tracked lists them.")
    try:
        os.remove(os.path.join(_folder(), file))
    except FileNotFoundError:
        return False
    return True
