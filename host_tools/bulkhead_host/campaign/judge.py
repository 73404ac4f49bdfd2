"""One fault on a board, judged by the campaign's invariants."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from bulkhead_host.campaign.plan import WITHOUT_RESTART, Campaign, Planned
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import Service, Table

_LOOK_S = 0.02
_DOWN = ("dormant", "faulted", "held", "degraded")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one fault. `violations` are the invariants that did not hold, in words.

    `recovery_ms` is the board's time from the order until the target ran again, to some 20 ms;
    None when it did not, or was not to be restarted. `fault` is the kind of fault it took.
    """

    index: int
    kind: str
    target: str
    recovery_ms: int | None
    fault: str | None
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every invariant held."""
        return not self.violations


def judge(client: Client, campaign: Campaign, fault: Planned) -> Result:
    """Inject a fault after its pause, wait, and judge.

    Raises nothing: that the board does not answer, or has no such target, is a violation.
    """
    try:
        return _judged(client, campaign, fault)
    except BulkheadError as error:
        return _result(fault, violations=[error.cause])


def _judged(client: Client, campaign: Campaign, fault: Planned) -> Result:
    client.listen(fault.pause_ms / 1000)
    before = client.table()
    if before.named(fault.target) is None:
        return _result(fault, violations=[f"the board has no service {fault.target}"])
    with suppress(DeviceTimeout):  # the target may be what answers: its generation tells
        client.inject(fault.target, fault.kind)
    after = before
    wants_restart = fault.kind not in WITHOUT_RESTART
    recovery_ms = None
    if wants_restart:
        recovery_ms, after = _await_recovery(client, campaign, fault, before)
    if recovery_ms is not None or not wants_restart:
        client.listen(campaign.invariants.quiet_ms / 1000)
        after = client.table()
    violations = list(_violations(campaign, fault, before, after))
    now = after.named(fault.target)
    kind = now.fault if now is not None and wants_restart else None
    return _result(fault, recovery_ms=recovery_ms, kind=kind, violations=violations)


def _await_recovery(
    client: Client, campaign: Campaign, fault: Planned, before: Table
) -> tuple[int | None, Table]:
    """Return how long it took the target to run again, None if it did not, and the last table."""
    while True:
        table = client.table()
        passed_ms = table.uptime_ms - before.uptime_ms
        now = table.named(fault.target)
        if passed_ms < 0 or now is None:
            return None, table
        if _generation(now) != _generation(before.named(fault.target)) and now.state not in _DOWN:
            return passed_ms, table
        if passed_ms > campaign.invariants.recovered_within_ms:
            return None, table
        client.listen(_LOOK_S)


def _violations(campaign: Campaign, fault: Planned, before: Table, after: Table) -> Iterable[str]:
    if after.uptime_ms < before.uptime_ms:
        yield "the board was reset"
        return
    restarts = fault.kind not in WITHOUT_RESTART
    for old in before.services:
        now = after.named(old.name)
        if old.name == fault.target:
            times = _generation(now) - old.generation
            if now is None or now.state in _DOWN or times < restarts:
                within = campaign.invariants.recovered_within_ms
                yield f"{old.name} was not back within {within} ms"
            elif times > restarts:
                yield f"{old.name} was started {times} times"
        elif campaign.invariants.others_untouched and _generation(now) != old.generation:
            yield f"{old.name} was touched: generation {old.generation} -> {_generation(now)}"


def _generation(service: Service | None) -> int:
    return service.generation if service is not None else 0


def _result(
    fault: Planned,
    *,
    violations: Iterable[str],
    recovery_ms: int | None = None,
    kind: str | None = None,
) -> Result:
    return Result(
        index=fault.index,
        kind=fault.kind,
        target=fault.target,
        recovery_ms=recovery_ms,
        fault=kind,
        violations=tuple(violations),
    )
