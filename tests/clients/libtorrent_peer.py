#!/usr/bin/python3
"""libtorrent peers for the tests and for the lab.

For the tests, one torrent: impatient announces, the state as JSON lines on standard output; it ends when its
standard input is closed:

    libtorrent_peer.py TORRENT SAVE_DIR LISTEN_IP LISTEN_PORT

For the lab: the library's own defaults, the state of all torrents in FILE, renewed five times a second; it ends when
it is killed, and checks what DIR holds when it is started again:

    libtorrent_peer.py --status FILE --dir DIR --listen IP:PORT TORRENT...
"""

import argparse
import json
import os
import select
import sys
import time

import libtorrent as lt

# What a private torrent in a managed network wants; everything else is as the library has it. Note that it
# takes 10/8, 172.16/12 and 192.168/16 for its local network, whose peers it always unchokes.
MANAGED = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "in_enc_policy": lt.enc_policy.pe_disabled,
    "out_enc_policy": lt.enc_policy.pe_disabled,
}


def start(listen: str, ip: str, more: dict) -> lt.session:
    """A session that listens and dials at one address only."""
    return lt.session(MANAGED | {"listen_interfaces": listen, "outgoing_interfaces": ip} | more)


def lab() -> int:
    """Runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--status", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("torrents", nargs="+")
    args = parser.parse_args()
    ip = args.listen.rpartition(":")[0].strip("[]")
    session = start(args.listen, ip, {})
    handles = []
    for torrent in args.torrents:
        info = lt.torrent_info(torrent)
        handles.append((str(info.info_hash()), session.add_torrent({"ti": info, "save_path": args.dir})))
    while True:
        states = []
        for info_hash, handle in handles:
            status = handle.status()
            states.append(
                {
                    "info_hash": info_hash,
                    "state": str(status.state),
                    "done": status.total_wanted_done,
                    "total": status.total_wanted,
                    "down": status.download_payload_rate,
                    "up": status.upload_payload_rate,
                    "peers": status.num_peers,
                    "error": status.errc.message() if status.errc.value() else "",
                }
            )
        with open(f"{args.status}.new", "w", encoding="utf-8") as file:
            json.dump(states, file)
        os.replace(f"{args.status}.new", args.status)
        time.sleep(0.2)


def main() -> int:
    if "--status" in sys.argv:
        return lab()
    torrent, save_dir, ip, port = sys.argv[1:5]
    impatient = {
        "allow_multiple_connections_per_ip": True,
        # the library never asks its tracker more often than this; 300 s would outlast the test
        "min_announce_interval": 1,
    }
    session = start(f"{ip}:{port}", ip, impatient)
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
