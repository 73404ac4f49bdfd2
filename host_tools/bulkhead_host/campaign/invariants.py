"""The invariants, held against a fault's trial once the board has come to rest."""

from collections.abc import Iterator

from bulkhead_host.campaign.kinds import Ends
from bulkhead_host.campaign.trial import DOWN, Look, Trial, generation
from bulkhead_host.link.services import Service, Table
from bulkhead_host.system.supervision import fates

OVERDUE_MS = 1_200
"""A call ends within 1 s where its caller sets no timeout of its own."""

_APART = 4
"""Messages that may come between the readings of two counters."""

_BLOCKED = ("calling", "served", "sending")


def violations(trial: Trial, after: Look, *, heap_free_first: int) -> Iterator[str]:
    """Yield what does not hold, in words; `heap_free_first` is what memory is compared with."""
    if trial.kind.ends is Ends.BOARD:
        yield from _started_again(trial, after.table)
    elif trial.before.was_reset_by(after.table.uptime_ms, now_s=after.taken_s):
        if not trial.skipped:  # else by its manifest
            yield "the board was reset"
        return
    else:
        yield from _generations(trial, after.table)
    if trial.invariants.messages_accounted:
        yield from _overdue(trial, after.table)
        if trial.kind.ends is not Ends.BOARD:
            yield from _unaccounted(trial.before, after)
    lost = heap_free_first - after.heap_free
    if lost > trial.invariants.memory_lost_bytes:
        yield f"{lost} bytes of heap were not given back"
    if (
        trial.kind.words
        and not trial.skipped
        and (trial.victim is not None or trial.kind.ends is Ends.BOARD)
    ):
        text = trial.bench.client.fault_text(trial.victim or "")
        if trial.kind.words not in text:
            who = trial.victim or "the board"
            yield f"the last words of {who} do not say {trial.kind.words!r}"


def _started_again(trial: Trial, after: Table) -> Iterator[str]:
    for now in after.services:
        if trial.invariants.others_untouched and now.restarts:
            yield f"{now.name} was started again, {now.fault}"


def _generations(trial: Trial, after: Table) -> Iterator[str]:
    """See that the victim was started as it has to be, its group with it, and nobody else."""
    kind = trial.kind
    together = fates(trial.bench.application)
    mates = together.get(trial.victim or "", ())
    spilt = _spilt(trial, after)
    for old in trial.before.table.services:
        now = after.named(old.name)
        times = generation(now) - old.generation
        if old.name == trial.victim:
            yield from _victims(trial, now, times)
        elif old.name in mates and times <= kind.starts:
            if times == 0 and old.state not in DOWN and not trial.skipped:
                yield f"{old.name} was not started again with {trial.victim}, as its group says"
        elif times == 1 and spilt & {old.name, *together.get(old.name, ())}:
            continue
        elif trial.invariants.others_untouched and times:
            fault = now.fault if now is not None else "gone"
            yield f"{old.name} was touched: generation +{times}, {fault}"


def _spilt(trial: Trial, after: Table) -> set[str]:
    """Return who has failed for want of what the fault takes from all."""
    return {
        old.name
        for old in trial.before.table.services
        if (now := after.named(old.name)) is not None
        and now.generation > old.generation
        and trial.kind.spills
        and now.fault == trial.kind.spills
    }


def _victims(trial: Trial, now: Service | None, times: int) -> Iterator[str]:
    name, kind = trial.victim or "", trial.kind
    if trial.skipped:
        return
    if now is None or (now.state in DOWN and not trial.stays_down(name)):
        yield f"{name} is down again"
    elif times != kind.starts and not trial.stays_down(name):
        yield f"{name} was started {times} times, not {kind.starts}"
    elif now.fault not in kind.faults:
        yield f"{name} took {now.fault} for it, not {' or '.join(kind.faults)}"


def _overdue(trial: Trial, table: Table) -> Iterator[str]:
    """Look again at who waits for an answer; who still does then waits for ever.

    Who has set a deadline of its own that is still to come does not.
    """
    waiting = {one.name: one.steps for one in table.services if one.state in _BLOCKED}
    if not waiting or waiting.keys() == {"console"}:  # which asks for this very table
        return
    trial.bench.client.listen(OVERDUE_MS / 1000)
    for now in trial.bench.client.table().services:
        is_overdue = now.state in _BLOCKED and not now.wait_s
        if is_overdue and waiting.get(now.name) == now.steps:
            yield f"{now.name} waits for {now.waits_for} for ever: {now.state}"


def _unaccounted(before: Look, after: Look) -> Iterator[str]:
    """See that what went into a mailbox is there, was dropped and counted, or took a step."""
    for name, sent in after.sent.items():
        old, now = before.table.named(name), after.table.named(name)
        if old is None or now is None or old.generation != now.generation:
            continue  # whoever sent to the one that died was told so
        first = before.sent[name]
        messages = old.queue + sum(uses - first[one] for one, uses in sent.items() if one in first)
        known = now.dropped - old.dropped + now.queue + now.steps - old.steps
        if messages > known + _APART:
            yield f"{messages - known} of {messages} messages to {name} were lost silently"
