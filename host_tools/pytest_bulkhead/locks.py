"""A lock for each port, so that two test runs never share one.

The system drops a lock when its holder dies, so a stale one cannot exist. Where it has none of
this kind (Windows), it lets only one program open a port anyway.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkhead_host.errors import DeviceBusy
from bulkhead_host.files import read_text
from bulkhead_host.paths import cache_dir

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_POLL_S = 0.1


@contextmanager
def port_lock(identity: str, *, wait_s: float) -> Iterator[None]:
    """Hold the lock of the board that `identity` names, its serial number or its port.

    Raises `DeviceBusy` with the holder's process when it is not free within `wait_s`.
    """
    if fcntl is None:
        yield
        return
    path = _lock_file(identity)
    with path.open("a+", encoding="utf-8") as file:
        deadline_s = time.monotonic() + wait_s
        while not _try_lock(file.fileno()):
            if time.monotonic() >= deadline_s:
                raise DeviceBusy(
                    f"{identity} is in use by the test run in process {read_text(path)}",
                    "wait for it, or give it longer: --bulkhead-wait SECONDS; "
                    "with pytest-xdist, its --dist load keeps a port's tests in one worker",
                )
            time.sleep(_POLL_S)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_file(identity: str) -> Path:
    folder = cache_dir() / "ports"
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.lock"
