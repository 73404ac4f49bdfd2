"""Other boards than the kind one, on which the figures that are times are measured as well.

`make bench ARGS=silicon` has them beside each figure: a board with the times of a chip
(`emulator/unkind.py`, with its sources), and the same board with the interpreter in RAM, which
`in_ram` of a board's file puts there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from bulkhead_host.bench.figures import Figure, Result
from bulkhead_host.bench.images import interpreter_in_ram
from bulkhead_host.emulator.unkind import unkind

NAME = "silicon"
IN_RAM = "silicon, in RAM"
_TIMES = frozenset({"us", "ms", "%", "times"})


@contextmanager
def _both() -> Iterator[None]:
    with unkind(), interpreter_in_ram():
        yield


BOARDS: dict[str, Callable[[], AbstractContextManager[None]]] = {NAME: unkind, IN_RAM: _both}
"""Within what a board is made, by what it is called in the table."""


def hangs_on_silicon(figures: Sequence[Figure]) -> bool:
    """Tell whether one of them is a time."""
    return any(figure.unit in _TIMES for figure in figures)


def unreached(results: Sequence[Result], board: str) -> list[str]:
    """Return the figures whose goal is reached on the kind board and not on another."""
    return [
        result.figure.name
        for result in results
        if board in result.elsewhere and result.reaches_goal > result.reaches_goal_on(board)
    ]
