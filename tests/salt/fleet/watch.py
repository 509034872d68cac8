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
    #: of the agent that runs now, and of those before it
    bytes_wan: int = 0
    bytes_wan_before: int = 0
    #: the agent answers
    up: bool = False
    #: it has not answered for a while, and not yet said how much it has
    away: bool = False
    #: when its agent first had the content in its list
    known: float | None = None
    #: the first verified piece, and everything
    first_piece: float | None = None
    complete: float | None = None
    #: how far it was at most, of verified bytes
    best: float = 0.0
    #: how far it was when its agent had started again, of verified bytes; one number per start
    kept: list[float] = field(default_factory=list)
    #: when there was more of it than before
    gains: list[float] = field(default_factory=list)

    @property
    def wan(self) -> int:
        """Payload that came across links."""
        return self.bytes_wan_before + self.bytes_wan


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
            seen.away = seen.away or (seen.up and seen.best > 0)
            seen.up = False
            return
        for content in status.get("content", []):
            if content["name"] == self.content:
                self._note(seen, content)
        seen.up = True

    @staticmethod
    def _note(seen: Seen, content: dict) -> None:
        now = time.time()
        seen.known = seen.known or now
        if content["bytes_wan"] < seen.bytes_wan:
            # another process counts from the beginning
            seen.bytes_wan_before += seen.bytes_wan
        seen.state, seen.role, seen.bytes_wan = content["state"], content["role"], content["bytes_wan"]
        # while it checks what it has, `progress` says how much of that is checked
        if seen.state not in ("fetching", "seeding"):
            return
        if seen.away:
            seen.away = False
            seen.kept.append(content["progress"])
        elif content["progress"] > seen.progress:
            seen.gains.append(now)
        seen.progress = content["progress"]
        seen.best = max(seen.best, seen.progress)
        if content["bytes_done"] and seen.first_piece is None:
            seen.first_piece = now
        if seen.state == "seeding" and seen.complete is None:
            seen.complete = now

    def close(self) -> None:
        """Watches no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
