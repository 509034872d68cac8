#!/usr/bin/env bash
# Tests of the page on the tracker's admin port in a real Chromium, beside a rollout in the lab.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/page/run.sh [PYTEST-ARGUMENT...]

It needs python3 (3.9 or later), chromium and chromedriver (Debian's packages chromium and chromium-driver), and builds of narrows-lab,
narrows-tracker and narrows-agent (or NARROWS_BIN_DIR). NARROWS_SCREENSHOTS=DIR keeps pictures of what was seen.
TEXT
}

case ${1-} in --help | -h) usage && exit ;; esac

root=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    why="the page in a browser: there is no chromium and chromedriver here"
    echo "skipped: $why"
    [ -z "${NARROWS_SKIPPED-}" ] || echo "$why" >>"$NARROWS_SKIPPED"
    exit
fi
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
. "$root/tests/environment.sh"
environment page-tests pytest==9.2.0 selenium==4.36.0 axe-selenium-python==2.1.6 PyYAML==6.0.4
cd "$root/tests/page"
exec "$target/page-tests/bin/python" -m pytest -q -p no:cacheprovider "$@"
