"""
Publishes contents, shows rollouts, and stops them, from the Salt master.

:maintainer: the Narrows developers
:maturity: new
:depends: narrows-agent on the master, to make .torrent files

In the master's configuration, all optional:

.. code-block:: yaml

    narrows:
      tracker: tracker-1              # the minion of the tracker; default: that with the pillar narrows:tracker:url
      url: http://tracker.example.com:6969/announce    # default: narrows:tracker:url of that minion's pillar
      agent: /usr/local/bin/narrows-agent
      file_root: /srv/salt            # where narrows/torrents/ goes; default: the first of file_roots
      pillar_root: /srv/pillar        # where narrows/content/ goes; default: the first of pillar_roots

The pillar's top file gives all agents the SLS ``narrows.content``, which this runner writes.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time

import salt.cache
import salt.client
import salt.utils.minions
from salt.exceptions import CommandExecutionError

__virtualname__ = "narrows"

log = logging.getLogger(__name__)

#: Kinds of targets, and how a compound matcher says them.
_COMPOUND = {
    "compound": "{}",
    "glob": "{}",
    "list": "L@{}",
    "pcre": "E@{}",
    "nodegroup": "N@{}",
    "grain": "G@{}",
}


def __virtual__():
    return __virtualname__


def publish(
    path,
    name,
    target,
    tgt="*",
    tgt_type="compound",
    seeder=None,
    apply=False,  # pylint: disable=redefined-builtin
    piece_length=None,
    saltenv="base",
):
    """
    Publishes a file or a folder as a content: makes its private .torrent, has the tracker track it, writes the pillar of
    those that shall have it, and refreshes that. The same content again changes nothing; a changed one is a new version,
    and the old one is retired by ``narrows.settle`` when the new one is everywhere.

    path
        The file or folder, on the master. It is read, never copied, and never passes the Salt file server.

    name
        The content's name in Salt.

    target
        The folder it goes into on the minions, absolute.

    tgt, tgt_type
        Who shall have it; ``compound``, ``glob``, ``list``, ``pcre``, ``nodegroup`` or ``grain``.

    seeder
        A minion that has it at ``path`` already and serves it from there: the master's own, as a rule.

    apply
        Also apply the state ``narrows.content`` on them now.

    piece_length
        As for ``narrows-agent create``.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.publish /srv/depot/office.msi name=office target=/opt/deploy tgt='N@branches' seeder=master-1
    """
    __utils__["narrows_published.check_name"](name)
    if not os.path.exists(path):
        raise CommandExecutionError(f"There is no {path} on the master; correct the path.")
    path = os.path.abspath(path)
    wanted = {"torrent": "x", "info_hash": "0" * 40, "target": target}
    mistakes = __utils__["narrows_pillar.check"]({"content": {name: wanted}})
    if mistakes:
        raise CommandExecutionError(" ".join(mistakes))
    if tgt_type not in _COMPOUND:
        raise CommandExecutionError(f"tgt_type is {tgt_type}; write one of {', '.join(_COMPOUND)}.")
    if isinstance(tgt, (list, tuple)):
        tgt = ",".join(tgt)
    matcher = _COMPOUND[tgt_type].format(tgt)
    file_root, pillar_root = _root("file_root", "file_roots", saltenv), _root("pillar_root", "pillar_roots", saltenv)
    before = __utils__["narrows_published.load"](pillar_root, name)
    file, info = _make_torrent(path, name, file_root, piece_length)
    version = info["info_hash"][:8]
    data = {
        "name": name,
        "torrent": f"salt://narrows/torrents/{file}",
        "info_hash": info["info_hash"],
        "version": version,
        "size": info["size"],
        "file": info["name"],
        "target": target,
        "ensure": "present",
        "purge": False,
        "tgt": matcher,
        "seeder": seeder,
        "seeder_target": os.path.dirname(path),
        "previous": _previous(before, file),
    }
    __salt__["fileserver.clear_file_list_cache"](saltenv=saltenv)
    _tell(f"{name}: the tracker takes {file}")
    _tracker("track", source=data["torrent"])
    changed = before is None or any(before.get(key) != value for key, value in data.items())
    if changed:
        __utils__["narrows_published.save"](pillar_root, name, data)
    minions = _expected(data)
    if changed:
        _refresh(minions)
    result = {
        "name": name,
        "changed": changed,
        "version": version,
        "info_hash": info["info_hash"],
        "size": info["size"],
        "torrent": data["torrent"],
        "minions": len(minions),
        "previous": data["previous"],
    }
    if apply:
        result["applied"] = _apply(minions)
    return result


def _make_torrent(path, name, file_root, piece_length):
    """
    The .torrent's file name below file_roots, and what it says.
    """
    program = _options().get("agent") or shutil.which("narrows-agent", path="/usr/local/bin:" + os.environ.get("PATH", ""))
    if not program:
        raise CommandExecutionError(
            "There is no narrows-agent on the master, which makes .torrent files; install it, or say where it is: "
            "`narrows: {agent: PATH}` in the master's configuration."
        )
    url = _announce_url()
    folder = __utils__["narrows_published.torrent_folder"](file_root)
    _tell(f"{name}: hashing {path}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as work:
        made = os.path.join(work, "made.torrent")
        command = [program, "create", path, "--tracker", url, "--output", made]
        if piece_length:
            command += ["--piece-length", str(piece_length)]
        # its progress bar goes to whoever looks
        watched = sys.stderr is not None and sys.stderr.isatty()
        done = subprocess.run(
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=None if watched else subprocess.PIPE
        )
        if done.returncode:
            raise CommandExecutionError((done.stderr or f"narrows-agent create failed for {path}").strip())
        info = __utils__["narrows_metainfo.read"](made)
        file = f"{name}-{info['info_hash'][:8]}.torrent"
        os.chmod(made, 0o644)
        os.replace(made, os.path.join(folder, file))
    return file, info


def _previous(before, file):
    """
    The .torrent files of former versions that are still tracked.
    """
    if before is None:
        return []
    former = [*before.get("previous", []), *([os.path.basename(before["torrent"])] if before.get("torrent") else [])]
    return [old for old in dict.fromkeys(former) if old != file]


def published():
    """
    All that has been published: name to version, size, target, who shall have it, and whether it is retired.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.published
    """
    root = _root("pillar_root", "pillar_roots")
    keys = ("version", "info_hash", "size", "target", "tgt", "seeder", "ensure", "previous")
    return {name: {key: _load(name)[key] for key in keys} for name in __utils__["narrows_published.names"](root)}


def rollout_status(name, timeout=10, table=False):
    """
    How far a rollout is: per site and per minion percent, rate, role, complete, no answer.

    timeout
        Seconds to wait for the minions.

    table
        As text for people; else as data (``--out=json``).

    CLI Example:

    .. code-block:: bash

        salt-run narrows.rollout_status office table=true
        salt-run narrows.rollout_status office --out=json
    """
    data = _load(name)
    rollout = _rollout(name, data, timeout)
    return __utils__["narrows_rollout.table"](rollout) if table else rollout


def _rollout(name, data, timeout):
    expected = _expected(data)
    cache = salt.cache.factory(__opts__)
    sites = cache.fetch("narrows", "sites") or {}
    answers = {}
    if expected:
        returned = _client().cmd(expected, "narrows.status", tgt_type="list", timeout=timeout, full_return=True)
        answers = {minion: answer.get("ret") for minion, answer in returned.items() if isinstance(answer, dict)}
    rollout = __utils__["narrows_rollout.merge"](name, data["info_hash"], expected, answers, sites=sites)
    seen = {minion: row["site"] for minion, row in rollout["minions"].items() if row["site"]}
    if any(sites.get(minion) != site for minion, site in seen.items()):
        cache.store("narrows", "sites", {**sites, **seen})
    return rollout


def wait(name, percent=100, timeout=3600, poll=5):
    """
    Waits until at least ``percent`` of the minions of each site are complete and verified. For orchestrations.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.wait office percent=90 timeout=7200
    """
    data = _load(name)
    deadline = time.monotonic() + timeout
    while True:
        rollout = _rollout(name, data, timeout=10)
        total = rollout["total"]
        if __utils__["narrows_rollout.reached"](rollout, percent):
            return {"name": name, "total": total, "sites": rollout["sites"]}
        if time.monotonic() > deadline:
            raise CommandExecutionError(
                f"{name} is complete on {total['complete']} of {total['minions']} minions after {timeout} s, "
                f"{total['no_answer']} do not answer; look at narrows.rollout_status."
            )
        time.sleep(poll)


def settle(name, force=False):
    """
    Retires former versions of a content once the present one is everywhere. The example reactor calls it.

    force
        Even if some minions do not have it yet.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.settle office
    """
    data = _load(name)
    if not data["previous"]:
        return {"name": name, "retired": []}
    total = _rollout(name, data, timeout=10)["total"]
    if total["complete"] < total["minions"] and not force:
        return {"name": name, "retired": [], "waiting_for": total["minions"] - total["complete"]}
    for file in data["previous"]:
        _forget_torrent(file)
    retired, data["previous"] = data["previous"], []
    __utils__["narrows_published.save"](_root("pillar_root", "pillar_roots"), name, data)
    return {"name": name, "retired": retired}


def install(name, minion, sls=None):
    """
    Applies the state ``install.<content>`` to a minion on which the content has arrived, if the master has that state.
    The example reactor calls it.

    sls
        Another state.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.install office munich-017
    """
    data = _load(name)
    if minion not in _expected(data):
        return {"minion": minion, "installed": False, "why": f"{name} is not meant for it"}
    sls = sls or f"install.{name}"
    path = sls.replace(".", "/")
    if not any(os.path.exists(os.path.join(root, path + end)) for root in _file_roots() for end in (".sls", "/init.sls")):
        return {"minion": minion, "installed": False, "why": f"there is no state {sls}"}
    jid = _client().cmd_async([minion], "state.apply", [sls], kwarg={"queue": True}, tgt_type="list")
    return {"minion": minion, "installed": True, "jid": jid}


def retire(name, purge=False, forget=False):
    """
    Ends a content: the tracker forgets it at once, the agents drop it with their next ``narrows.content`` state.

    purge
        Remove its files from the minions as well.

    forget
        Take it out of the pillar altogether. Minions that have not applied their states since keep its files.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.retire office purge=true
    """
    data = _load(name)
    files = [*data["previous"], *([os.path.basename(data["torrent"])] if data.get("torrent") else [])]
    for file in files:
        _forget_torrent(file)
    root = _root("pillar_root", "pillar_roots")
    minions = _expected(data)
    after = None if forget else dict(data, ensure="absent", purge=bool(purge), torrent=None, previous=[])
    __utils__["narrows_published.save"](root, name, after)
    _refresh(minions)
    return {"name": name, "retired": files, "minions": len(minions), "forgotten": bool(forget)}


def _forget_torrent(file):
    _tracker("untrack", file=file)
    place = os.path.join(__utils__["narrows_published.torrent_folder"](_root("file_root", "file_roots")), file)
    if os.path.exists(place):
        os.remove(place)
    __salt__["fileserver.clear_file_list_cache"]()


def stop(name):
    """
    The emergency brake: no new byte of a content, or of ``all``, crosses a link within one gateway interval (30 s), until
    ``narrows.start``. Nothing is lost, and inside of sites agents go on.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.stop all
    """
    return _tracker("brake", **_braked(name))


def start(name):
    """
    Takes the brake off again.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.start all
    """
    return _tracker("release", **_braked(name))


def _braked(name):
    return {"everything": True} if name == "all" else {"content": _load(name)["info_hash"]}


def rest(minion):
    """
    Stops the agent of a minion that has nothing to do and whose site does not need it, if its pillar says
    ``active: on_demand``. The example reactor calls it on ``idle`` events.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.rest munich-017
    """
    asked = _client().cmd([minion], "pillar.get", ["narrows:agent:active"], tgt_type="list")
    if asked.get(minion) != "on_demand":
        return {"minion": minion, "stopped": False, "why": "its agent is not on demand"}
    for name in __utils__["narrows_published.names"](_root("pillar_root", "pillar_roots")):
        data = _load(name)
        if data["ensure"] != "present" or minion not in _expected(data):
            continue
        rollout = _rollout(name, data, timeout=10)
        site = rollout["minions"][minion]["site"]
        if __utils__["narrows_rollout.is_needed"](rollout, site):
            return {"minion": minion, "stopped": False, "why": f"{site or 'its site'} does not have all of {name} yet"}
    stopped = _client().cmd([minion], "service.stop", ["narrows-agent"], tgt_type="list").get(minion)
    return {"minion": minion, "stopped": bool(stopped), "why": "nothing to do"}


def _options():
    return __opts__.get("narrows") or {}


def _root(option, roots, saltenv="base"):
    found = _options().get(option) or next(iter((__opts__.get(roots) or {}).get(saltenv) or []), None)
    if not found:
        raise CommandExecutionError(f"The master has no {roots} for {saltenv}; name one: `narrows: {{{option}: PATH}}`.")
    return found


def _file_roots(saltenv="base"):
    return (__opts__.get("file_roots") or {}).get(saltenv) or []


def _load(name):
    root = _root("pillar_root", "pillar_roots")
    data = __utils__["narrows_published.load"](root, name)
    if data is None:
        known = ", ".join(__utils__["narrows_published.names"](root)) or "none"
        raise CommandExecutionError(f"No content {name} has been published (there are: {known}); correct the name.")
    return data


def _expected(data):
    """
    The accepted minions that a content targets.
    """
    found = salt.utils.minions.CkMinions(__opts__).check_minions(data["tgt"], "compound")
    minions = set(found["minions"] if isinstance(found, dict) else found)
    return sorted(minions | ({data["seeder"]} if data.get("seeder") else set()))


def _client():
    return salt.client.get_local_client(__opts__["conf_file"], mopts=__opts__)


def _refresh(minions):
    if minions:
        _client().cmd(minions, "saltutil.refresh_pillar", kwarg={"wait": True}, tgt_type="list", timeout=15)


def _apply(minions):
    """
    Minion to whether all states came true; None: no answer.
    """
    returned = _client().cmd(
        minions, "state.apply", ["narrows.content"], kwarg={"queue": True}, tgt_type="list", timeout=60, full_return=True
    )
    return {minion: returned[minion].get("retcode") == 0 if minion in returned else None for minion in minions}


def _tracker_minion():
    if _options().get("tracker"):
        return _options()["tracker"]
    found = salt.utils.minions.CkMinions(__opts__).check_minions("narrows:tracker:url:*", "pillar")
    minions = sorted(found["minions"] if isinstance(found, dict) else found)
    if len(minions) != 1:
        count = f"{len(minions)} minions have" if minions else "no minion has"
        raise CommandExecutionError(
            f"Which minion is the tracker? {count} the pillar narrows:tracker:url; say it in the master's configuration: "
            "`narrows: {tracker: MINION}`."
        )
    return minions[0]


def _announce_url():
    url = _options().get("url")
    if not url:
        minion = _tracker_minion()
        url = _client().cmd([minion], "pillar.get", ["narrows:tracker:url"], tgt_type="list", timeout=15).get(minion)
        if not url:
            raise CommandExecutionError(
                f"The announce URL is not known: {minion} does not answer, or its pillar has no narrows:tracker:url; "
                "say it in the master's configuration: `narrows: {url: http://HOST:6969/announce}`."
            )
    return url


def _tracker(function, **arguments):
    """
    Calls a function of the module narrows_tracker on the tracker's minion.
    """
    minion = _tracker_minion()
    returned = _client().cmd(
        [minion], f"narrows_tracker.{function}", kwarg=arguments, tgt_type="list", timeout=20, full_return=True
    )
    answer = returned.get(minion)
    if not isinstance(answer, dict):
        raise CommandExecutionError(f"The tracker's minion {minion} does not answer; start it, and run this again.")
    if answer.get("retcode"):
        raise CommandExecutionError(str(answer.get("ret")).replace("ERROR: ", "").strip())
    return answer["ret"]


def _tell(message):
    """
    Progress for whoever called the runner.
    """
    try:
        __jid_event__.fire_event({"message": message}, "progress")  # noqa: F821
    except NameError:
        log.info(message)
