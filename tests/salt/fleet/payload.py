"""The files that are distributed: real ones of this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .processes import Trouble

#: Where they come from, first come first served.
SOURCES = ("/usr/lib", "/usr/share", "/usr/bin")

#: The last file is cut to the size; a smaller rest is left away.
MEGABYTE = 1_000_000


def files(sources: tuple[str, ...] = SOURCES) -> Iterator[Path]:
    """Regular files of real content, always in the same order."""
    for source in sources:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and path.stat().st_size > 0:
                    yield path


def gather(into: Path, size: int) -> int:
    """Copies files into a folder until they have this size, and returns it."""
    total = 0
    for path in files():
        room = size - total
        if room <= 0:
            return total
        place = into / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, place.open("wb") as target:
            if path.stat().st_size <= room:
                shutil.copyfileobj(source, target, MEGABYTE)
            else:
                target.write(source.read(room))
        total += place.stat().st_size
    if total < size:
        raise Trouble(f"this machine has {total} bytes of files in {', '.join(SOURCES)}; {size} are asked for")
    return total


def copy(source: Path, target: Path) -> None:
    """Another copy, that shares nothing with the first."""
    shutil.copytree(source, target)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path in there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())

    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    # hashing lets other threads run
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip((str(path.relative_to(folder)) for path in paths), pool.map(digest, paths)))


def difference(expected: dict[str, str], found: dict[str, str]) -> str | None:
    """In what one differs from the other, in words."""
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    wrong = sorted(path for path in expected.keys() & found.keys() if expected[path] != found[path])
    parts = [f"{len(paths)} {what} ({paths[0]})" for what, paths in
             (("missing", missing), ("too much", extra), ("different", wrong)) if paths]
    return ", ".join(parts) or None
