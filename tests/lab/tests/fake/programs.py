#!/usr/bin/python3
"""Stands in for narrows-tracker and narrows-agent: the same command lines and status pages, no network.

A client "fetches" by copying from the seeders' folders, a tenth every 0.2 s; what it has outlives a kill.
FAKE in the environment says what goes wrong: corrupt, dies, stuck, deaf; empty: nothing.
"""
import hashlib, http.server, json, os, pathlib, re, shutil, sys, threading, time

FAKE = os.environ.get("FAKE", "")
program = pathlib.Path(sys.argv[0]).name


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        return b"%d:%s" % (len(raw), raw)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"


def create(path, announce, output):
    path, length = pathlib.Path(path), 1 << 18
    files = sorted(p for p in path.rglob("*") if p.is_file())
    data = b"".join(p.read_bytes() for p in files)
    pieces = b"".join(hashlib.sha1(data[i : i + length]).digest() for i in range(0, len(data), length))
    listed = [{"length": p.stat().st_size, "path": list(p.relative_to(path).parts)} for p in files]
    info = {"files": listed, "name": path.name, "piece length": length, "pieces": pieces, "private": 1}
    pathlib.Path(output).write_bytes(bencode({"announce": announce, "info": info}))


def serve(addr, pages):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(pages(self.path)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    host, port = addr.rsplit(":", 1)
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    server.serve_forever()


def setting(text, key):
    return re.search(rf'^{key}: "?([^"\n]*)"?$', text, re.M).group(1)


def tracker(folder, text):
    raw = (folder / "torrents/rollout.torrent").read_bytes()
    info_hash = hashlib.sha1(raw[raw.index(b"4:info") + 6 : -1]).hexdigest()
    sites = [{"site": site, "parent": "hq", "gateways": []} for site in ("b1", "b2")]
    page = {"swarms": [{"info_hash": info_hash, "sites": sites + [{"site": "hq", "parent": None}]}]}
    serve(setting(text, "admin"), lambda path: page)


def agent(folder, text):
    name = setting(text, "id")
    data, state = folder / "data/rollout", folder / "state/progress"
    source = folder.parent / "hq-0/data/rollout"
    size = sum(p.stat().st_size for p in source.rglob("*") if p.is_file())
    seeder = data.exists() and not state.exists()
    have = [float(state.read_text()) if state.exists() else 1.0 if seeder else 0.0]
    first = have[0]

    def fetch():
        while have[0] < 1.0:
            time.sleep(0.2)
            if FAKE == "stuck" and name == "b1-1" and have[0] > 0.5:
                continue
            if FAKE == "dies" and name == "b1-1" and have[0] > 0.5:
                print("out of luck", flush=True)
                os._exit(7)
            have[0] = min(1.0, round(have[0] + 0.1, 3))
            if have[0] == 1.0:
                shutil.copytree(source, data)
                if FAKE == "corrupt" and name == "b1-1":
                    victim = next(p for p in sorted(data.rglob("*")) if p.is_file())
                    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
            state.write_text(str(have[0]))

    threading.Thread(target=fetch, daemon=True).start()

    def status(path):
        gateway, fetched = name.endswith("-0") and not seeder, 0 if seeder else int(size * (have[0] - first))
        return {"id": name, "site": name.split("-")[0], "paused": False, "content": [{
            "name": "rollout", "state": "seeding" if have[0] == 1.0 else "fetching", "progress": have[0],
            "bytes_lan": 0 if gateway else fetched, "bytes_wan": fetched if gateway else 0,
            "role": "gateway" if gateway else "member", "rate_down": 5, "rate_up": 0, "error": None}]}

    serve(setting(text, "control"), status)


if sys.argv[1] == "create":
    create(sys.argv[2], sys.argv[4], sys.argv[6])
else:
    config = pathlib.Path(sys.argv[3])
    (tracker if program == "narrows-tracker" else agent)(config.parent, config.read_text())
