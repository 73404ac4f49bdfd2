"""Runs a campaign's faults on boards, several side by side.

The campaign is cut into runs of `faults_per_boot` faults, each on a board that has just booted,
so what becomes of a fault depends on the seed, its index and the run's faults before it, and not
on what other boards do. Where the system can fork, the emulated board boots once: each run is a
copy of the process, board included, in the state after boot. After a violation the rest of the
run is on a new board, so that one fault is not blamed for another's.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.plan import Campaign, planned
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.system.boards import Board
from bulkhead_host.system.manifest import Application

BOOT_S = 1.0
"""Device time that a board gets before its first fault."""

_ANSWER_S = 0.15  # device time; the answer is lost where the target is what answers
_KEY = bytes(range(32))  # of the emulated boards, so that they do the same for every user
_CAN_FORK = "fork" in multiprocessing.get_all_start_methods()

Keep = Callable[[Result], None]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every board of a campaign runs."""

    campaign: Campaign
    image: Path
    application: Application
    description: Board


@dataclass(kw_only=True)
class _Run:
    """A worker, the faults it has still to judge, and where its results come from."""

    left: list[int]
    results: Connection
    process: BaseProcess = field(repr=False)


def run_campaign(setup: Setup, runs: Iterator[Sequence[int]], *, workers: int, keep: Keep) -> None:
    """Judge the faults of each run; `keep` gets the results as they come.

    `runs` is asked for one more whenever a worker is free. Raises BulkheadError when a worker
    fails, which is no violation but a bug of the tool.
    """
    booted = _boot(setup) if _CAN_FORK else None
    busy: list[_Run] = []
    try:
        while True:
            while len(busy) < workers and (indices := next(runs, None)):
                busy.append(_begin(setup, booted, list(indices)))
            if not busy:
                return
            for ready in wait([run.results for run in busy]):
                run = next(one for one in busy if one.results is ready)
                if _receive(run, keep):
                    continue
                busy.remove(run)
                if run.left:
                    busy.append(_begin(setup, booted, run.left))
    finally:
        for run in busy:
            run.process.terminate()
            run.process.join()


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


def _boot(setup: Setup) -> Bench:
    board = EmulatedBoard(image=setup.image, key=_KEY, seed=0)
    board.start()
    booted = bench(setup, board)
    booted.client.listen(BOOT_S)
    return booted


def _begin(setup: Setup, booted: Bench | None, indices: list[int]) -> _Run:
    context: Any = multiprocessing.get_context("fork" if _CAN_FORK else "spawn")
    results, theirs = context.Pipe(duplex=False)
    arguments = (setup, booted, indices, theirs)
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    theirs.close()
    return _Run(left=indices, results=results, process=process)


def _work(setup: Setup, booted: Bench | None, indices: list[int], results: Connection) -> None:
    """Be a worker: judge faults on one board, until one is violated."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us ends us
    judge = Judge(booted or _boot(setup), setup.campaign)
    for index in indices:
        result = judge.judge(planned(setup.campaign, index))
        results.send(result)
        if not result.holds:
            return


def _receive(run: _Run, keep: Keep) -> bool:
    """Take one result; return False when the worker has ended, with as many or a violation."""
    try:
        result = run.results.recv()
    except EOFError:
        result = None
    if result is not None:
        if result.index != run.left.pop(0):
            raise BulkheadError(f"a worker gave a result of fault {result.index} out of order")
        keep(result)
        if run.left and result.holds:
            return True
    run.process.join()
    run.results.close()
    if result is None:
        raise BulkheadError(
            f"the worker of fault {run.left[0]} ended with code {run.process.exitcode}",
            f"see why: bulkhead campaign FILE --replay {run.left[0]}",
        )
    return False
