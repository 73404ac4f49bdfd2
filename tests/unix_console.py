"""The real console service under MicroPython's unix port, on pipes: a board that is fast."""

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkhead_host.image.application import system_files
from bulkhead_host.link.transport import LinkLost
from pytest_bulkhead.processes import with_parent

SERVICES = ("supervisor", "logger", "console", "crasher")
_MAIN = """
from guard.authority import Authority
from kernel.boot import build
from guard.guards import install
from kernel.levels import main_level
from bulkhead_boot import COMMON, WORDS
from bulkhead_system import MODULES, SERVICES
from bulkhead_port import Port

kernel = build(SERVICES, Port(), WORDS)
install(kernel.words, Authority(SERVICES, COMMON, MODULES), kernel.port.outlet)
main_level(kernel)
"""


class PipeLine:
    """A line to a program's standard input and output; see `Transport`."""

    name = "the unix port"
    pace_min = 1.0

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._received = b""

    def read(self, timeout_s: float) -> bytes:
        if not self._received and select.select([self._out], [], [], timeout_s)[0]:
            self._take()
        data, self._received = self._received, b""
        return data

    def write(self, data: bytes) -> None:
        """Write all, and read meanwhile: a program that is not read stops reading."""
        while data:
            readable, writable, _ = select.select([self._out], [self._in], [])
            if readable:
                self._take()
            if writable:
                data = data[os.write(self._in, data[: select.PIPE_BUF]) :]

    def clock_s(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Do nothing: the process is its maker's."""

    def _take(self) -> None:
        data = os.read(self._out, 65536)
        if not data:
            raise LinkLost("the program has ended")
        self._received += data


def unix_application(application: Path, folder: Path) -> None:
    """Write what the unix port runs as an application, `main.py` first, to a folder."""
    for name, source in system_files(application, board="unix").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    (folder / "main.py").write_text(_MAIN)


@contextmanager
def unix_console(
    micropython: Path, folder: Path, key: bytes, *, reading: str = "open"
) -> Iterator[PipeLine]:
    """Run the core services, with a device key, while the block runs."""
    application = folder / "application"
    application.mkdir()
    (application / "system.toml").write_text(
        f'[system]\nname = "console"\nboard = "unix"\nstart = {list(SERVICES)}\n'
        f'[link]\nreading = "{reading}"\n'
    )
    unix_application(application, folder)
    (folder / "bulkhead_key.py").write_text(f"KEY = {key!r}\n")
    process = subprocess.Popen(
        [*with_parent(), micropython, "-X", "heapsize=2M", "main.py"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield PipeLine(process)
    finally:
        process.kill()
        process.communicate()
