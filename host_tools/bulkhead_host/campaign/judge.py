"""Judges faults on a board, one after the other, by the campaign's invariants."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bulkhead_host.campaign.actions import Bench, act
from bulkhead_host.campaign.invariants import violations
from bulkhead_host.campaign.kinds import KINDS, Ends
from bulkhead_host.campaign.outputs import Outputs
from bulkhead_host.campaign.plan import Campaign, Planned
from bulkhead_host.campaign.trial import DOWN, GIVEN_UP, Look, Trial, generation, look
from bulkhead_host.campaign.watch import Watch
from bulkhead_host.errors import BulkheadError, DeviceTimeout

_LOOK_S = 0.25
"""Between two looks whether a service is back."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one fault. `violations` are the invariants that did not hold, in words.

    `victim` is the service that was faulted, the target or its client, and `fault` the kind of
    fault it took; both are None where nobody was. `recovery_ms` is the board's time from the
    order, or from when the occasion came, until the victim made a step again, or the board ran;
    None when it did not, or nobody was down. `at_ms` is the board's time at the order, `took_ms`
    what it took to judge. `dropped` messages were counted by full mailboxes, `heap_free` is what a
    collection left after it. `skipped` says why there was nothing to judge of the target, as that
    it had no occasion to fail in that way. `evidence` are the trace's records and the last words.
    """

    index: int
    kind: str
    target: str
    victim: str | None = None
    fault: str | None = None
    recovery_ms: float | None = None
    at_ms: int = 0
    took_ms: int = 0
    dropped: int = 0
    heap_free: int = 0
    violations: tuple[str, ...] = ()
    skipped: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every invariant held."""
        return not self.violations

    @property
    def is_skipped(self) -> bool:
        """Whether there was nothing to judge, and all else held."""
        return bool(self.skipped) and self.holds


class Judge:
    """Judges faults on one board; the heap at its first fault is what later ones must leave."""

    def __init__(self, bench: Bench, campaign: Campaign) -> None:
        self._bench = bench
        self._client = bench.client
        self._invariants = campaign.invariants
        self._outputs = Outputs(bench)
        self._last: Look | None = None
        self._heap_free_first = 0

    def judge(self, fault: Planned) -> Result:
        """Inject a fault after its pause, wait, and judge.

        Raises nothing: that the board does not answer, or has no such target, is a violation.
        """
        clock_s = self._client.transport.clock_s
        started_s = clock_s()
        try:
            found = self._judged(fault)
        except BulkheadError as error:
            self._last = None
            found = {"violations": (error.cause,)}
        return Result(
            index=fault.index,
            kind=fault.kind,
            target=fault.target,
            took_ms=round((clock_s() - started_s) * 1000),
            **found,
        )

    def _judged(self, fault: Planned) -> dict[str, Any]:
        self._client.listen(fault.pause_ms / 1000)
        before = self._last or look(self._bench, self._invariants)
        self._heap_free_first = self._heap_free_first or before.heap_free
        trial = Trial(
            bench=self._bench,
            invariants=self._invariants,
            kind=KINDS[fault.kind],
            fault=fault,
            before=before,
            watch=Watch(self._client),
        )
        if trial.kind.fits is not None and not trial.task:
            return {"violations": (f"the board has no service {fault.target}",)}
        trial.watch.begin()
        self._outputs.begin()
        act(self._bench, fault)
        trial.wait()
        after = self._last = self._at_rest(trial)
        if trial.came_late():
            after = self._last = self._at_rest(trial)
        trial.violations += violations(trial, after, heap_free_first=self._heap_free_first)
        if self._invariants.outputs_safe and trial.kind.ends is not Ends.BOARD:
            trial.violations += self._outputs.violations(trial.watch, trial.names, after.table)
        if trial.skipped:
            self._put_right(trial)
        victim = after.table.named(trial.victim or "")
        return {
            "victim": trial.victim,
            "fault": victim.fault if victim is not None else None,
            "recovery_ms": trial.recovery_ms,
            "at_ms": before.table.uptime_ms,
            "dropped": max(0, _dropped(after) - _dropped(before)),
            "heap_free": after.heap_free,
            "violations": tuple(trial.violations),
            "skipped": trial.skipped,
            "evidence": tuple(self._evidence(trial)),
        }

    def _at_rest(self, trial: Trial) -> Look:
        """Return the board once it has come to rest."""
        if not trial.violations:
            self._client.listen(self._invariants.quiet_ms / 1000)
        return look(self._bench, self._invariants)

    def _put_right(self, trial: Trial) -> None:
        """Start the target, or who is given up, anew: what still waits in it would come later.

        So is, by then, whom the occasion has ended that came as the order was under way. Raises
        `BulkheadError` when the target, or who ran before it, is not back in time.
        """
        name = trial.victim or trial.fault.target
        self._last = None
        table = self._client.table()
        old = table.named(name)
        rested = {one.name for one in table.services if one.state in (*DOWN, GIVEN_UP)} - {name}
        with suppress(DeviceTimeout):  # it may be what answers
            is_given_up = old is not None and old.state == GIVEN_UP
            self._client.control(name, "release" if is_given_up else "restart")
        until_s = trial.clock_s() + self._invariants.recovered_within_ms / 1000
        while trial.clock_s() < until_s:
            self._client.listen(_LOOK_S)
            with suppress(DeviceTimeout):
                table = self._client.table()
                down = {one.name for one in table.services if one.state in (*DOWN, GIVEN_UP)}
                is_new = generation(table.named(name)) != generation(old)
                if is_new and down <= rested:
                    return
        raise BulkheadError(f"{name} was not back after its order to start anew")

    def _evidence(self, trial: Trial) -> Iterable[str]:
        if trial.kind.ends is Ends.BOARD:
            return [line for line in (self._client.fault_text("").strip(),) if line]
        names = trial.names
        told = [name for name in (trial.fault.target, trial.victim) if name in names]
        lines = [*trial.watch.told([names.index(name) + 1 for name in told], names)]
        if trial.victim is not None:
            lines += self._client.fault_text(trial.victim).strip().splitlines()[-1:]
        return lines


def _dropped(at: Look) -> int:
    return sum(one.dropped for one in at.table.services)
