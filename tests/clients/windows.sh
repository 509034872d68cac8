#!/usr/bin/env bash
# The agent on Windows, as far as Wine tells: cross-built, checked, installed as a service, and fed by a Linux agent. Not part of
# tests/all.sh: it downloads 350 MB and builds the standard library, eight minutes in all.
#
#   tests/clients/windows.sh [FOLDER]        default: target/windows; what is there is used again
#
# Debian 12 with apt-get and cargo's registry; nothing is installed: packages are unpacked into the folder. Needs release builds of
# narrows-tracker and narrows-agent (or NARROWS_BIN_DIR). Wine has no recovery actions for services and no firewall to speak of, and
# starts services anew whenever its last program ends, so restarts after a crash and the firewall's rule are not tested here.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
ours=$(realpath "${NARROWS_BIN_DIR:-$target/release}")
work=$(realpath -m "${1:-$target/windows}")
mkdir -p "$work/debs" "$work/lab"
system=$work/sysroot/usr

if [ ! -e "$work/unpacked" ]; then
    echo "== compiler, mingw, wine"
    packages=(rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64 wine64)
    (
        cd "$work/debs"
        apt-get --print-uris -y install --no-install-recommends "${packages[@]}" |
            awk -F"'" '/^.http/{print $3}' | awk '{sub(/_.*/, "", $1); print $1}' | xargs apt-get download -q
        for package in *.deb; do dpkg -x "$package" ../sysroot; done
    )
    ln -sf x86_64-w64-mingw32-gcc-win32 "$system/bin/x86_64-w64-mingw32-gcc"
    # the unpacked wine looks for its server under another name
    printf '#!/bin/sh\nexec "%s" -p0 "$@"\n' "$system/lib/wine/wineserver64" >"$system/lib/wine/wineserver"
    chmod 755 "$system/lib/wine/wineserver"
    touch "$work/unpacked"
fi

echo "== narrows-agent.exe"
# compiler and library source must be of one version, so rustup's compiler is left alone
cross=(
    LD_LIBRARY_PATH="$system/lib/x86_64-linux-gnu:$system/lib" RUSTC="$system/bin/rustc" PATH="$system/bin:$PATH"
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER="$system/bin/x86_64-w64-mingw32-gcc"
)
(cd "$root" && env "${cross[@]}" cargo build --release -Zbuild-std=std,panic_unwind --target x86_64-pc-windows-gnu -p narrows-agent --bins)

export WINEPREFIX=$work/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe="
unset DISPLAY
wine() { LD_LIBRARY_PATH=$system/lib/x86_64-linux-gnu timeout 120 "$system/lib/wine/wine64" "$@" </dev/null 2>&1 | tr -d '\r'; }
mkdir -p "$WINEPREFIX/drive_c/windows/system32"
cp "$system/x86_64-w64-mingw32/lib/zlib1.dll" "$WINEPREFIX/drive_c/windows/system32/"
wine wineboot -i >/dev/null
wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >/dev/null

programs="$WINEPREFIX/drive_c/Program Files/Narrows" data=$WINEPREFIX/drive_c/ProgramData/Narrows lab=$work/lab
rm -rf "$data" "$lab" "$WINEPREFIX/drive_c/deploy"
mkdir -p "$programs" "$data/torrents" "$lab/data" "$lab/torrents"
cp "$work/target/x86_64-pc-windows-gnu/release/narrows-agent.exe" "$programs/"
# Wine 8 lacks what Rust's library takes random numbers from
cat >"$work/random.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buf, ULONG len);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buf, SIZE_T len) { return SystemFunction036(buf, (ULONG)len); }
C
env "${cross[@]}" x86_64-w64-mingw32-gcc -shared -O2 -o "$programs/bcryptprimitives.dll" "$work/random.c" -ladvapi32

echo "== a tracker and a seeder of 20 MB on Linux"
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
announce=$(free) admin=$(free) peers=$(free) control=$(free) there=$(free) there_control=$(free)
head -c 20000000 /dev/urandom >"$lab/data/office.bin"
printf 'version: 1\nsites: {lab: {networks: [127.0.0.0/8]}}\nlinks: []\n' >"$lab/sites.yaml"
cat >"$lab/tracker.yaml" <<YAML
listen: 127.0.0.1:$announce
admin: 127.0.0.1:$admin
site_map: sites.yaml
torrents: torrents
interval: {seeder: 5s, leecher: 2s, gateway: 2s, min: 1s}
YAML
cat >"$lab/agent.yaml" <<YAML
{id: linux, listen: "127.0.0.1:$peers", control: "127.0.0.1:$control", state: state, data: data,
 content: [{torrent: torrents/office.torrent, target: data}]}
YAML
cat >"$data/agent.yaml" <<YAML
id: windows
listen: 127.0.0.1:$there
control: 127.0.0.1:$there_control
data: 'C:\ProgramData\Narrows\data'
state: 'C:\ProgramData\Narrows\state'
content:
  - {torrent: 'C:\ProgramData\Narrows\torrents\office.torrent', target: 'C:\deploy'}
YAML
"$ours/narrows-agent" create "$lab/data/office.bin" --tracker "http://127.0.0.1:$announce/announce" --output "$lab/torrents/office.torrent"
cp "$lab/torrents/office.torrent" "$data/torrents/"
"$ours/narrows-tracker" run --config "$lab/tracker.yaml" 2>"$lab/tracker.log" &
started=($!)
"$ours/narrows-agent" run --config "$lab/agent.yaml" 2>"$lab/agent.log" &
started+=($!)
server() { LD_LIBRARY_PATH=$system/lib/x86_64-linux-gnu "$system/lib/wine/wineserver64" "$@"; }
at_exit() {
    kill "${started[@]}" 2>/dev/null || true
    server -k 2>/dev/null || true
}
trap at_exit EXIT

echo "== the agent as a service"
agent='C:\Program Files\Narrows\narrows-agent.exe' config='C:\ProgramData\Narrows\agent.yaml'
wine "$agent" check --config "$config"
wine "$agent" service install --config "$config"
# their answers differ between versions of Wine; what counts is below
wine sc start narrows-agent || true
for _ in $(seq 120); do
    cmp -s "$lab/data/office.bin" "$WINEPREFIX/drive_c/deploy/office.bin" && break
    sleep 0.5
done
cmp "$lab/data/office.bin" "$WINEPREFIX/drive_c/deploy/office.bin"
wine "$agent" status --config "$config" | tee "$lab/status"
grep -q seeding "$lab/status"
curl -sf "http://127.0.0.1:$there_control/metrics" | grep narrows_agent_disk_size_bytes
wine sc stop narrows-agent || true
wine "$agent" service uninstall
echo "== good: 20 MB came whole to the service on Windows"
