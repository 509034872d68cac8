#!/usr/bin/env bash
# Tests of the Salt formula and modules against real Salt, from virtualenvs below target/ with pinned versions.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/salt/run.sh [--fleet | --masters] [--salt VERSION] [PYTEST-ARGUMENT...]

  (nothing)  states, modules and pure parts with Salt 3006 and 3008; a real master with three minions with 3006
  --fleet    the talk's demo instead: twelve booted clients, 500 MB (NARROWS_FLEET_SIZE_MB); root, systemd-container
  --masters  a real master with 3008, too (some minutes more)
  --salt     one version instead of both

It needs python3 (3.9 or later) and release builds of narrows-agent and narrows-tracker (or NARROWS_BIN_DIR).
TEXT
}

root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
versions=(3006.28 3008.3) fleet='' masters='' arguments=()
while [ $# -gt 0 ]; do
    case $1 in
        --fleet) fleet=1 ;;
        --masters) masters=1 ;;
        --salt)
            [ $# -ge 2 ] || { echo "--salt needs a version" >&2; exit 64; }
            versions=("$2") && shift
            ;;
        --help | -h) usage && exit ;;
        *) arguments+=("$1") ;;
    esac
    shift
done

. "$root/tests/environment.sh"
salt_environment() {
    environment "salt-$1" "salt==$1" pytest==9.2.0 pytest-xdist==3.8.0
}

cd "$root/tests/salt"
if [ -n "$fleet" ]; then
    salt_environment "${versions[0]}"
    exec "$target/salt-${versions[0]}/bin/python" -m pytest -q -p no:cacheprovider -s test_fleet.py "${arguments[@]}"
fi
for version in "${versions[@]}"; do
    salt_environment "$version"
    python=$target/salt-$version/bin/python
    printf '\nSalt %s\n' "$version"
    # a state run of Salt is three seconds of its loader, so one worker per processor
    "$python" -m pytest -q -p no:cacheprovider -n "$(nproc)" test_pure.py test_states.py test_modules.py \
        test_tracker_states.py test_windows_states.py "${arguments[@]}"
    # processes of its own, which want the processors
    if [ -n "$masters" ] || [ "$version" = "${versions[0]}" ]; then
        "$python" -m pytest -q -p no:cacheprovider test_master.py "${arguments[@]}"
    fi
done
