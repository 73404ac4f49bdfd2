"""From the end of a service to its pins in their safe state: `firmware/bench/outputs.py`.

The program fails the driver by an exception, then by spinning, each at both levels; the pins' own
edges say how long the driven pin was high after the marker.
"""

import re

from bulkhead_host.bench.board import TIMEOUT_MS, bench_board, figures_in, percentile
from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.emulator.repl import execute
from bulkhead_host.errors import BulkheadError

_LED, _MARKER = 25, 2
_LEFTS = re.compile(r"^lefts ([\d ]+)$", re.MULTILINE)
_CYCLES_IN_US = 1000 // CYCLE_NS


def measure(images: Images) -> dict[str, float]:
    """Return the worst times, and what the stores of eight pins take."""
    with bench_board(images) as board:
        led, marker = board.pin(_LED), board.pin(_MARKER)
        source = "import bench.outputs as program; program.main()"
        printed = execute(board, source, timeout_ms=TIMEOUT_MS)
        risen = [edge.cycle for edge in marker.edges if edge.level]
        fallen = [edge.cycle for edge in led.edges if not edge.level]
    lefts = [[int(left) for left in row.split()] for row in _LEFTS.findall(printed)]
    count = sum(len(row) for row in lefts)
    if len(risen) < count or len(fallen) < count:
        raise BulkheadError(f"the pin fell {len(fallen)} times in {count} ends of its driver")
    took = [_after(fallen, cycle) / _CYCLES_IN_US for cycle in risen[:count]]
    faults = took[: len(lefts[0] + lefts[1])]
    kills = took[len(faults) :]
    over = [us - left for us, left in zip(kills, lefts[2] + lefts[3], strict=True)]
    return {
        "fault_to_safe_us_p99": percentile(faults, 99),
        "kill_to_safe_us_p99": percentile(over, 99),
        **figures_in(printed),
    }


def _after(cycles: list[int], start: int) -> int:
    """Return how long after `start` the next of some cycles is."""
    return next(cycle for cycle in cycles if cycle > start) - start
