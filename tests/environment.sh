# Virtualenvs of the Python tests. Sourced; needs $target, cargo's target folder.

# environment NAME PACKAGE==VERSION...: makes $target/NAME once; a stamp says that it is whole, and of what
environment() {
    local place=$target/$1 stamp=$target/$1/whole
    shift
    [ "$(cat "$stamp" 2>/dev/null)" != "$*" ] || return 0
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install -q --disable-pip-version-check "$@"
    echo "$*" >"$stamp"
}
