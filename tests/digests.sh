#!/usr/bin/env bash
# Digests of what is decided and sent: the same before and after a change that is to change nothing. Names of types and
# fields do not count. Run it on both trees and compare; it takes a few minutes.
#
#   bash tests/digests.sh            simulations, plans, a simulated rollout, and a rollout in the lab
#   bash tests/digests.sh --quick    without the lab
set -euo pipefail
cd "$(dirname "$0")/.."

digest() { sha256sum | cut -c1-16; }

cargo test -q -p narrows-assignment --test simulation equal_seeds -- --nocapture | grep '^digest'
cargo test -q -p narrows-swarm --test fleet equal_seeds -- --nocapture | grep '^digest'

cargo build -q -p narrows-topology
topology="${CARGO_TARGET_DIR:-target}/debug/narrows-topology"
# four seeders at a map's first site, twenty clients at each other one that has networks
plans=$(for map in tests/maps/*.yaml topology/sites.example.yaml; do
    sites=$(sed -n '/^sites:/,/^links:/p' "$map" | sed -nE 's/^  ([a-z0-9]+):.*/\1/p' | grep -vx backbone)
    clients=$(tail -n +2 <<<"$sites" | sed 's/$/=20/' | paste -sd,)
    "$topology" plan "$map" --size 2GB --seeds "$(head -1 <<<"$sites")=4" --clients "$clients" --at "2026-11-27 09:00" || exit
    "$topology" draw "$map" || exit
done)
echo "digest of plans and drawings: $(digest <<<"$plans")"

# what the tracker's decisions took is measured, the rest is decided
scale=$(cargo run -q --release -p narrows-assignment --example scale -- --clients 5000 --sites 100 --size 200MB --json |
    python3 -c 'import json, sys; report = json.load(sys.stdin)
print({name: value for name, value in report.items() if name not in ("tracker", "memory", "wall_seconds", "cpu_seconds")})')
echo "digest of a rollout to 5000 clients: $(digest <<<"$scale")"
[ "${1-}" = --quick ] && exit

# times and who is gateway vary from run to run; who is where, what arrived and in how many copies does not
cargo build -q --release --workspace --bins
programs="${CARGO_TARGET_DIR:-target}/release"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(30_000_000))' >"$folder/payload"
lab=$("$programs/narrows-lab" --bin-dir "$programs" --content "$folder/payload" --no-kills --json 2>"$folder/log" |
    python3 -c 'import json, sys; report = json.load(sys.stdin)
print(report["size"], report["pieces"],
      [(site["site"], round(site["copies"], 1)) for site in report["sites"]],
      [(link["link"], link["from"], link["to"], round(link["copies"], 1)) for link in report["links"]],
      sorted((agent["site"], agent["id"], agent["seeder"], agent["complete"], agent["identical"]) for agent in report["agents"]))')
echo "digest of a rollout in the lab: $(digest <<<"$lab")"
