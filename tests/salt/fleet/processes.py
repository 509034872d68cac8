"""Processes that the bed starts, and waiting for what they do. Everything has a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")


class Trouble(Exception):
    """What went wrong, in words that help."""


def wait_until(what: str, check: Callable[[], T], seconds: float, every: float = 0.1) -> T:
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def run(line: Sequence[str], seconds: float = 60, text: str | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed."""
    try:
        done = subprocess.run(line, input=text, capture_output=True, text=True, timeout=seconds, env=env)
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"`{' '.join(line)}` did not end within {seconds:.0f} s") from error
    if done.returncode:
        raise Trouble(f"`{' '.join(line)}` ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Process:
    """A process that lives until it is told to end."""

    def __init__(self, name: str, line: Sequence[str], log: Path, *, cgroups: Sequence[Path] = (), **options: object):
        self.name = name
        self.log = log

        def join() -> None:
            # in the child, before it becomes the program: what it starts belongs to the same control groups
            for group in cgroups:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        self._log: IO[bytes] = log.open("ab")
        options.setdefault("stdout", self._log)
        options.setdefault("stdin", subprocess.DEVNULL)
        self.popen = subprocess.Popen(
            line, stderr=self._log, start_new_session=True, preexec_fn=join if cgroups else None, **options
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    def check(self) -> None:
        """Complains if it has ended."""
        if not self.running:
            raise Trouble(f"{self.name} ended with {self.popen.returncode}; it said: {self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines that it wrote."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def child(self) -> int | None:
        """The process that it started, if it has one: a container's init."""
        pid = self.popen.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def terminate(self) -> None:
        """Asks it to end."""
        if self.running:
            self.popen.send_signal(signal.SIGTERM)

    def end(self, seconds: float = 10) -> None:
        """Sees that it and its process group have ended."""
        self.terminate()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        try:
            # a session of its own: no other process is in the group
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait(seconds)
        self._log.close()
