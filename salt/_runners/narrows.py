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

import functools
import inspect
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time

import salt.cache
from salt.exceptions import CommandExecutionError, NotImplemented  # pylint: disable=redefined-builtin

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


#: Seconds: a minion that starts again is given its states no sooner; a picture of a rollout is made anew.
_BETWEEN_STARTS, _RECENT = 60, 30

#: Minions that this process has told of once.
_TOLD = set()

_UNKNOWN_MINION = "no accepted minion is called that"


def __virtual__():
    return __virtualname__


def _says_errors(function):
    """
    Errors of a runner reach the terminal as tracebacks; one sentence and a failed job is what helps.
    """

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except CommandExecutionError as error:
            # the one kind whose words Salt shows without a traceback, and exits with 1
            raise NotImplemented(str(error)) from error

    # which arguments there are is read by Salt
    wrapped.__signature__ = inspect.signature(function)
    return wrapped


@_says_errors
def publish(
    path,
    name,
    target,
    tgt="*",
    tgt_type="compound",
    seeder=None,
    apply=False,  # pylint: disable=redefined-builtin
    piece_length=None,
    names=None,
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

    names
        ``linux`` for names that Windows cannot hold, such as ``aux.c`` or ``File::Spec.3pm``: for minions whose agents have
        ``names: linux`` in ``agent:config``, none of them with Windows.

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
    if not set(__utils__["narrows_master.expected"]({"tgt": matcher})) - {seeder}:
        other = f" but the seeder {seeder}" if seeder else ""
        raise CommandExecutionError(
            f"tgt matches no minion{other}: `{tgt}` ({tgt_type}). Correct it; `salt-key -l accepted` lists the minions."
        )
    file_root = __utils__["narrows_master.file_root"](saltenv)
    pillar_root = __utils__["narrows_master.pillar_root"](saltenv)
    before = __utils__["narrows_published.load"](pillar_root, name)
    file, info = _make_torrent(path, name, file_root, {"piece-length": piece_length, "names": names})
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
    __utils__["narrows_master.tracker"]("track", source=data["torrent"])
    changed = before is None or any(before.get(key) != value for key, value in data.items())
    if changed:
        __utils__["narrows_published.save"](pillar_root, name, data)
    minions = __utils__["narrows_master.expected"](data)
    if changed:
        __utils__["narrows_master.refresh"](minions)
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
        result["applied"] = __utils__["narrows_master.apply"](minions)
    return result


def _make_torrent(path, name, file_root, options):
    """
    The .torrent's file name below file_roots, and what it says.
    """
    path_variable = "/usr/local/bin" + os.pathsep + os.environ.get("PATH", "")
    program = __utils__["narrows_master.options"]().get("agent") or shutil.which("narrows-agent", path=path_variable)
    if not program:
        raise CommandExecutionError(
            "There is no narrows-agent on the master, which makes .torrent files; install it, or say where it is: "
            "`narrows: {agent: PATH}` in the master's configuration."
        )
    url = __utils__["narrows_master.announce_url"]()
    folder = __utils__["narrows_published.torrent_folder"](file_root)
    _tell(f"{name}: hashing {path}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as work:
        made = os.path.join(work, "made.torrent")
        command = [program, "create", path, "--tracker", url, "--output", made]
        for option, value in options.items():
            command += [f"--{option}", str(value)] if value else []
        # its progress bar goes to the terminal
        watched = sys.stderr is not None and sys.stderr.isatty()
        done = subprocess.run(
            command, check=False, text=True, stdout=subprocess.PIPE, stderr=None if watched else subprocess.PIPE
        )
        if done.returncode:
            raise CommandExecutionError((done.stderr or f"narrows-agent create failed for {path}").strip())
        # what cannot travel
        for line in (done.stderr or "").splitlines():
            _tell(f"{name}: {line}")
        info = __utils__["narrows_metainfo.read"](made)
        problem = __utils__["narrows_metainfo.without_tracker"](info["trackers"])
        if problem:
            _tell(f"{name}: no agent can announce it: {problem}; correct narrows:tracker:url in the tracker's pillar")
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


@_says_errors
def published():
    """
    All that has been published: name to version, size, target, who shall have it, and whether it is retired.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.published
    """
    root = __utils__["narrows_master.pillar_root"]()
    keys = ("version", "info_hash", "size", "target", "tgt", "seeder", "ensure", "previous")
    return {name: {key: _load(name)[key] for key in keys} for name in __utils__["narrows_published.names"](root)}


@_says_errors
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
    expected = __utils__["narrows_master.expected"](data)
    answers = {}
    if expected:
        client = __utils__["narrows_master.client"]()
        returned = client.cmd(expected, "narrows.report", tgt_type="list", timeout=timeout, full_return=True)
        came = __utils__["narrows_master.answers"](returned)
        answers = {minion: came[minion].get("ret") for minion in expected if minion in came}
    sites = _sites(data["info_hash"], __utils__["narrows_rollout.claims"](answers))
    return __utils__["narrows_rollout.merge"](
        name, data["info_hash"], expected, answers, sites=sites, seeder=data.get("seeder")
    )


def _recent_rollout(name, data):
    """
    A picture that is at most half a minute old: many minions are idle at a time.
    """
    cache, now = salt.cache.factory(__opts__), time.time()
    kept = cache.fetch("narrows/rollouts", name) or {}
    if kept.get("info_hash") == data["info_hash"] and 0 <= now - kept["at"] < _RECENT:
        return kept["rollout"]
    rollout = _rollout(name, data, timeout=10)
    cache.store("narrows/rollouts", name, {"info_hash": data["info_hash"], "at": now, "rollout": rollout})
    return rollout


def _sites(info_hash, claims):
    """
    Minion to the site where the tracker sees it, or saw it last: it is asked about those that say another one than that.
    """
    cache = salt.cache.factory(__opts__)
    sites = cache.fetch("narrows", "seen") or {}
    new = {minion: claim for minion, claim in claims.items() if sites.get(minion) != claim[1]}
    if not new:
        return sites
    try:
        seen = __utils__["narrows_master.seen"](info_hash, set(new.values()))
    except CommandExecutionError as error:
        log.warning("%d minions are counted where the tracker saw them last, if at all: %s", len(new), error)
        return sites
    confirmed = {minion: claim[1] for minion, claim in new.items() if claim in seen}
    doubted = sorted(set(new) - set(confirmed) - _TOLD)
    if doubted:
        _TOLD.update(doubted)
        log.warning(
            "The tracker does not see these minions at the sites that they say (they have not announced since it started, or are "
            "not what they seem; %d in all): %s",
            len(doubted),
            ", ".join(f"{minion} ({new[minion][1]})" for minion in doubted[:10]),
        )
    if confirmed:
        sites = {**sites, **confirmed}
        cache.store("narrows", "seen", sites)
    return sites


@_says_errors
def wait(name, percent=100, timeout=3600, poll=5):
    """
    Waits until at least ``percent`` of the minions of each site, and of all together, are complete and verified. Where a minion
    is, the tracker says; one that it has never seen is counted in all alone, so that none holds up a site by its word. For
    orchestrations.

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


@_says_errors
def settle(name, force=False, spaced=0):
    """
    Retires former versions of a content once the present one is everywhere. The example reactor calls it.

    force
        Even if some minions do not have it yet.

    spaced
        Seconds between two looks at all minions: a call in between waits, and those that come while it does are one with it.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.settle office
    """
    data = _load(name)
    if not data["previous"] or (spaced and not _turn(name, spaced)):
        return {"name": name, "retired": []}
    total = _rollout(name, data, timeout=10)["total"]
    if total["complete"] < total["minions"] and not force:
        return {"name": name, "retired": [], "waiting_for": total["minions"] - total["complete"]}
    for file in data["previous"]:
        _forget_torrent(file)
    retired, data["previous"] = data["previous"], []
    __utils__["narrows_published.save"](__utils__["narrows_master.pillar_root"](), name, data)
    return {"name": name, "retired": retired}


def _turn(name, seconds):
    """
    Whether this call goes on, as late as it must: False if another one, which is to begin later than now, does its work.
    """
    cache, now = salt.cache.factory(__opts__), time.time()
    latest = cache.fetch("narrows/settled", name) or 0
    if now < latest <= now + seconds:
        return False
    begin = max(now, latest + seconds) if latest <= now else now
    cache.store("narrows/settled", name, begin)
    time.sleep(begin - now)
    return True


@_says_errors
def join(minion):
    """
    Gives a minion that has started the modules of Narrows and what it shall hold, by ``narrows.orch.start``; once a minute,
    however often it is asked for. The example reactor calls it.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.join munich-017
    """
    if not __utils__["narrows_master.is_accepted"](minion):
        return {"minion": minion, "joined": False, "why": _UNKNOWN_MINION}
    cache, now = salt.cache.factory(__opts__), time.time()
    if 0 <= now - (cache.fetch("narrows/joined", minion) or 0) < _BETWEEN_STARTS:
        return {"minion": minion, "joined": False, "why": "it has just joined"}
    cache.store("narrows/joined", minion, now)
    done = __salt__["state.orchestrate"](mods="narrows.orch.start", pillar={"minion": minion})
    return {"minion": minion, "joined": done.get("retcode") == 0, "why": ""}


@_says_errors
def install(name, minion, sls=None):
    """
    Applies the state ``install.<content>`` to a minion on which the content has arrived, if the master has that state and the
    minion says so when it is asked. The example reactor calls it.

    sls
        Another state.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.install office munich-017
    """
    data = _load(name)
    if minion not in __utils__["narrows_master.expected"](data):
        return {"minion": minion, "installed": False, "why": f"{name} is not meant for it"}
    sls = sls or f"install.{name}"
    path = sls.replace(".", "/")
    if not any(os.path.exists(os.path.join(root, path + end)) for root in _file_roots() for end in (".sls", "/init.sls")):
        return {"minion": minion, "installed": False, "why": f"there is no state {sls}"}
    client = __utils__["narrows_master.client"]()
    came = __utils__["narrows_master.answers"](
        client.cmd([minion], "narrows.report", tgt_type="list", timeout=15, full_return=True)
    )
    answers = {minion: came[minion].get("ret")} if minion in came else {}
    rollout = __utils__["narrows_rollout.merge"](name, data["info_hash"], [minion], answers)
    if not rollout["total"]["complete"]:
        return {"minion": minion, "installed": False, "why": f"it does not have {name}"}
    jid = client.cmd_async([minion], "state.apply", [sls], kwarg={"queue": True}, tgt_type="list")
    return {"minion": minion, "installed": True, "jid": jid}


@_says_errors
def retire(name, purge=False, forget=False):
    """
    Ends a content: the tracker forgets it at once, the agents drop it with their next ``narrows.content`` state.

    purge
        Remove its files from the minions as well. The original stays on the seeder, as does what users added or changed.

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
    root = __utils__["narrows_master.pillar_root"]()
    minions = __utils__["narrows_master.expected"](data)
    after = None if forget else dict(data, ensure="absent", purge=bool(purge), torrent=None, previous=[])
    __utils__["narrows_published.save"](root, name, after)
    __utils__["narrows_master.refresh"](minions)
    return {"name": name, "retired": files, "minions": len(minions), "forgotten": bool(forget)}


def _forget_torrent(file):
    __utils__["narrows_master.tracker"]("untrack", file=file)
    folder = __utils__["narrows_published.torrent_folder"](__utils__["narrows_master.file_root"]())
    place = os.path.join(folder, file)
    if os.path.exists(place):
        os.remove(place)
    __salt__["fileserver.clear_file_list_cache"]()


@_says_errors
def stop(name):
    """
    The emergency brake: no new byte of a content, or of ``all``, crosses a link within one gateway interval (30 s), until
    ``narrows.start``. Nothing is lost, and inside of sites agents go on.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.stop all
    """
    return __utils__["narrows_master.tracker"]("brake", **_braked(name))


@_says_errors
def start(name):
    """
    Takes the brake off again.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.start all
    """
    return __utils__["narrows_master.tracker"]("release", **_braked(name))


def _braked(name):
    return {"everything": True} if name == "all" else {"content": _load(name)["info_hash"]}


@_says_errors
def rest(minion):
    """
    Stops the agent of a minion that has nothing to do and whose site does not need it, if its pillar says
    ``active: on_demand``. The example reactor calls it on ``idle`` events.

    CLI Example:

    .. code-block:: bash

        salt-run narrows.rest munich-017
    """
    if not __utils__["narrows_master.is_accepted"](minion):
        return {"minion": minion, "stopped": False, "why": _UNKNOWN_MINION}
    client = __utils__["narrows_master.client"]()
    if client.cmd([minion], "narrows.on_demand", tgt_type="list").get(minion) is not True:
        return {"minion": minion, "stopped": False, "why": "its agent is not on demand"}
    for name in __utils__["narrows_published.names"](__utils__["narrows_master.pillar_root"]()):
        data = _load(name)
        if data["ensure"] != "present" or minion not in __utils__["narrows_master.expected"](data):
            continue
        rollout = _recent_rollout(name, data)
        if minion not in rollout["minions"]:
            return {"minion": minion, "stopped": False, "why": f"it is new to {name}"}
        site = rollout["minions"][minion]["site"]
        if __utils__["narrows_rollout.is_needed"](rollout, site):
            return {"minion": minion, "stopped": False, "why": f"{site or 'its site'} does not have all of {name} yet"}
    stopped = client.cmd([minion], "narrows.rest", tgt_type="list").get(minion) is True
    return {"minion": minion, "stopped": stopped, "why": "nothing to do" if stopped else "it has something to do again"}


def _file_roots(saltenv="base"):
    return (__opts__.get("file_roots") or {}).get(saltenv) or []


def _load(name):
    root = __utils__["narrows_master.pillar_root"]()
    data = __utils__["narrows_published.load"](root, name)
    if data is None:
        known = ", ".join(__utils__["narrows_published.names"](root)) or "none"
        raise CommandExecutionError(f"No content {name} has been published (there are: {known}); correct the name.")
    return data


def _tell(message):
    """
    Progress for the caller of the runner.
    """
    try:
        __jid_event__.fire_event({"message": message}, "progress")  # noqa: F821
    except NameError:
        log.info(message)
