#!/usr/bin/env bash
# All tests, as the README has it and as CI runs them: installs what is missing (Debian and Ubuntu, as root or
# with sudo), then checks format, lints and dependencies, runs every test, two short rollouts and a minute of faults in the
# lab, and what is shipped for Prometheus and Salt with the real ones.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# each step says when it began: minutes and seconds since the start
step() { printf '\n== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }

# commands that remove what this leaves behind
leftovers=()
at_exit() {
    local command
    for command in "${leftovers[@]}"; do $command || true; done
}
trap at_exit EXIT

packages=(
    # real clients, and what makes and reads torrents
    python3-libtorrent aria2 transmission-daemon transmission-cli mktorrent
    # measured against
    opentracker wrk nginx-light
    # what the tests call
    python3 curl
    # the lab's hosts and links
    iproute2 util-linux mount
    # wrong clocks
    libfaketime
    # beside a rollout, with the shipped rules
    prometheus
    # the page on the admin port
    chromium chromium-driver fonts-dejavu-core
    # Salt, in virtualenvs with pinned versions, and the fleet's booted containers
    python3-venv systemd-container dbus
)

install() {
    local missing=() package root=()
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "no apt here: the tests need ${packages[*]} by whatever names this system has them"
        return
    fi
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || { echo "everything is there"; return; }
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "missing: ${missing[*]}; install them as root" >&2; exit 1; }
        root=(sudo)
    fi
    # opentracker, transmission-daemon and prometheus would start as services and take ports; the tests run them themselves
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
        "${root[@]}" chmod 755 $policy
        leftovers+=("${root[*]} rm -f $policy")
    fi
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

step "what is needed"
command -v cargo >/dev/null || { echo "no cargo: install Rust, see https://rustup.rs" >&2; exit 1; }
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/#fmt/rustfmt}"
done
install

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets -- -D warnings

# tests that cannot be run here add a line each
NARROWS_SKIPPED=$(mktemp)
export NARROWS_SKIPPED
leftovers+=("rm -f $NARROWS_SKIPPED")

step "dependencies: licences, bans, duplicate versions, sources, known faults"
bash tests/deny.sh

step "tests, built"
cargo test --workspace --no-run

# beside the tests, which mostly wait; in a folder and under a lock of its own
built=$(mktemp)
nice -n 19 cargo build --release --workspace --bins >"$built" 2>&1 &
release=$!
stop_release() { [ -z "$release" ] || kill "$release"; }
leftovers+=("rm -f $built" stop_release)

step "tests"
cargo test --workspace

step "release build, begun beside the tests"
if ! wait "$release"; then
    release=''
    cat "$built"
    exit 1
fi
release=''

step "a short rollout: 60 MB to eight clients over two links of 80 Mbit/s, three of them killed on the way"
programs="${CARGO_TARGET_DIR:-target}/release"
# just built: --bin-dir spares cargo another look, and another choice of features
"$programs/narrows-lab" --bin-dir "$programs" --size 60MB

step "10 MB over three links of 20 Mbit/s that the kernel shapes and counts"
if unshare --net true 2>/dev/null || unshare --user --map-root-user --net true 2>/dev/null; then
    "$programs/narrows-lab" --bin-dir "$programs" --netns --sites tests/maps/star20.yaml --size 10MB --no-kills
else
    echo "the rollout over shaped links: this machine allows no network namespaces" >>"$NARROWS_SKIPPED"
fi

step "a minute of faults of all kinds, and machines that lie, from a fixed seed"
if unshare --net true 2>/dev/null || unshare --user --map-root-user --net true 2>/dev/null; then
    "$programs/narrows-lab" --bin-dir "$programs" --chaos "${NARROWS_CHAOS:-106}"
else
    echo "faults and liars from a seed: this machine allows no network namespaces" >>"$NARROWS_SKIPPED"
fi

step "Prometheus: rules, names, and a real one beside 90 MB to two sites"
NARROWS_BIN_DIR=$(realpath "$programs") bash tests/prometheus/run.sh

step "The page in Chromium, beside a rollout in the lab"
NARROWS_BIN_DIR=$(realpath "$programs") bash tests/page/run.sh

step "Salt: states, modules and pure parts with 3006 and 3008, and a real master with three minions"
NARROWS_BIN_DIR=$(realpath "$programs") bash tests/salt/run.sh

step "Salt: 500 MB to twelve booted clients at three sites"
NARROWS_BIN_DIR=$(realpath "$programs") bash tests/salt/run.sh --fleet

skipped=$(wc -l <"$NARROWS_SKIPPED")
if [ "$skipped" -eq 0 ]; then
    step "all good, nothing skipped"
else
    step "all good, but $skipped skipped:"
    sort "$NARROWS_SKIPPED"
fi
