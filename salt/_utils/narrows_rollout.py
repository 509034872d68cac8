"""
From the answers of many minions to one picture of a rollout. Pure functions.

:maintainer: the Narrows developers
:maturity: new
:platform: all
"""

NO_ANSWER = "no answer"


def merge(name, info_hash, expected, answers, sites=None, seeder=None):
    """
    The rollout of a content.

    expected
        The ids of the minions that shall have it.

    answers
        Minion id to what ``narrows.report`` returned, or to an error's text. Who is missing has not answered.

    sites
        Minion id to the site where it was last, for those that do not say.

    seeder
        The minion that had the content from the start, and is not counted in ``percent``.

    Returns ``name``, ``info_hash``, ``minions`` (id to ``site``, ``state``, ``percent``, ``rate`` in bytes/s, ``role``,
    ``complete``, ``error``), ``sites`` (name to ``minions``, ``complete``, and of those that the rollout is for ``wanted``,
    ``wanted_complete`` and ``percent``, which is of all where there are none; ``""``: not known) and ``total``.
    """
    minions = {minion: _minion(info_hash, answers.get(minion)) for minion in sorted(expected)}
    groups = {}
    for minion, row in minions.items():
        row["site"] = row["site"] or (sites or {}).get(minion, "")
        row["seeder"] = minion == seeder
        groups.setdefault(row["site"], []).append(row)
    return {
        "name": name,
        "info_hash": info_hash,
        "minions": minions,
        "sites": {site: _sum(group) for site, group in sorted(groups.items())},
        "total": _sum(list(minions.values())),
    }


def _minion(info_hash, answer):
    out = {"site": "", "state": NO_ANSWER, "percent": 0, "rate": 0, "role": "", "complete": False, "error": None}
    if not isinstance(answer, dict) or not isinstance(answer.get("content"), dict):
        if isinstance(answer, str):
            out.update(state="failed", error=answer.strip().splitlines()[-1] if answer.strip() else "no reason given")
        return out
    out["site"] = answer.get("site") or ""
    content = next((c for c in answer["content"].values() if c["info_hash"] == info_hash), None)
    if content is None:
        return {**out, "state": "not assigned"}
    return {
        "site": content.get("site") or out["site"],
        "state": content["state"],
        # 100 is for those that have all of it
        "percent": 100 if content["complete"] else min(99, int(100 * content["progress"])),
        "rate": content["rate_down"],
        "role": content["role"],
        "complete": content["complete"],
        "error": content.get("error"),
    }


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
    Whether at least ``percent`` of the minions of each site are complete; who has never said its site counts for all.
    """
    unknown = rollout["sites"].get("", {"minions": 0})["minions"]
    known = [site for name, site in rollout["sites"].items() if name]
    if not known:
        return not unknown and not rollout["minions"]
    total = rollout["total"]
    enough = all(100 * site["complete"] >= percent * site["minions"] for site in known)
    return enough and 100 * total["complete"] >= percent * total["minions"]


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
