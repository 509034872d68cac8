#!/bin/sh
# One unicast client of the lab: fetches files with curl, and tries again until all of them are there.
#
#   http_get.sh LIST DIR DONE
#
# LIST has one line per file: its length, its path, both as `find -printf '%s %P'` would have them, and, after a tab,
# its URL as a quoted string of a curl configuration. What is in DIR already is kept: whole files are passed over,
# parts continued. When everything is there, the file DONE is made, and this script only waits to be ended. curl
# ends with it.
set -u

while :; do
    find "$2" -type f -printf '%s %P\n' | awk -F '\t' -v dir="$2" '
        FILENAME != list { there[$0]; next }
        !($1 in there) {
            path = dir "/" substr($1, index($1, " ") + 1)
            gsub(/["\\]/, "\\\\&", path)
            printf "url = %s\noutput = \"%s\"\ncontinue-at = -\n", $2, path
        }' list="$1" - "$1" >"$3.config"
    [ -s "$3.config" ] || break
    # one process for all files, so that they share a connection; 20 s without a byte is a dead one
    setpriv --pdeathsig KILL curl --fail --fail-early --silent --show-error --create-dirs \
        --connect-timeout 5 --speed-time 20 --speed-limit 1 --config "$3.config" || sleep 1
done
: >"$3"
exec sleep infinity
