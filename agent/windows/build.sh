#!/usr/bin/env bash
# The agent for Windows, made on Debian 12: narrows-agent.exe and an MSI with its service, in target/windows.
#
#   agent/windows/build.sh             # both; prints where they are
#
# What it takes is Debian's own: a Rust with the source of its standard library, mingw, wixl, and wine for the tests
# (tests/clients/windows.sh). Nothing is installed: the packages are extracted below target/windows/tools (2 GB, once),
# beside whatever Rust is there. The standard library is built for Windows from the source of the very same compiler.
# With rustup, `rustup target add x86_64-pc-windows-gnu` and mingw make the same program.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
place=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/windows
tools=$place/tools/usr
packages=(rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 libz-mingw-w64 wine64 wixl)

missing() { echo "$*" >&2; exit 69; }

fetch_tools() {
    [ ! -e "$place/tools/whole" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "no apt here: this needs Debian 12"
    local package uris
    for package in "${packages[@]}"; do
        apt-cache show "$package" >/dev/null 2>&1 || missing "apt knows no $package: this needs Debian 12, and apt-get update"
    done
    rm -rf "$place/tools" "$place/debs"
    mkdir -p "$place/tools" "$place/debs"
    uris=$(apt-get --print-uris -y install --no-install-recommends "${packages[@]}")
    # those that the system has already are not among them, and need not be
    awk -F"'" '/^.(http|file|cdrom|mirror)/ { split($3, part, " "); sub(/_.*/, "", part[1]); print part[1] }' <<<"$uris" |
        (cd "$place/debs" && xargs apt-get download -q)
    for package in "$place"/debs/*.deb; do dpkg -x "$package" "$place/tools"; done
    rm -rf "$place/debs"
    ln -sf x86_64-w64-mingw32-gcc-win32 "$tools/bin/x86_64-w64-mingw32-gcc"
    touch "$place/tools/whole"
}

# runs a program of the tools with their libraries
with_tools() {
    env LD_LIBRARY_PATH="$tools/lib/x86_64-linux-gnu:$tools/lib" PATH="$tools/bin:$PATH" "$@"
}

fetch_tools >&2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
cd "$root"
with_tools env RUSTC="$tools/bin/rustc" RUSTC_BOOTSTRAP=1 CARGO_HOME="$place/cargo-home" CARGO_TARGET_DIR="$place/cargo" \
    CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER="$tools/bin/x86_64-w64-mingw32-gcc" \
    "$tools/bin/cargo" build -q --release -p narrows-agent --bins -Zbuild-std=std,panic_unwind --target x86_64-pc-windows-gnu
cd "$place"
with_tools x86_64-w64-mingw32-strip -o narrows-agent.exe cargo/x86_64-pc-windows-gnu/release/narrows-agent.exe
with_tools wixl -a x64 -D Version="$version" -o "narrows-agent-$version.msi" "$root/agent/windows/narrows-agent.wxs"
printf '%s\n' "$place/narrows-agent.exe" "$place/narrows-agent-$version.msi"
