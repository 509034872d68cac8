"""
From the answers of many minions to one picture of a rollout. Pure functions.

A minion is a machine of a user: what it answers is a claim about itself, of any shape and size, and counts for its own row alone.
Where it is, the tracker says, by the address that its announce came from.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

import itertools

NO_ANSWER = "no answer"

#: Most contents that are looked at in one answer: ten times what an agent was ever given.
MAX_CONTENTS = 10_000

#: Most characters of a word (site, state, role) and of an error that are kept.
MAX_WORD, MAX_ERROR = 64, 300

#: Most bytes/s that are believed: 100 Gbit/s.
MAX_RATE = 12_500_000_000


def merge(name, info_hash, expected, answers, sites=None, seeder=None):
    """
    The rollout of a content.

    expected
        The ids of the minions that shall have it.

    answers
        Minion id to what ``narrows.report`` returned, or to an error's text. Who is missing has not answered, nor has one
        whose answer makes no sense.

    sites
        Minion id to the site where the tracker sees it, or saw it last.

    seeder
        The minion that had the content from the start, and is not counted in ``percent``.

    Returns ``name``, ``info_hash``, ``minions`` (id to ``site``, ``state``, ``percent``, ``rate`` in bytes/s, ``role``,
    ``complete``, ``error``, ``seeder``), ``sites`` (name to ``minions``, ``complete``, and of those that the rollout is for
    ``wanted``, ``wanted_complete`` and ``percent``, which is of all where there are none; ``""``: not known) and ``total``.
    """
    minions = {minion: _minion(info_hash, answers.get(minion)) for minion in sorted(expected)}
    groups = {}
    for minion, row in minions.items():
        row["site"] = _word((sites or {}).get(minion), MAX_WORD)
        row["seeder"] = minion == seeder
        groups.setdefault(row["site"], []).append(row)
    return {
        "name": name,
        "info_hash": info_hash,
        "minions": minions,
        "sites": {site: _sum(group) for site, group in sorted(groups.items())},
        "total": _sum(list(minions.values())),
    }


def claims(answers):
    """
    Minion id to the agent that it says it is, and the site that this one says it is at; for those that say a site. The agent
    is called as its minion, or by a name that no minion of ``answers`` has: a minion does not speak for another one.
    """
    out = {}
    for minion, answer in answers.items():
        site = _word(answer.get("site"), MAX_WORD) if isinstance(answer, dict) else ""
        if site:
            agent = _word(answer.get("id"), MAX_WORD)
            out[minion] = (agent if agent and agent not in answers else minion, site)
    return out


def _minion(info_hash, answer):
    out = {"state": NO_ANSWER, "percent": 0, "rate": 0, "role": "", "complete": False, "error": None}
    if isinstance(answer, str):
        lines = answer[-4 * MAX_ERROR :].strip().splitlines()
        return {**out, "state": "failed", "error": _word(lines[-1] if lines else "no reason given", MAX_ERROR)}
    if answer is None:
        return out
    senseless = {**out, "error": "its answer makes no sense; look at narrows.report there"}
    if not isinstance(answer, dict) or not isinstance(answer.get("content"), dict):
        return senseless
    contents = itertools.islice(answer["content"].values(), MAX_CONTENTS)
    content = next((c for c in contents if isinstance(c, dict) and c.get("info_hash") == info_hash), None)
    if content is None:
        return {**out, "state": "not assigned"}
    state, complete, progress = content.get("state"), content.get("complete"), _number(content.get("progress"), 1)
    rate = _number(content.get("rate_down"), MAX_RATE)
    if not isinstance(state, str) or not isinstance(complete, bool) or progress is None or rate is None:
        return senseless
    return {
        "state": _word(state, MAX_WORD),
        # 100 is for those that have all of it
        "percent": 100 if complete else min(99, int(100 * progress)),
        "rate": int(rate),
        "role": _word(content.get("role"), MAX_WORD),
        "complete": complete,
        "error": _word(content.get("error"), MAX_ERROR) or None,
    }


def _word(value, longest):
    """
    A text as it may stand in a line of a table: cut, and without what is no printable character; of anything else ``""``.
    """
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:longest])


def _number(value, most):
    """
    A number from 0 to ``most``, cut there; None of anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value < 0:
        return None
    return most if value > most else value


def _sum(minions):
    wanted = [minion for minion in minions if not minion["seeder"]]
    counted = wanted or minions
    percent = sum(minion["percent"] for minion in counted)
    return {
        "minions": len(minions),
        "complete": sum(minion["complete"] for minion in minions),
        "no_answer": sum(minion["state"] == NO_ANSWER for minion in minions),
        "wanted": len(wanted),
        "wanted_complete": sum(minion["complete"] for minion in wanted),
        "percent": int(percent / len(counted)) if counted else 0,
        "rate": sum(minion["rate"] for minion in minions),
    }


def reached(rollout, percent):
    """
    Whether at least ``percent`` of the minions of each site, and of all together, are complete. Those that the tracker has
    never seen at a site are counted in all alone: they hold no site up.
    """
    groups = [site for name, site in rollout["sites"].items() if name] + [rollout["total"]]
    return all(100 * group["complete"] >= percent * group["minions"] for group in groups)


def is_needed(rollout, site):
    """
    Whether a machine at ``site`` that is complete may still be asked for the content: a machine of its site, or one
    whose site is not known, does not have it yet.
    """
    return any(
        not minion["complete"] and minion["site"] in ("", site) for minion in rollout["minions"].values()
    )


def table(rollout):
    """
    The same for people.
    """
    lines = [_row("site", "minions", "complete", "no answer", "percent", "rate")]
    for site, row in [*rollout["sites"].items(), ("all", rollout["total"])]:
        lines.append(
            _row(site or "(not known)", row["minions"], row["complete"], row["no_answer"], f"{row['percent']} %", _rate(row["rate"]))
        )
    lines += ["", _row("minion", "site", "state", "role", "percent", "rate")]
    for minion, row in rollout["minions"].items():
        cells = (minion, row["site"], row["state"], row["role"], f"{row['percent']} %", _rate(row["rate"]))
        lines.append(_row(*cells) + (f"  {row['error']}" if row["error"] else ""))
    return "\n".join(line.rstrip() for line in lines)


def _row(first, *others):
    return f"{first!s:<24}" + "".join(f"{cell!s:>14}" for cell in others)


def _rate(rate):
    return f"{rate * 8 / 1e6:.1f} Mbit/s" if rate else "-"
