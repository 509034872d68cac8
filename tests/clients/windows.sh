#!/usr/bin/env bash
# The agent for Windows, under Wine: fetches from a Linux agent, is killed, goes on as a service, serves a Linux agent; then
# its MSI. Not part of all tests: it takes Debian 12, 2 GB of its packages below target/windows (agent/windows/build.sh)
# and some minutes the first time; then it runs for a quarter of one.
#
#   NARROWS_BIN_DIR=target/release tests/clients/windows.sh
#
# Wine has no access lists, a netsh that does nothing, and no restarts after a failure: those are not tested here.
set -euo pipefail
exec </dev/null

root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
programs=$(realpath "${NARROWS_BIN_DIR:-$target/release}")
for program in narrows-agent narrows-tracker; do
    [ -x "$programs/$program" ] || { echo "no $programs/$program: build it, or set NARROWS_BIN_DIR" >&2; exit 64; }
done
if ! built=$("$root/agent/windows/build.sh"); then
    echo "the agent under Wine: its tools are not to be had here" >>"${NARROWS_SKIPPED:-/dev/stderr}"
    exit 69
fi
mapfile -t built <<<"$built"
tools=$target/windows/tools/usr

here=$(mktemp -d)
cd "$here"
export WINEPREFIX=$here/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe="
export LD_LIBRARY_PATH=$tools/lib/x86_64-linux-gnu
unset DISPLAY
processes=()
at_exit() {
    local status=$? process
    [ "$status" -eq 0 ] || tail -n 20 "$here"/*.log "$here"/wine/drive_c/ProgramData/Narrows/state/agent.log 2>/dev/null || true
    # ends what runs in this prefix, and nothing else
    "$tools/lib/wine/wineserver64" -k 2>/dev/null || true
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$here"
    exit "$status"
}
trap at_exit EXIT

step() { printf '== %s\n' "$*"; }
fail() { echo "failed: $*" >&2; exit 1; }
# a program of Windows; what it says goes to a file, for Wine's own services inherit its output and never close it
windows() {
    local status=0
    timeout 120 "$tools/lib/wine/wine64" "$@" >"$here/said.log" 2>&1 || status=$?
    cat "$here/said.log"
    return $status
}
# waits until a command's output has a text
until_says() {
    local text=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" 2>/dev/null | grep -qF "$text"; do
        [ $SECONDS -lt $deadline ] || fail "$* still does not say $text"
        sleep 0.1
    done
}
status() { curl -s --max-time 5 "http://127.0.0.1:$1/status"; }
number() { status "$1" | grep -o "\"$2\":[0-9]*" | head -n 1 | cut -d : -f 2; }
mapfile -t ports < <(python3 - <<'PYTHON'
import socket

probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
print("\n".join(str(probe.getsockname()[1]) for probe in probes))
PYTHON
)
tracker=${ports[0]} linux=${ports[2]} linux_control=${ports[3]} win=${ports[4]} win_control=${ports[5]}

step "a Windows of its own"
# the extracted packages lack the link that an installation makes
printf '#!/bin/sh\nexec "%s/lib/wine/wineserver64" "$@"\n' "$tools" >"$tools/lib/wine/wineserver"
chmod +x "$tools/lib/wine/wineserver"
mkdir -p "$WINEPREFIX/drive_c/windows/system32"
cp "$tools/x86_64-w64-mingw32/lib/zlib1.dll" "$WINEPREFIX/drive_c/windows/system32/"
# Rust's standard library takes its random numbers from where Wine 8 has none
cat >"$here/random.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID to, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T length) { return SystemFunction036(to, (ULONG)length); }
C
PATH=$tools/bin:$PATH LD_LIBRARY_PATH=$tools/lib/x86_64-linux-gnu:$tools/lib "$tools/bin/x86_64-w64-mingw32-gcc" -shared \
    -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" "$here/random.c" -ladvapi32
windows wineboot -i >/dev/null
windows reg add 'HKCU\Software\Wine' /v Version /d win10 /f >/dev/null
# the first start leaves a service manager of its own; from now on there is one, also while no program runs
"$tools/lib/wine/wineserver64" -k
"$tools/lib/wine/wineserver64" -w
"$tools/lib/wine/wineserver64" -p 2>wineserver.log
drive=$WINEPREFIX/drive_c
agent='C:\Program Files\Narrows\narrows-agent.exe'
config='C:\ProgramData\Narrows\agent.yaml'
mkdir -p "$drive/Program Files/Narrows" "$drive/ProgramData/Narrows/torrents"
cp "${built[0]}" "$drive/Program Files/Narrows/"

step "create: the same .torrent as on Linux"
mkdir -p content/office/folder torrents linux
head -c 20000000 /dev/urandom >content/office/large.bin
head -c 300001 /dev/urandom >"content/office/folder/ü b.bin"
url=http://127.0.0.1:$tracker/announce
"$programs/narrows-agent" create content/office --tracker "$url" --output torrents/office.torrent >/dev/null
windows "$agent" create content/office --tracker "$url" --output windows.torrent
cmp windows.torrent torrents/office.torrent
cp torrents/office.torrent "$drive/ProgramData/Narrows/torrents/"

step "check: a wrong configuration is 64 and says where"
configure() {
    cat >"$drive/ProgramData/Narrows/agent.yaml" <<YAML
id: win
listen: 127.0.0.1:$win
control: 127.0.0.1:$win_control
$1
content:
  - {torrent: torrents/office.torrent, target: 'C:\\deploy'}
YAML
}
configure "gatway: auto"
if windows "$agent" check --config "$config" >check.log; then fail "it takes a wrong configuration"; fi
grep -qF 'did you mean `gateway`?' check.log
configure "limits: {download: 20 Mbit/s}"
windows "$agent" check --config "$config"

step "run: fetches from a Linux agent, until it is killed"
printf 'version: 1\nsites: {lab: {networks: [127.0.0.0/8]}}\nlinks: []\n' >sites.yaml
cat >tracker.yaml <<YAML
listen: 127.0.0.1:$tracker
admin: 127.0.0.1:${ports[1]}
site_map: sites.yaml
torrents: torrents
interval: {seeder: 5s, leecher: 2s, gateway: 2s, min: 1s}
YAML
cat >linux.yaml <<YAML
{id: linux, listen: "127.0.0.1:$linux", control: "127.0.0.1:$linux_control", state: linux, data: content,
 content: [{torrent: torrents/office.torrent}]}
YAML
"$programs/narrows-tracker" run --config tracker.yaml >tracker.log 2>&1 &
processes+=($!)
"$programs/narrows-agent" run --config linux.yaml >linux.log 2>&1 &
seeder=$!
processes+=("$seeder")
until_says seeding status "$linux_control"
"$tools/lib/wine/wine64" "$agent" run --config "$config" >windows.log 2>&1 &
running=$!
processes+=("$running")
until_says '"id":"win"' status "$win_control"
deadline=$((SECONDS + 60))
until [ "$(number "$win_control" bytes_done)" -gt 3000000 ]; do
    [ $SECONDS -lt $deadline ] || fail "nothing comes"
    sleep 0.1
done
{ kill -KILL "$running" && wait "$running"; } 2>/dev/null || true
[ ! -e "$drive/deploy/office" ] || fail "what is not whole stands at its target"

step "service: installed, started; it goes on with what the other had"
configure ""
windows "$agent" service install --config "$config"
windows sc start narrows-agent >/dev/null
until_says RUNNING windows sc query narrows-agent
until_says seeding status "$win_control"
diff -r content/office "$drive/deploy/office"
curl -s --max-time 5 "http://127.0.0.1:$win_control/metrics" >metrics.log
grep -q '^narrows_agent_disk_size_bytes' metrics.log
fetched=$(number "$win_control" bytes_lan)
[ "$fetched" -lt 18000000 ] || fail "it fetched $fetched bytes again"
windows "$agent" pause >/dev/null
until_says '"paused":true' status "$win_control"
windows "$agent" resume >/dev/null

step "it serves a Linux agent"
kill "$seeder"
wait "$seeder" || true
timeout 120 "$programs/narrows-agent" get torrents/office.torrent --to fetched >get.log 2>&1
diff -r content/office fetched/office

step "service: stopped in order, and removed"
windows sc stop narrows-agent >/dev/null
until_says STOPPED windows sc query narrows-agent
until_says 'WIN32_EXIT_CODE    : 0 ' windows sc query narrows-agent
if status "$win_control" >/dev/null; then fail "it still answers"; fi
windows "$agent" service uninstall
if windows sc query narrows-agent >/dev/null; then fail "the service is still there"; fi
rm -r "$drive/Program Files/Narrows"

step "MSI: installs program and service, which runs"
cp "${built[1]}" agent.msi
windows msiexec /i agent.msi /qn
cmp "$drive/Program Files/Narrows/narrows-agent.exe" "${built[0]}"
windows sc start narrows-agent >/dev/null
until_says seeding status "$win_control"
[ "$(number "$win_control" bytes_lan)" -eq 0 ] || fail "it fetched what it had"

step "MSI: another version takes its place"
(cd "$target/windows" && PATH=$tools/bin:$PATH wixl -a x64 -D Version=0.0.1 -o "$here/other.msi" "$root/agent/windows/narrows-agent.wxs")
windows msiexec /i other.msi /qn
windows reg query 'HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall' /s >registry.log
[ "$(grep -c 'DisplayName .*Narrows agent' registry.log)" -eq 1 ] || fail "both are installed"
grep -q 'DisplayVersion .*0\.0\.1' registry.log || fail "not the other is installed"
windows sc start narrows-agent >/dev/null
until_says seeding status "$win_control"

step "MSI: stops and removes both; configuration and content stay"
windows msiexec /x other.msi /qn
if windows sc query narrows-agent >/dev/null; then fail "the service is still there"; fi
[ ! -e "$drive/Program Files/Narrows/narrows-agent.exe" ] || fail "the program is still there"
[ -e "$drive/ProgramData/Narrows/agent.yaml" ] && diff -r content/office "$drive/deploy/office"

step "all good; not tested: access lists, the firewall, restarts after a failure"
