#!/usr/bin/env bash
# Tests of tracker/prometheus: the rules' own tests, names, and a real Prometheus beside a rollout in the lab.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/prometheus/run.sh [PYTEST-ARGUMENT...]

It needs python3 (3.9 or later), prometheus and promtool (Debian's package prometheus; no service has to run), and builds of
narrows-lab, narrows-tracker and narrows-agent (or NARROWS_BIN_DIR). Without Prometheus only names are checked.
TEXT
}

case ${1-} in --help | -h) usage && exit ;; esac

root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
. "$root/tests/environment.sh"
# Grafana 11.6's own types; the number before the ! is its makers' way of counting
environment prometheus-tests pytest==9.2.0 PyYAML==6.0.4 'grafana-foundation-sdk==1769699379!11.6.0'

cd "$root/tests/prometheus"
tests=(test_names.py)
if command -v promtool >/dev/null && command -v prometheus >/dev/null; then
    promtool check config "$root/tracker/prometheus/prometheus.yml"
    promtool test rules "$root"/tracker/prometheus/rules/*_test.yml
    tests+=(test_live.py test_hostile.py)
else
    why="Prometheus' rules, and a Prometheus beside a rollout: there is no prometheus and promtool here"
    echo "skipped: $why"
    [ -z "${NARROWS_SKIPPED-}" ] || echo "$why" >>"$NARROWS_SKIPPED"
fi
exec "$target/prometheus-tests/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}" "$@"
