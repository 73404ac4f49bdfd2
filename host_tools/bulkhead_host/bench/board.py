"""Runs a benchmark's program on an emulated board, fresh from reset, and reads its figures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.repl import execute, wait_for_prompt

TIMEOUT_MS = 10_000
"""Device time for one program; the longest takes 2 s."""

_FIGURE = re.compile(r"^([a-z]\w*)=(-?\d+(?:\.\d+)?)$", re.MULTILINE)


@contextmanager
def bench_board(images: Images) -> Iterator[EmulatedBoard]:
    """Give a board at its prompt, with the benchmarks on it and nothing imported."""
    with EmulatedBoard(image=images.bench.path, seed=0) as board:
        wait_for_prompt(board)
        yield board


def run_program(board: EmulatedBoard, module: str) -> dict[str, float]:
    """Run `main` of a module of `firmware/bench` and return the figures it printed.

    Raises DeviceException when it raised, DeviceTimeout after TIMEOUT_MS of device time.
    """
    return figures_in(execute(board, program_source(module), timeout_ms=TIMEOUT_MS))


def program_source(module: str) -> str:
    """Return what a board runs for a module of `firmware/bench`."""
    return f"import bench.{module} as program; program.main()"


def figures_in(output: str) -> dict[str, float]:
    """Return the values of the `name=value` lines, whatever else was printed."""
    return {name: float(value) for name, value in _FIGURE.findall(output)}


def percentile(samples: list[float], percent: int) -> float:
    """Return the nearest-rank percentile: the least sample that `percent` % do not exceed."""
    return sorted(samples)[(percent * len(samples) + 99) // 100 - 1]
