"""The figures that the times of a chip change: each beside the same on the kind emulator.

`make bench ARGS=silicon`. What takes time is in `emulator/unkind.py`, with its sources. A figure
that begins with `silicon_` is of a board whose flash and USB take it; the XIP cache never misses
in either, so that both are better than a chip by that.
"""

from collections.abc import Callable

from bulkhead_host.bench import stored, updated
from bulkhead_host.bench.board import bench_board, run_program
from bulkhead_host.bench.figures import Figure, Values
from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.unkind import unkind

PREFIX = "silicon_"


def _unpreempted(images: Images) -> Values:
    with bench_board(images) as board:
        found = run_program(board, "unpreempted")
    return {"late_during_flash_write_ms": found["late_during_flash_write_ms"]}


_MEASURED: dict[Callable[[Images], Values], tuple[Figure, ...]] = {
    _unpreempted: (Figure(name="late_during_flash_write_ms", unit="ms"),),
    stored.measure: (
        Figure(name="store_put_ms", unit="ms"),
        Figure(name="store_save_ms", unit="ms"),
    ),
    updated.measure: (
        Figure(name="update_gap_ms", unit="ms", goal=5),
        Figure(name="update_stall_ms", unit="ms"),
        Figure(name="update_lost_messages", unit="messages", goal=0),
        Figure(name="save_to_running_ms", unit="ms", goal=500),
    ),
}

FIGURES = tuple(
    Figure(name=prefix + figure.name, unit=figure.unit, goal=figure.goal)
    for figures in _MEASURED.values()
    for figure in figures
    for prefix in ("", PREFIX)
)
"""Both of each, one below the other; those with a goal say where it is not reached."""


def measure(images: Images) -> Values:
    """Return every figure twice: on the kind board, and with the times of a chip."""
    found: dict[str, float] = {}
    for measure_one, figures in _MEASURED.items():
        values = dict(measure_one(images))
        with unkind():
            slow = measure_one(images)
        values |= {PREFIX + figure.name: slow[figure.name] for figure in figures}
        found |= values
    return found
