"""Run MicroPython's own tests over the serial port, with Bulkhead and without, side by side.

    python -m peers [TEST...] [--every N] [--workers N | --scheduler ADDRESS]

A TEST is a file or a folder of MicroPython's `tests/`; the default is every twelfth file of those
in FOLDERS. Each runs at the raw REPL, as MicroPython's own runner does it, but after the last one
names are deleted and the board is not reset. With Bulkhead the image is the same MicroPython, and
services log, call and blink meanwhile. Exit code 1 where a test passes without Bulkhead only and
`DIFFERENCES` does not say why, or where a service was started again.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import wait_for_prompt
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.build import stock_image
from bulkhead_host.image.sources import source_tree
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.paths import cache_dir, source_root
from bulkhead_host.spread import spread
from peers.differences import DIFFERENCES

FOLDERS = ("basics", "micropython", "float", "extmod", "io", "import", "unicode", "misc", "stress")
PASS, SKIP, FAIL = "pass", "skip", "fail"
PIECE = 12  # tests on one board
_EVERY = 12
_TEST_MS = 15_000  # of the board's time
_HOST_S = 60
_ANSWER_S = 20.0  # of the board's time: what it has held back comes first
_FORGET = (
    "for _n in list(globals()):\n"
    " if _n not in _keep: del globals()[_n]\n"
    "import gc; gc.collect(); del gc\n"
)


class Piece(NamedTuple):
    """Some tests on one board."""

    image: Path
    is_bulkhead: bool
    folder: Path
    tests: tuple[str, ...]


class Ran(NamedTuple):
    """What came of a piece: of each test how it went, and which services were started again."""

    ends: dict[str, str]
    restarted: tuple[str, ...]


class Line:
    """A board's serial line, at the raw REPL."""

    def __init__(self, board: EmulatedBoard, *, is_bulkhead: bool) -> None:
        self.board = board
        self.is_bulkhead = is_bulkhead

    def enter(self) -> None:
        """Go from the prompt to the raw REPL."""
        self.board.write(b"\r\x01")
        self.board.run_until(b"raw REPL; CTRL-B to exit\r\n>", timeout_ms=2_000)

    def run(self, source: bytes, timeout_ms: float = _TEST_MS) -> str:
        """Return what a program prints, and its traceback."""
        board = self.board
        board.read()
        board.write(source + b"\x04")
        board.run_until(b"OK", timeout_ms=timeout_ms)
        output = board.run_until(b"\x04", timeout_ms=timeout_ms)[:-1]
        output += board.run_until(b"\x04>", timeout_ms=2_000)[:-2]
        return output.replace(b"\r\n", b"\n").decode("utf-8", "replace")

    def begin(self) -> None:
        """Go to the raw REPL of a board that has booted, by a Ctrl-C if Bulkhead has it."""
        if self.is_bulkhead:
            self.board.run_for(ms=1_000)
            self.board.write(b"\x03")
        wait_for_prompt(self.board)
        self.enter()
        self.run(b"_keep = set(globals()) | {'_keep'}")

    def recover(self) -> None:
        """End a program that does not end, or has ended all: by a Ctrl-C, or a reset."""
        try:
            self.board.write(b"\x03")
            self.board.run_until(b"\x04>", timeout_ms=2_000)
        except BulkheadError:
            self.reset()

    def reset(self) -> None:
        """Begin anew: what a test leaves may be a locked heap."""
        self.board.reset()
        self.board.read()
        self.begin()


def run_piece(piece: Piece) -> Ran:
    """Run tests on a board of their own."""
    with EmulatedBoard(image=piece.image) as board:
        before = {}
        if piece.is_bulkhead:
            board.run_for(ms=1_000)
            before = _generations(board)
        line = Line(board, is_bulkhead=piece.is_bulkhead)
        line.begin()
        ends = {}
        for test in piece.tests:
            ends[test] = _run_test(line, piece.folder / test)
        if not piece.is_bulkhead:
            return Ran(ends, ())
        board.console.set_terminal_attached(False)
        board.run_for(ms=200)
        board.console.set_terminal_attached(True)
        after = _generations(board)
        return Ran(ends, tuple(name for name in before if after.get(name) != before[name]))


def _generations(board: EmulatedBoard) -> dict[str, int]:
    services = Client(BoardTransport(board), timeout_s=_ANSWER_S).table().services
    return {service.name: service.generation for service in services}


def _run_test(line: Line, file: Path) -> str:
    """Return how a test went."""
    try:
        output = line.run(file.read_bytes())
    except BulkheadError:
        line.recover()
        output = "does not end"
    if output.endswith("MemoryError: \n"):
        line.reset()
    line.run(_FORGET.encode())
    if output.strip() == "SKIP":
        return SKIP
    return PASS if output == expected(file) else f"{FAIL}: {output[-60:]!r}"


def expected(file: Path) -> str:
    """Return what a test has to print: as its file says, or as CPython prints it."""
    said = file.with_name(file.name + ".exp")
    if said.exists():
        return said.read_text()
    done = subprocess.run(
        [sys.executable, "-BS", file.name],
        cwd=file.parent,
        capture_output=True,
        timeout=_HOST_S,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace")


def chosen(folder: Path, names: Sequence[str], every: int) -> list[str]:
    """Return the tests that are named, or every so many."""
    files = []
    for name in names or FOLDERS:
        path = folder / name
        found = sorted(path.glob("*.py")) if path.is_dir() else [path]
        files += [file.relative_to(folder).as_posix() for file in found]
    return files[:: 1 if names and every == _EVERY else every]


def pieces(images: Sequence[tuple[Path, bool]], folder: Path, tests: list[str]) -> Iterator[Piece]:
    """Return the pieces of a run: each of some tests, and each image."""
    for first in range(0, len(tests), PIECE):
        for image, is_bulkhead in images:
            yield Piece(image, is_bulkhead, folder, tuple(tests[first : first + PIECE]))


def main() -> int:
    """Do what the command line says."""
    made = argparse.ArgumentParser(description="Run MicroPython's own tests beside Bulkhead.")
    made.add_argument("tests", nargs="*", metavar="TEST", help="a file or folder of its tests")
    made.add_argument("--every", type=int, default=_EVERY, help="take every so many files")
    made.add_argument("--workers", type=int, default=1, help="processes of this machine")
    made.add_argument("--scheduler", default="", help="of a dask cluster that has this checkout")
    args = made.parse_args()
    folder = source_tree(cache_dir()).micropython / "tests"
    app = source_root() / "tests" / "cases" / "peers_app"
    images = (
        (stock_image().path, False),
        (build(BuildOptions(application=app)).path, True),
    )
    source = pieces(images, folder, chosen(folder, args.tests, args.every))
    ends: dict[bool, dict[str, str]] = {False: {}, True: {}}
    restarted: list[str] = []
    crew = {"workers": args.workers, "scheduler": args.scheduler}
    for piece, ran in spread(partial(run_piece), lambda: next(source, None), **crew):
        ends[piece.is_bulkhead].update(ran.ends)
        restarted += ran.restarted
        print(f"{'with' if piece.is_bulkhead else 'without'}: {len(ran.ends)} tests", flush=True)
    return report(ends[False], ends[True], restarted)


def report(without: dict[str, str], beside: dict[str, str], restarted: list[str]) -> int:
    """Print both sides, and what differs; return the exit code."""
    unexplained = 0
    for test in sorted(without):
        if without[test] == PASS and beside.get(test) != PASS:
            reason = DIFFERENCES.get(test, "")
            unexplained += not reason
            print(f"DIFFERS {test}: {beside.get(test)}: {reason or 'UNEXPLAINED'}")
    for name, side in (("without Bulkhead", without), ("with Bulkhead", beside)):
        counts = [sum(end[:4] == kind for end in side.values()) for kind in (PASS, SKIP, FAIL)]
        print("{:17} {:4} pass, {:4} skipped, {:4} fail".format(name, *counts))
    print(f"services started again: {', '.join(restarted) or 'none'}")
    return 1 if unexplained or restarted else 0


if __name__ == "__main__":
    sys.exit(main())
