#!/usr/bin/env bash
# What each player costs on the five maps of links, each without and with one gateway killed half-way: one Markdown
# table. Runs the lab (release build) once per cell; what has a result in OUT is not run again, so that a table can be
# interrupted and resumed. See tests/README.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/bench/wan-table.sh [--size 50MB] [--limit 6] [--out DIR] [--bin-dir DIR] [--maps NAME,...]
                                [--players PLAYER[+TRACKER],...] [--kills no,gateway] [--table]

  --size      of the content
  --limit     a run that takes longer than so many times what 20 Mbit/s need is ended, and shown as > N
  --out       the runs' results, NAME-KILL-PLAYER.json and .log; default: a new folder in the system's temporary one
  --bin-dir   where narrows-lab, narrows-agent and narrows-tracker are; default: target/release, built first
  --maps      of star, wide, chain, empty, ring (see below); default: all
  --players   default: narrows,libtorrent+opentracker,aria2+opentracker
  --kills     default: both
  --table     run nothing, print the table of what is in --out
TEXT
}

root=$(cd "$(dirname "$0")/../.." && pwd)
size=50MB limit=6 out='' bin='' maps=star,wide,chain,empty,ring kills=no,gateway table=''
players=narrows,libtorrent+opentracker,aria2+opentracker
while [ $# -gt 0 ]; do
    case $1 in
        --table) table=1 && shift && continue ;;
        --help | -h) usage && exit ;;
        --size | --limit | --out | --bin-dir | --maps | --players | --kills)
            [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 64; } ;;
        *) echo "unknown option $1" >&2; usage >&2; exit 64 ;;
    esac
    case $1 in
        --size) size=$2 ;;
        --limit) limit=$2 ;;
        --out) out=$2 ;;
        --bin-dir) bin=$2 ;;
        --maps) maps=$2 ;;
        --players) players=$2 ;;
        --kills) kills=$2 ;;
    esac
    shift 2
done
# a machine has a disk of its own; forty agents that flush to one would measure it, so they write to memory if there is
# enough (three seconds of 24 at 50 MB to 36 clients were the disk's). All players alike.
room=$(df --output=avail -B1 /dev/shm 2>/dev/null | tail -1)
memory=$(awk '/MemAvailable/ { printf "%d", $2 * 1024 }' /proc/meminfo)
[ -n "${TMPDIR:-}" ] || [ "${room:-0}" -lt 16000000000 ] || [ "$memory" -lt 16000000000 ] || export TMPDIR=/dev/shm

[ -n "$out" ] || out=$(mktemp -d -t narrows-wan-XXXXXX)
mkdir -p "$out"

# the lab's options for a map, and the site of which a gateway is killed
map() {
    local folder=$root/tests/maps
    case $1 in
        star) echo "b1 --sites $folder/star20.yaml" ;;
        wide) echo "b1 --sites $folder/star20.yaml --clients b1=12,b2=12,b3=12" ;;
        chain) echo "region --sites $folder/chain20.yaml" ;;
        empty) echo "b1 --sites $folder/chain20.yaml --clients b1=4,b2=4" ;;
        ring) echo "b1 --sites $folder/ring20.yaml" ;;
        *) echo "no map $1; there are star, wide, chain, empty, ring" >&2; return 64 ;;
    esac
}

run() {
    local name=$1 kill=$2 player=$3 site options file=$out/$1-$2-$3 fate=(--no-kills)
    [ -s "$file.json" ] && return
    options=$(map "$name")
    site=${options%% *} options=${options#* }
    [ "$kill" = no ] || fate=(--kill "$site:gateway@50%")
    printf '%s, %s killed, %s: ' "$name" "$([ "$kill" = no ] && echo nobody || echo "$site's gateway")" "$player" >&2
    # ends with 1 if a client is incomplete, which the table shows
    # shellcheck disable=SC2086
    "$bin/narrows-lab" --bin-dir "$bin" --netns --json --compare "$player" $options "${fate[@]}" --size "$size" \
        --timeout "$seconds" >"$file.json.new" 2>"$file.log" || true
    if [ -s "$file.json.new" ]; then
        mv "$file.json.new" "$file.json"
        python3 -c 'import json, sys; r = json.load(open(sys.argv[1]))[0]["report"] or {}; s = r.get("seconds"); print(f"{s:.1f} s" if s else "not complete")' \
            "$file.json" >&2
    else
        rm -f "$file.json.new"
        echo "no result, see $file.log" >&2
    fi
}

if [ -z "$table" ]; then
    if [ -z "$bin" ]; then
        (cd "$root" && cargo build --release --workspace --bins)
        bin=${CARGO_TARGET_DIR:-$root/target}/release
    fi
    seconds=$(python3 - "$size" "$limit" <<'PY'
import re, sys
number, unit = re.fullmatch(r"([\d.]+)\s*([a-zA-Z]*)", sys.argv[1].strip()).groups()
scale = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}[unit.lower()]
print(max(30, round(float(number) * scale / 2.5e6 * float(sys.argv[2]))))
PY
    )
    echo "results are in $out; a run is ended after $seconds s" >&2
    for name in ${maps//,/ }; do
        for kill in ${kills//,/ }; do
            for player in ${players//,/ }; do run "$name" "$kill" "$player"; done
        done
    done
fi

python3 - "$out" "$maps" "$kills" "$players" <<'PY'
import json, pathlib, sys

out, maps, kills, players = pathlib.Path(sys.argv[1]), *(text.split(",") for text in sys.argv[2:])
NAMES = {
    "star": "star of 3, 12 clients",
    "wide": "star of 3, 12 clients a branch",
    "chain": "chain hq, region, two branches",
    "empty": "the same, empty region",
    "ring": "ring of four, one link 4 Mbit/s",
}


def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def cell(name, kill, player):
    path = out / f"{name}-{kill}-{player}.json"
    if not path.exists():
        return "", None
    run = json.loads(path.read_text())[0]
    report = run["report"]
    if report is None:
        return f"no result (exit {run['exit']})", None
    time = number(report["time_over_bound"], 2)
    if report["seconds"] is None:
        last = max((event["at"] for event in report["events"]), default=0)
        time = "> " + number(last / report["bound_seconds"], 1)
    wrong = "" if run["ok"] or report["seconds"] is None else " **different files**"
    wire = [number(report[key], 3) for key in ("wire_over_minimum_max", "wire_over_minimum")]
    return f"{time} / {wire[0]} / {wire[1]}{wrong}", report["size"]


rows = [(name, kill, [cell(name, kill, player) for player in players]) for name in maps for kill in kills]
sizes = {size for *_, cells in rows for _, size in cells if size}
print(f"{' and '.join(f'{size / 1e6:.0f} MB' for size in sorted(sizes)) or 'nothing yet'}: time / bound, worst link's")
print("wire bytes / minimum, all links' wire bytes / minimum (minimum: planned copies x size x 1.045); > N: not complete.\n")
print("| map | killed half-way | " + " | ".join(players) + " |")
print("|---|---|" + "---|" * len(players))
for name, kill, cells in rows:
    killed = "nobody" if kill == "no" else "a gateway"
    print(f"| {NAMES.get(name, name)} | {killed} | " + " | ".join(text for text, _ in cells) + " |")
PY
