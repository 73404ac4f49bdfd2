"""Digests of contents, and the lock that lets one build run at a time."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bulkhead_host.files import write_whole

# How long what was taken from a cache may be in use: longer than a run of all tests takes.
IN_USE_S = 3_600

# Where progress lines go; the command line prints them on standard error.
Progress = Callable[[str], None]


def quiet(_line: str) -> None:
    """Drop a progress line."""


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 of the parts in hexadecimal, each part's length included."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()


def digest_files(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of names and contents, whatever order the mapping has."""
    return digest(*(part for name in sorted(files) for part in (name, files[name])))


@contextmanager
def locked(path: Path, progress: Progress = quiet) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs; wait for whoever holds it.

    The system drops the lock when its holder dies, so a stale one cannot exist. Builds run only
    where apt does, hence `fcntl`.
    """
    import fcntl  # noqa: PLC0415  absent on Windows, where nothing is built

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another build is running: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(path: Path, make: Callable[[], bytes], *, count: int) -> bytes:
    """Return the content of a file of the cache, or what `make` returns, which is put there.

    The file has a folder of its own, of which the newest `count` stay; before the content stands
    its digest. A cache that cannot be written, or is damaged, costs time and nothing else. Raises
    what `make` raises.
    """
    with suppress(OSError):
        seal, _, content = path.read_bytes().partition(b"\n")
        os.utime(path.parent)
        if seal == digest(content).encode():
            return content
    content = make()
    with suppress(OSError):
        write_whole(path, digest(content).encode() + b"\n" + content)
        keep_newest(path.parent.parent, count)
    return content


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the `count` most recently used entries of a cache folder.

    What was used within `IN_USE_S` stays too: another run may hold its path and open it yet.
    """
    now_s = time.time()
    entries = [(entry.lstat().st_mtime, entry) for entry in folder.iterdir()]
    entries.sort(key=lambda found: found[0], reverse=True)
    for used_s, entry in entries[count:]:
        if now_s - used_s > IN_USE_S:
            shutil.rmtree(entry, ignore_errors=True)
