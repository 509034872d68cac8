#!/bin/sh
# Announces per second, p99 and CPU per announce: narrows-tracker beside Debian's opentracker, in one run, on loopback.
#
#   tests/bench/tracker.sh [SECONDS]        default 5; wants wrk and opentracker (apt-get install wrk opentracker)
#
# NARROWS_TRACKER names the program (default: the release build). wrk runs with one thread and 32 connections.
# opentracker closes every connection, so narrows-tracker is measured both ways. CPU is the server's user and system time.
set -eu

seconds=${1:-5}
here=$(cd "$(dirname "$0")" && pwd)
tracker=${NARROWS_TRACKER:-${CARGO_TARGET_DIR:-$here/../../target}/release/narrows-tracker}
dir=$(mktemp -d)
narrows= open=
cleanup() {
    for pid in $narrows $open; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap cleanup EXIT INT TERM

for program in wrk opentracker "$tracker"; do
    command -v "$program" >/dev/null || { echo "$program is missing: see the head of this file" >&2; exit 1; }
done

port=$((20000 + $$ % 20000))
cat >"$dir/sites.yaml" <<MAP
version: 1
sites:
  here: {networks: [127.0.0.0/8]}
  there: {networks: [10.0.0.0/8]}
links:
  - {between: [here, there], rate: 10 Mbit/s}
MAP
cat >"$dir/tracker.yaml" <<CONFIG
listen: 127.0.0.1:$port
admin: 127.0.0.1:$((port + 1))
site_map: sites.yaml
CONFIG
awk 'BEGIN { for (n = 1; n <= 1000; n++) printf "%040x\n", n }' >"$dir/whitelist.txt"
cat >"$dir/opentracker.conf" <<CONFIG
listen.tcp 127.0.0.1:$((port + 2))
access.stats 127.0.0.1
access.whitelist /whitelist.txt
tracker.rootdir $dir
tracker.user $(id -un nobody)
CONFIG
chmod 755 "$dir"

RUST_LOG=warn "$tracker" run --config "$dir/tracker.yaml" & narrows=$!
opentracker -f "$dir/opentracker.conf" >/dev/null 2>&1 & open=$!

ticks=$(getconf CLK_TCK)
cpu() { # seconds of CPU a process has used
    awk -v ticks="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) / ticks }' "/proc/$1/stat"
}

measure() { # name pid port header
    before=$(cpu "$2")
    line=$(wrk -t1 -c32 -d"${seconds}s" --timeout 5s ${4:+-H "$4"} -s "$here/announce.lua" "http://127.0.0.1:$3" | grep ^requests=)
    after=$(cpu "$2")
    echo "$line" | awk -v name="$1" -v cpu="$(awk "BEGIN { print $after - $before }")" '{
        for (i = 1; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
        printf "%-32s %9.0f req/s   p50 %6.2f ms   p99 %6.2f ms   CPU %5.1f us/req\n", name,
            value["requests"] / value["seconds"], value["p50_ms"], value["p99_ms"], cpu * 1e6 / value["requests"] }'
}

# both answer, and rightly
check() { # port
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        line=$(CHECK=1 wrk -t1 -c4 -d1s -s "$here/announce.lua" "http://127.0.0.1:$1" 2>/dev/null | grep ^requests= || true)
        case $line in requests=[1-9]*" refused=0") return 0 ;; esac
    done
    echo "the tracker on port $1 does not answer rightly: ${line:-no answer}" >&2
    exit 1
}
check $port
check $((port + 2))

echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
measure "narrows-tracker, keep-alive" $narrows $port ""
measure "narrows-tracker, close" $narrows $port "Connection: close"
measure "opentracker (always closes)" $open $((port + 2)) ""
echo "load average after:  $(cut -d' ' -f1-3 /proc/loadavg)"
