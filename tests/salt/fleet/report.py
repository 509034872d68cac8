"""What came of a rollout: numbers for machines, and the same for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bed import Bed
    from .watch import Seen

#: Frames over payload: Ethernet, IP and TCP headers of full packets, and the protocol's own messages.
HEADERS = 1.045

Report = dict[str, Any]


def rounded(number: float | None) -> float | None:
    """To a thousandth."""
    return None if number is None else round(number, 3)


def make(
    *,
    size: int,
    bed: Bed,
    crossed: dict[str, int],
    master_sent: int,
    issued: float,
    begun: dict[str, float],
    state_seconds: dict[str, float],
    seen: dict[str, Seen],
    stopped: dict[str, Any],
    statuses: dict[str, dict],
    rollout_status: Any,
    differences: dict[str, str | None],
    source: Path,
) -> Report:
    """Puts it together. Times are in seconds from the moment when the master issued the state run."""
    assert bed.master
    center = bed.network.sites[0]
    links = []
    for way, count in crossed.items():
        sender, receiver = way.split(" → ")
        down = sender == center
        # what this site's agents fetched across the WAN; the other way nothing is fetched
        payload = sum(seen[name].wan for name in bed.at(receiver)) if down else 0
        links.append({
            "from": sender,
            "to": receiver,
            "wire_bytes": count,
            "copies": rounded(count / (size * HEADERS)),
            "payload": payload,
            "beside_payload": round(count - payload * HEADERS),
        })
    clients = {}
    for name, container in bed.clients.items():
        one = seen[name]
        wanted = name in begun
        content = statuses.get(name, {})
        clients[name] = {
            "site": container.host.site,
            "had_it": not wanted,
            "state_run": rounded(begun[name] - issued) if wanted else None,
            "first_piece": rounded(one.first_piece - issued) if wanted and one.first_piece else None,
            "first_piece_after_state_run": rounded(one.first_piece - begun[name]) if wanted and one.first_piece else None,
            "first_piece_after_told": rounded(one.first_piece - one.known) if wanted and one.first_piece and one.known else None,
            "complete": rounded(one.complete - issued) if wanted and one.complete else None,
            "kept": [rounded(part) for part in one.kept],
            "status": {key: content.get(key) for key in ("state", "progress", "bytes_done", "bytes")},
            "difference": differences[name],
        }
    times = [client["complete"] for client in clients.values() if client["complete"] is not None]
    firsts = {
        key: max((client[key] for client in clients.values() if client[key] is not None), default=None)
        for key in ("first_piece_after_state_run", "first_piece_after_told")
    }
    bound = size / bed.network.links[0].bytes_per_second
    return {
        "size": size,
        "links": links,
        "copies_max": max(link["copies"] for link in links),
        "clients": clients,
        **{f"{key}_max": most for key, most in firsts.items()},
        "state_seconds": state_seconds,
        "seconds": max(times, default=None),
        "bound_seconds": rounded(bound),
        "time_over_bound": rounded(max(times) / bound) if times else None,
        "stopped": {**stopped, "at": rounded(stopped["at"] - issued), "longest_standstill": standstill(bed, seen, stopped)},
        "master_sent": master_sent,
        "file_server": served(bed.master.files, source),
        "minion_caches": {name: largest(c.root / "var/cache/salt/minion/files") for name, c in bed.clients.items()},
        "rollout_status": rollout_status,
    }


def standstill(bed: Bed, seen: dict[str, Seen], stopped: dict[str, Any]) -> float | None:
    """For how long no client at the gateway's site had a new piece, at most, from the stop on."""
    times = sorted(at for name in bed.at(stopped["site"]) for at in seen[name].gains if at >= stopped["at"])
    return rounded(max((later - at for at, later in zip([stopped["at"], *times], times)), default=None))


def served(roots: Path, source: Path) -> dict[str, Any]:
    """What Salt's file server has: how much, the torrents, and whether the payload lies there."""
    files = [path for path in roots.rglob("*") if path.is_file()]
    return {
        "bytes": sum(path.stat().st_size for path in files),
        "torrents": {str(path.relative_to(roots)): path.stat().st_size for path in files if path.suffix == ".torrent"},
        "payload_below_file_roots": source.resolve().is_relative_to(roots.resolve()),
    }


def largest(folder: Path) -> int:
    """The size of the largest file: what a minion fetched from the file server."""
    return max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)


def words(report: Report) -> str:
    """For people."""
    lines = ["", f"{'link':<10} {'wire MB':>9} {'copies':>7} {'payload MB':>11} {'beside it MB':>13}"]
    for link in report["links"]:
        way = f"{link['from']} → {link['to']}"
        numbers = (link["wire_bytes"] / 1e6, link["copies"], link["payload"] / 1e6, link["beside_payload"] / 1e6)
        lines.append("{:<10} {:>9.1f} {:>7.3f} {:>11.1f} {:>13.1f}".format(way, *numbers))
    lines += ["", f"{'client':<10} {'site':<5} {'state run':>10} {'1st piece':>10} {'after':>7} {'complete':>9}  files"]
    for name, client in report["clients"].items():
        times = [client[key] for key in ("state_run", "first_piece", "first_piece_after_state_run", "complete")]
        a, b, c, d = ("-" if time is None else f"{time:.1f} s" for time in times)
        verdict = client["difference"] or "identical"
        if client["had_it"]:
            verdict += ", had them"
        if client["kept"]:
            verdict += f", stopped and started with {client['kept'][0]:.0%}"
        lines.append(f"{name:<10} {client['site']:<5} {a:>10} {b:>10} {c:>7} {d:>9}  {verdict}")
    stopped = report["stopped"]
    lines += [
        "",
        f"stopped for {stopped['seconds']} s: {stopped['gateway']}, gateway of {stopped['site']}, "
        f"and {', '.join(stopped['members'])}; the site stood still for {stopped['longest_standstill']} s at most",
        f"{report['size'] / 1e6:.0f} MB to {sum(not c['had_it'] for c in report['clients'].values())} clients in "
        f"{report['seconds']:.1f} s from the command on; at best {report['bound_seconds']:.1f} s "
        f"(x {report['time_over_bound']:.3f})",
        f"the first piece came {report['first_piece_after_state_run_max']:.1f} s after the state run's start, at the latest, and "
        f"{report['first_piece_after_told_max']:.1f} s after the agent was told of the content, the rest is Salt's; "
        f"of its states took longest {', '.join(f'{name} {t:.1f} s' for name, t in list(report['state_seconds'].items())[:3])}",
        f"the master sent {report['master_sent'] / 1e6:.1f} MB; its file server has {report['file_server']['bytes'] / 1e6:.2f} MB, "
        f"of torrents {sum(report['file_server']['torrents'].values()) / 1e3:.1f} kB",
    ]
    return "\n".join(lines)
