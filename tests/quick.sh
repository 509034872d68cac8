#!/usr/bin/env bash
# The loop while you work, about two minutes: format, the documents, then lints, unit tests and layers of the crates that differ
# from where the branch began, then the simulations that they could change. Not a replacement for tests/all.sh.
#
#   bash tests/quick.sh              what differs from main (or from the last commit, on main)
#   bash tests/quick.sh COMMIT       what differs from COMMIT
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

base=${1-}
if [ -z "$base" ]; then
    for branch in main origin/main; do
        if base=$(git merge-base HEAD "$branch" 2>/dev/null); then break; fi
    done
fi

base=$(git rev-parse --quiet --verify "${base:-HEAD}^{commit}") || { echo "no commit ${1-}; see git log" >&2; exit 64; }

# the crate of each changed file: the nearest Cargo.toml above it
crates=() everything=
while read -r file; do
    folder=$(dirname "$file")
    while [ "$folder" != . ] && [ ! -f "$folder/Cargo.toml" ]; do folder=$(dirname "$folder"); done
    case $file in Cargo.toml | Cargo.lock) everything=1 ;; esac
    [ "$folder" != . ] && [ "$folder" != tests/fuzz/targets ] || continue
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$folder/Cargo.toml" | head -1)
    [[ " ${crates[*]} " == *" $name "* ]] || crates+=("$name")
done < <({ git diff --name-only "$base"; git ls-files --others --exclude-standard; } | sort -u)

step "format"
cargo fmt --all --check
step "documents and words"
cargo test -q -p narrows-tests --test doc
packages=()
if [ -n "$everything" ]; then
    # dependencies have changed: any crate may be another one now
    mapfile -t crates < <(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]: print(package["name"])')
fi
[ ${#crates[@]} -gt 0 ] || { echo "no crate differs from ${base:0:10}"; exit; }
for crate in "${crates[@]}"; do packages+=(-p "$crate"); done

step "lints: ${crates[*]}"
cargo clippy -q "${packages[@]}" --all-targets -- -D warnings

step "unit tests"
# what has no tests in its source says so and passes
cargo test -q "${packages[@]}" --lib --bins

step "layers"
# a test of this name says which module may use which
for crate in "${crates[@]}"; do
    for layers in wings layers; do
        folder=$(grep -lx "name = \"$crate\"" Cargo.toml */Cargo.toml */*/Cargo.toml 2>/dev/null | head -1)
        [ ! -f "$(dirname "$folder")/tests/$layers.rs" ] || cargo test -q -p "$crate" --test "$layers"
    done
done

changed() {
    local crate
    for crate; do [[ " ${crates[*]} " == *" narrows-$crate "* ]] && return; done
    return 1
}
if changed config topology protocol assignment; then
    step "simulation of the tracker's decisions (NARROWS_SEED=17 for one seed)"
    cargo test -q -p narrows-assignment --test simulation
fi
if changed protocol wire swarm; then
    step "simulation of a fleet of agents"
    cargo test -q -p narrows-swarm --test fleet
fi
if changed config protocol wire storage topology fuzz; then
    step "inputs that fuzzers found"
    cargo test -q -p narrows-fuzz
fi
step "good"
