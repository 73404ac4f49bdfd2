"""The walker (`attacks/walk.py`) on the emulated Pico: `make walk`.

It prints what takes a store or is not a service's to have, and how many objects it has seen; the
exit code is 1 if there is anything. The emulator takes minutes for a second of its steps.
"""

import argparse
import re
import sys

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt
from bulkhead_host.qualify.image import cases_image

_DEPTH = 1
_MS = 15_000
_TIMEOUT_MS = 600_000
_LINES = 2  # of a walk that finds nothing: how many objects, and no fault


def walk(*, depth: int, milliseconds: int) -> list[str]:
    """Return the lines that the stage prints: what is found, then the walker's fault."""
    with EmulatedBoard(image=cases_image()) as board:
        wait_for_prompt(board)
        source = f"from attacks import stage\nstage.walk({depth}, {milliseconds})"
        return execute(board, source, timeout_ms=_TIMEOUT_MS).strip().splitlines()


def main() -> int:
    """Walk, and print; return the exit code."""
    parser = argparse.ArgumentParser(description="Walk through all that a service reaches.")
    parser.add_argument("--depth", type=int, default=_DEPTH, help="steps from one to the next")
    parser.add_argument("--ms", type=int, default=_MS, help="milliseconds of the board")
    options = parser.parse_args()
    lines = walk(depth=options.depth, milliseconds=options.ms)
    print(*lines, sep="\n")
    is_whole = len(lines) == _LINES and re.match("found objects", lines[0])
    return 0 if is_whole and lines[1] == "none" else 1


if __name__ == "__main__":
    sys.exit(main())
