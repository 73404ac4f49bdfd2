"""Run measurements, each on a board of its own, and gather their results.

The boards share nothing, so the measurements run in parallel, one process for each core; a figure
is device time and does not depend on that.
"""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from bulkhead_host.bench.figures import Result, Values, result_of
from bulkhead_host.bench.images import Images, build_images
from bulkhead_host.bench.measurements import DERIVED, MEASUREMENTS, Measurement
from bulkhead_host.image.cache import Progress, quiet


def run(
    measurements: Sequence[Measurement] = MEASUREMENTS, *, progress: Progress = quiet
) -> list[Result]:
    """Return a result for every figure of `measurements`, and for the derived when all ran.

    What fails takes its own figures along and no others. Raises BulkheadError when the images
    cannot be built.
    """
    images = build_images(progress)
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(measurements))
    outcomes = []
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = pool.map(partial(_attempt, images), measurements)
        for measurement, outcome in zip(measurements, tasks, strict=True):
            outcomes.append(outcome)
            progress(f"{measurement.name}: {outcome[1] or 'measured'}")
    values = {name: value for found, _ in outcomes for name, value in found.items()}
    results = [
        result_of(figure, values, failure)
        for measurement, (_, failure) in zip(measurements, outcomes, strict=True)
        for figure in measurement.figures
    ]
    derived = DERIVED if len(measurements) == len(MEASUREMENTS) else ()
    return results + [result_of(figure, values, "") for figure in derived]


def _attempt(images: Images, measurement: Measurement) -> tuple[Values, str]:
    """Return what was measured, and why it was not. Runs in a process of its own."""
    try:
        return dict(measurement.measure(images)), ""
    except Exception as error:  # one failure must not take the others along
        return {}, f"{type(error).__name__}: {error}"
