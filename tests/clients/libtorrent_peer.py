#!/usr/bin/python3
"""One libtorrent peer for the tests: fetches or seeds one torrent and prints its state as JSON lines.

usage: libtorrent_peer.py TORRENT SAVE_DIR LISTEN_IP LISTEN_PORT

It ends when its standard input is closed.
"""

import json
import select
import sys

import libtorrent as lt


def main() -> int:
    torrent, save_dir, ip, port = sys.argv[1:5]
    session = lt.session(
        {
            "listen_interfaces": f"{ip}:{port}",
            "outgoing_interfaces": ip,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
            # the library never asks its tracker more often than this; 300 s would outlast the test
            "min_announce_interval": 1,
        }
    )
    handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": save_dir})
    seen = set()
    while True:
        status = handle.status()
        for peer in handle.get_peer_info():
            seen.add(f"{peer.ip[0]}")
        print(
            json.dumps(
                {
                    "progress": status.progress,
                    "seeding": status.is_seeding,
                    "state": str(status.state),
                    "peers": sorted(seen),
                    "tracker": [t.get("message", "") for t in handle.trackers()],
                }
            ),
            flush=True,
        )
        readable, _, _ = select.select([sys.stdin], [], [], 0.25)
        if readable and not sys.stdin.read(1):
            return 0


if __name__ == "__main__":
    sys.exit(main())
