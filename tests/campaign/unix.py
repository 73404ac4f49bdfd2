"""One piece of a campaign on MicroPython's unix port.

A module of its own: workers import it by its name, and what is cached in `__main__` has none.
"""

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from folded import fold_firmware

from bulkhead_host.paths import source_root

_HOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def on_unix(piece: Any) -> tuple[list[str], dict[str, str]]:
    """Return the command that has a piece's faults, and its environment."""
    root = source_root()
    path = f"{_folded()}:{root / 'tests'}:{root}:.frozen"
    binary = Path(sys.executable).parent / "micropython"
    program = root / "tests" / "cases" / "judging_run.py"
    numbers = (str(piece.seed), str(piece.faults))
    return [str(binary), "-X", "heapsize=4m", str(program), *numbers], {"MICROPYPATH": path}


@cache
def _folded() -> Path:
    """Return a folder with the firmware as boards have it, made once a process."""
    holder = tempfile.TemporaryDirectory()
    _HOLDERS.append(holder)
    return fold_firmware(Path(holder.name))
