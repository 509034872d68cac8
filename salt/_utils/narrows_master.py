"""
From the master to its minions: who shall have a content, and the tracker's minion.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import re

import salt.client
import salt.utils.minions
from salt.exceptions import CommandExecutionError


#: What a minion may be called here, which is stricter than Salt is.
_MINION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,254}")

#: How many agents the tracker is asked about in one message, which Salt bounds to a megabyte.
_MAX_ASKED = 5000


def options():
    """
    ``narrows`` of the master's configuration.
    """
    return __opts__.get("narrows") or {}


def file_root(saltenv="base"):
    """
    Where ``narrows/torrents/`` goes.
    """
    return _root("file_root", "file_roots", saltenv)


def pillar_root(saltenv="base"):
    """
    Where ``narrows/content/`` goes.
    """
    return _root("pillar_root", "pillar_roots", saltenv)


def _root(option, roots, saltenv):
    found = options().get(option) or next(iter((__opts__.get(roots) or {}).get(saltenv) or []), None)
    if not found:
        raise CommandExecutionError(f"The master has no {roots} for {saltenv}; name one: `narrows: {{{option}: PATH}}`.")
    return found


def is_accepted(minion):
    """
    Whether there is a minion of this name whose key is accepted. What an event says is anything.
    """
    if not isinstance(minion, str) or not _MINION.fullmatch(minion):
        return False
    found = salt.utils.minions.CkMinions(__opts__).check_minions([minion], "list")
    return minion in (found["minions"] if isinstance(found, dict) else found)


def expected(data):
    """
    The accepted minions that a content targets.
    """
    found = salt.utils.minions.CkMinions(__opts__).check_minions(data["tgt"], "compound")
    minions = set(found["minions"] if isinstance(found, dict) else found)
    return sorted(minions | ({data["seeder"]} if data.get("seeder") else set()))


def client():
    """
    Salt's client for all minions.
    """
    return salt.client.get_local_client(__opts__["conf_file"], mopts=__opts__)


def refresh(minions):
    """
    Has minions read their pillar again; who is off does so when it comes back.
    """
    if minions:
        client().cmd(minions, "saltutil.refresh_pillar", kwarg={"wait": True}, tgt_type="list", timeout=15)


def apply(minions):
    """
    Minion to whether all states came true; None: no answer.
    """
    returned = client().cmd(
        minions, "state.apply", ["narrows.content"], kwarg={"queue": True}, tgt_type="list", timeout=60, full_return=True
    )
    came = answers(returned)
    return {minion: came[minion].get("retcode") == 0 if minion in came else None for minion in minions}


def answers(returned):
    """
    Of what `cmd` with `full_return` gave, that which minions said: one that did not answer is missing, or False, or since
    Salt 3008 there is a text about it in its place.
    """
    return {
        minion: answer
        for minion, answer in returned.items()
        if isinstance(answer, dict) and answer.get("out") != "no_return"
    }


def tracker_minion():
    """
    The id of the tracker's minion.
    """
    if options().get("tracker"):
        return options()["tracker"]
    found = salt.utils.minions.CkMinions(__opts__).check_minions("narrows:tracker:url:*", "pillar")
    minions = sorted(found["minions"] if isinstance(found, dict) else found)
    if len(minions) != 1:
        count = f"{len(minions)} minions have" if minions else "no minion has"
        raise CommandExecutionError(
            f"Which minion is the tracker? {count} the pillar narrows:tracker:url; say it in the master's configuration: "
            "`narrows: {tracker: MINION}`."
        )
    return minions[0]


def announce_url():
    """
    What .torrent files say of where the tracker is.
    """
    url = options().get("url")
    if not url:
        # not pillar.get: since Salt 3008 what it returns to others is masked
        url = tracker("announce_url")
        if not url or not isinstance(url, str):
            raise CommandExecutionError(
                f"The announce URL is not known: the pillar of {tracker_minion()} has no narrows:tracker:url; "
                "say it there, or in the master's configuration: `narrows: {url: http://HOST:6969/announce}`."
            )
    return url


def seen(info_hash, claims):
    """
    Of pairs of an agent's id and a site, those that the tracker sees there with this content.
    """
    listed, found = sorted(claims), set()
    for start in range(0, len(listed), _MAX_ASKED):
        by_site = {}
        for agent, site in listed[start : start + _MAX_ASKED]:
            by_site.setdefault(site, []).append(agent)
        answer = tracker("seen", info_hash=info_hash, claims=by_site)
        for site, agents in answer.items() if isinstance(answer, dict) else ():
            found.update((str(agent), site) for agent in (agents if isinstance(agents, list) else ()))
    return found & set(claims)


def tracker(function, **arguments):
    """
    Calls a function of the module narrows_tracker on the tracker's minion.
    """
    minion = tracker_minion()
    returned = client().cmd(
        [minion], f"narrows_tracker.{function}", kwarg=arguments, tgt_type="list", timeout=20, full_return=True
    )
    answer = answers(returned).get(minion)
    if answer is None:
        raise CommandExecutionError(f"The tracker's minion {minion} does not answer; start it, and run this again.")
    if answer.get("retcode"):
        raise CommandExecutionError(str(answer.get("ret")).replace("ERROR: ", "").strip())
    return answer["ret"]
