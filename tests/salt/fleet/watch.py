"""What the agents say of themselves, asked at each client's own loopback: nothing of it crosses a link.

A thread per client enters its network namespace. It looks at what `GET /status` of the agent's control port says, ten
times a second, and keeps what matters: when the first piece was there, how far it is, when it was complete.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import threading
import time
from dataclasses import dataclass, field

from .network import Host

CLONE_NEWNET = 0x40000000
CONTROL_PORT = 6882


@dataclass
class Seen:
    """What is known of a client's agent, of one content. Times are those of :func:`time.time`."""

    state: str = ""
    progress: float = 0.0
    role: str = ""
    site: str = ""
    bytes_wan: int = 0
    bytes_lan: int = 0
    #: the agent answers
    up: bool = False
    first_payload: float | None = None
    complete: float | None = None
    #: the roles it had
    roles: set[str] = field(default_factory=set)
    #: the highest progress before it was stopped
    best: float = 0.0


def enter(netns: str) -> None:
    """This thread, and no other, is in that network namespace from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(netns, os.O_RDONLY)
    try:
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {netns}")
    finally:
        os.close(descriptor)


class Watch:
    """Watches agents until it is closed."""

    def __init__(self, hosts: list[Host], content: str, every: float = 0.1):
        self.content = content
        self.every = every
        self.seen = {host.name: Seen() for host in hosts}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(host,), daemon=True) for host in hosts]
        for thread in self._threads:
            thread.start()

    def _follow(self, host: Host) -> None:
        enter(host.netns)
        while not self._over.wait(self.every):
            self._look(self.seen[host.name])

    def _look(self, seen: Seen) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", CONTROL_PORT, timeout=2)
            connection.request("GET", "/status")
            status = json.loads(connection.getresponse().read())
            connection.close()
        except (OSError, ValueError, http.client.HTTPException):
            seen.up = False
            return
        seen.up = True
        seen.site = status.get("site", "")
        for content in status.get("content", []):
            if content["name"] == self.content:
                self._note(seen, content)

    @staticmethod
    def _note(seen: Seen, content: dict) -> None:
        now = time.time()
        seen.state, seen.progress, seen.role = content["state"], content["progress"], content["role"]
        seen.bytes_wan, seen.bytes_lan = content["bytes_wan"], content["bytes_lan"]
        seen.best = max(seen.best, seen.progress)
        seen.roles.add(seen.role)
        if seen.first_payload is None and (seen.progress > 0 or seen.bytes_wan + seen.bytes_lan > 0):
            seen.first_payload = now
        if seen.state == "seeding":
            seen.complete = seen.complete or now

    def close(self) -> None:
        """Watches no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
