"""The guest: an unmodified MicroPython program that has the main level, services above it."""

import re
from pathlib import Path

from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import read_text
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.paths import mpy_cross_program

GUEST_BYTES_MAX = 64 * 1024
"""The board compiles the program where it runs, in its 200 KB of RAM."""

_LINE = re.compile(r"line (\d+)$")


def read_guest(path: Path, *, architecture: str) -> tuple[str, str]:
    """Return the name and the source of a guest program that MicroPython can compile.

    Raises `UsageError` that names file, line and reason for one that cannot be read or compiled.
    """
    try:
        source = read_text(path)
        content = source.encode()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "name a program") from error
    if len(content) > GUEST_BYTES_MAX:
        raise UsageError(
            f"{path} has {len(content)} bytes, and a guest at most {GUEST_BYTES_MAX}",
            "split it into modules, and copy those to the board's file system",
        )
    try:
        compile_module(
            content, path.name, architecture=architecture, mpy_cross=mpy_cross_program()
        )
    except BulkheadError as error:
        found = _LINE.search(error.next_step)
        place = f"{path}:{found[1]}" if found else str(path)
        reason = error.cause.partition(" does not compile: ")[2] or error.cause
        raise UsageError(f"{place}: {reason}", "mend it: nothing was built") from error
    return path.name, source
