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
packages=(rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64-win32 libz-mingw-w64 wine64 wixl msitools)

missing() { echo "$*" >&2; exit 69; }

fetch_tools() {
    [ ! -e "$place/tools/whole" ] || [ ! -e "$tools/bin/msibuild" ] || return 0
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

# Whose C:\ProgramData\Narrows is, which wixl has no word for: administrators own it, they and the system write, users read
# (MsiLockPermissionsEx of Windows Installer 5). It holds for a folder that a user made first, too. 272: of 64 bits, permanent.
own_folder() {
    with_tools msibuild "$1" -q \
        'CREATE TABLE `MsiLockPermissionsEx` (`MsiLockPermissionsEx` CHAR(72) NOT NULL, `LockObject` CHAR(72) NOT NULL,
            `Table` CHAR(32) NOT NULL, `SDDLText` CHAR(0) NOT NULL, `Condition` CHAR(255) PRIMARY KEY `MsiLockPermissionsEx`)' \
        "INSERT INTO \`MsiLockPermissionsEx\` (\`MsiLockPermissionsEx\`, \`LockObject\`, \`Table\`, \`SDDLText\`) VALUES
            ('OwnFolder', 'OwnFolder', 'CreateFolder', 'O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)')" \
        "UPDATE \`Component\` SET \`Attributes\` = 272 WHERE \`Component\` = 'Folder'"
    with_tools msiinfo export "$1" MsiLockPermissionsEx | grep -q 'O:BAG:BAD:PAI' || missing "msibuild did not set whose the folder is"
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
own_folder "narrows-agent-$version.msi"
printf '%s\n' "$place/narrows-agent.exe" "$place/narrows-agent-$version.msi"
