"""Latency of an interrupt: the host makes the edges and reads the emulator's clock.

The programs are `interrupts.py`, `idle_interrupts.py` and `hard_interrupts.py` of
`firmware/bench`; they say what lies between the two edges.
"""

from bulkhead_host.bench.board import bench_board, percentile, run_program
from bulkhead_host.bench.images import Images
from bulkhead_host.emulator.chip import CYCLE_NS
from bulkhead_host.emulator.pins import Edge
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import read_text
from bulkhead_host.paths import source_root
from bulkhead_host.system.fold import constants_of

_CYCLES_IN_US = 1000 // CYCLE_NS
_FIRST_CYCLES = 5_000 * _CYCLES_IN_US
# Not a divisor of the tick's 1 ms, nor has it one with that: no two edges have the same phase.
_APART_CYCLES = 1_392 * _CYCLES_IN_US - 1
_LOW_CYCLES = 100 * _CYCLES_IN_US


def measure(images: Images) -> dict[str, float]:
    """Return the percentiles of the time from an edge to its driver's first instruction."""
    latencies = _latencies_us(images, "interrupts")
    return {
        "irq_to_driver_us_p50": percentile(latencies, 50),
        "irq_to_driver_us_p99": percentile(latencies, 99),
    }


def measure_idle(images: Images) -> dict[str, float]:
    """Return the percentiles of the same time while the board idles, in all its ways."""
    latencies = _latencies_us(images, "idle_interrupts")
    return {
        "irq_to_driver_idle_us_p50": percentile(latencies, 50),
        "irq_to_driver_idle_us_p99": percentile(latencies, 99),
    }


def measure_hard(images: Images) -> dict[str, float]:
    """Return the worst times from an edge to the pin that a hard driver moves."""
    latencies = _latencies_us(images, "hard_interrupts")
    return {"hard_irq_us_p99": percentile(latencies, 99), "hard_irq_us_max": max(latencies)}


def _latencies_us(images: Images, module: str) -> list[float]:
    """Run a program whose driver answers edges; return how long each answer took."""
    firmware = source_root() / "firmware/bench"
    program = constants_of(read_text(firmware / "interrupts.py"))
    program |= constants_of(read_text(firmware / f"{module}.py"))
    with bench_board(images) as board:
        edge = board.pin(program["EDGE_PIN"])
        answer = board.pin(program["ANSWER_PIN"])
        edge.drive(1)

        def begin(ready: Edge) -> None:
            if not ready.level:
                return
            edge.clear_edges()
            answer.clear_edges()
            for number in range(program["EDGES"]):
                cycle = ready.cycle + _FIRST_CYCLES + number * _APART_CYCLES
                edge.drive_at(0, cycle=cycle)
                edge.drive_at(1, cycle=cycle + _LOW_CYCLES)

        board.pin(program["READY_PIN"]).on_edge(begin)
        run_program(board, module)
        asked = [change.cycle for change in edge.edges if change.level == 0]
        answered = [change.cycle for change in answer.edges]
    if len(asked) != program["EDGES"] or len(answered) != len(asked):
        raise BulkheadError(f"the driver saw {len(answered)} of {len(asked)} edges")
    pairs = zip(asked, answered, strict=True)
    latencies = [(after - before) / _CYCLES_IN_US for before, after in pairs]
    if min(latencies) <= 0 or max(latencies) * _CYCLES_IN_US >= _APART_CYCLES:
        raise BulkheadError("an edge was answered before it came, or after the next")
    return latencies
