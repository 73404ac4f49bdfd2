"""The benchmark's figures of the board itself, beside the emulated board's.

The programs are those of `make bench` that need no host to move a pin, and drive none.
"""

from collections.abc import Iterator
from dataclasses import replace

from bulkhead_host.bench.board import figures_in, program_source
from bulkhead_host.bench.figures import Result, result_of
from bulkhead_host.bench.measurements import MEASUREMENTS, Measurement
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.qualify.kernel import Chosen
from bulkhead_host.qualify.verdicts import Row, failed, judged

PART = "benchmark"


def programs() -> list[Measurement]:
    """Return the measurements that a board makes by itself."""
    return [one for one in MEASUREMENTS if one.function is None and one.figures]


def look(repl: RawRepl, chosen: Chosen, *, limit_s: float) -> Iterator[Row]:
    """Run each chosen program after a soft reset, and yield its figures."""
    for measurement in programs():
        if not chosen(measurement.name):
            continue
        repl.soft_reset()
        try:
            said = repl.execute(program_source(measurement.name), timeout_s=2 * limit_s)
        except BulkheadError as error:
            yield failed(PART, measurement.name, str(error).strip().splitlines()[-1])
            repl.enter()
            continue
        values = figures_in(said)
        for figure in measurement.figures:
            yield _row(result_of(figure, values, ""))


def _row(result: Result) -> Row:
    figure = result.figure
    bound = "" if figure.target is None else f"at most {figure.target:g}"
    detail = result.failure or bound
    row = judged(PART, figure.name, result.holds, detail)
    return replace(row, value=result.value, unit=figure.unit)
