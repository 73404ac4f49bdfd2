"""Runs a campaign's faults on boards, several side by side.

The campaign is cut into runs of `faults_per_boot` faults, each on a board that has just booted,
so what becomes of a fault depends on the seed, its index and the run's faults before it, and not
on what other boards do, nor on which machine. A process boots a board once; each run is on a copy
of it. After a violation the rest of the run is on a new copy, so that one fault is not blamed for
another's.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.plan import Campaign, planned
from bulkhead_host.desk.desk import furnish_from
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.snapshot import Snapshot
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.spread import spread
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import Application

BOOT_S = 1.0
"""Device time that a board gets before its first fault."""

_ANSWER_S = 0.15  # device time; the answer is lost where the target is what answers
_KEY = bytes(range(32))  # of the emulated boards, so that they do the same for every user

Keep = Callable[[Result], None]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every board of a campaign runs, and has around it.

    `image` is a UF2's content, and `desk` the text of a desk's file: workers may be far.
    """

    campaign: Campaign
    image: bytes
    application: Application
    description: Board
    desk: str = ""


def run_campaign(
    setup: Setup,
    runs: Iterator[Sequence[int]],
    *,
    keep: Keep,
    workers: int = 1,
    scheduler: str = "",
) -> None:
    """Judge the faults of each run; `keep` gets the results of each as they come.

    `runs` is asked for one more whenever a worker is free. One worker here gives result by
    result, others those of a run together. Raises as `spread` does.
    """
    again: list[Sequence[int]] = []

    def next_run() -> Sequence[int] | None:
        return again.pop() if again else next(runs, None)

    alone = workers == 1 and not scheduler
    work = partial(judge_run, setup, keep=keep if alone else None)
    for indices, results in spread(work, next_run, workers=workers, scheduler=scheduler):
        for result in results:
            if not alone:
                keep(result)
        if len(results) < len(indices):  # cut by a violation
            again.append(indices[len(results) :])


def judge_run(setup: Setup, indices: Sequence[int], *, keep: Keep | None = None) -> list[Result]:
    """Judge faults on one board, up to one that violates an invariant; return the results."""
    judge = Judge(bench(setup, _fresh(setup)), setup.campaign)
    results = []
    for index in indices:
        results.append(judge.judge(planned(setup.campaign, index)))
        if keep is not None:
            keep(results[-1])
        if not results[-1].holds:
            break
    return results


def runs_of(campaign: Campaign, done: set[int]) -> Iterator[Sequence[int]]:
    """Return the runs that have a fault without a result, whole up to the last of those.

    A run that was cut is done again from its first fault: that brings its board to where it was.
    Without a count there is no end.
    """
    first = 0
    while campaign.count == 0 or first < campaign.count:
        last = first + campaign.faults_per_boot
        indices = range(first, min(last, campaign.count) if campaign.count else last)
        missing = [index for index in indices if index not in done]
        if missing:
            yield range(first, missing[-1] + 1)
        first = last


def bench(setup: Setup, board: EmulatedBoard) -> Bench:
    """Return what judges need of an emulated board; its client does the same each time."""
    line = BoardTransport(board)
    client = Client(line, timeout_s=_ANSWER_S, first_sequence=0, key=_KEY)
    return Bench(
        client=client,
        application=setup.application,
        description=setup.description,
        emulated=board,
    )


def _fresh(setup: Setup) -> EmulatedBoard:
    """Return a board that has booted: a copy, or, for a desk cannot be copied, a new one."""
    return _boot(setup) if setup.desk else _booted(setup.image).board()


@cache
def _booted(image: bytes) -> Snapshot:
    """Return a board that has booted; each process makes one of an image."""
    return Snapshot(_boot_image(image, lambda board: None))


def _boot(setup: Setup) -> EmulatedBoard:
    file = str(setup.campaign.desk)
    return _boot_image(setup.image, lambda board: furnish_from(setup.desk, file, board))


def _boot_image(image: bytes, furnish: Callable[[EmulatedBoard], object]) -> EmulatedBoard:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{hashlib.sha256(image).hexdigest()[:16]}.uf2"
        file.write_bytes(image)
        board = EmulatedBoard(image=file, key=_KEY, seed=0)
        furnish(board)
        board.start()
    Client(BoardTransport(board), timeout_s=_ANSWER_S, first_sequence=0, key=_KEY).listen(BOOT_S)
    return board
