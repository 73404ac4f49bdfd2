"""Run measurements, each on a board of its own, and gather their results.

The boards share nothing, so the measurements run in parallel, one process for each core; a figure
is device time and does not depend on that.
"""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial

from bulkhead_host.bench.figures import Result, Values, result_of
from bulkhead_host.bench.images import Images, build_images
from bulkhead_host.bench.measurements import DERIVED, MEASUREMENTS, Measurement
from bulkhead_host.bench.silicon import BOARDS
from bulkhead_host.image.cache import Progress, quiet

Outcome = tuple[Values, str]
"""What was measured, and why it was not."""


def run(
    measurements: Sequence[Measurement] = MEASUREMENTS,
    *,
    boards: Sequence[str] = (),
    progress: Progress = quiet,
) -> list[Result]:
    """Return a result for every figure of `measurements`, and for the derived when all ran.

    `boards`, of `silicon.BOARDS`, are measured beside the kind one. What fails takes its own
    figures along and no others. Raises BulkheadError when the images cannot be built.
    """
    found = {board: _measured(measurements, board, progress) for board in ("", *boards)}
    outcomes = found.pop("")
    values = _values(outcomes)
    others = {board: _values(of) for board, of in found.items()}
    results = [
        result_of(figure, values, _failure_of(one, [outcomes, *found.values()]), others)
        for one in measurements
        for figure in one.figures
    ]
    derived = DERIVED if len(measurements) == len(MEASUREMENTS) else ()
    return results + [result_of(figure, values, "", others) for figure in derived]


def _measured(
    measurements: Sequence[Measurement], board: str, progress: Progress
) -> dict[str, Outcome]:
    """Return what each measurement found on a board, by its name; the kind one has no name."""
    with BOARDS[board]() if board else nullcontext():
        images = build_images(progress)
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(measurements))
    outcomes = {}
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = pool.map(partial(_attempt, images, board), measurements)
        for measurement, outcome in zip(measurements, tasks, strict=True):
            outcomes[measurement.name] = outcome
            of = f" ({board})" if board else ""
            progress(f"{measurement.name}{of}: {outcome[1] or 'measured'}")
    return outcomes


def _failure_of(measurement: Measurement, boards: Sequence[Mapping[str, Outcome]]) -> str:
    """Return why a measurement failed, on the first board that it did on."""
    failures = (outcomes[measurement.name][1] for outcomes in boards)
    return next(filter(None, failures), "")


def _values(outcomes: Mapping[str, Outcome]) -> Values:
    return {name: value for found, _ in outcomes.values() for name, value in found.items()}


def _attempt(images: Images, board: str, measurement: Measurement) -> Outcome:
    """Return what was measured, and why it was not. Runs in a process of its own."""
    try:
        with BOARDS[board]() if board else nullcontext():
            return dict(measurement.measure(images)), ""
    except Exception as error:  # one failure must not take the others along
        return {}, f"{type(error).__name__}: {error}"
