"""The invariants, held against a fault's trial once the board has come to rest."""

from collections.abc import Iterator

from bulkhead_host.campaign.kinds import Ends
from bulkhead_host.campaign.trial import DOWN, Look, Trial, generation
from bulkhead_host.link.services import Table

OVERDUE_MS = 1_200
"""A call ends within 1 s where its caller sets no timeout of its own."""

_APART = 4
"""Messages that may come between the readings of two counters."""

_BLOCKED = ("calling", "served", "sending")


def violations(trial: Trial, after: Look, *, heap_free_first: int) -> Iterator[str]:
    """Yield what does not hold, in words; `heap_free_first` is what memory is compared with."""
    before = trial.before.table
    if trial.kind.ends is Ends.BOARD:
        yield from _started_again(trial, after.table)
    elif after.table.uptime_ms < before.uptime_ms:
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
    if trial.kind.words and (trial.victim is not None or trial.kind.ends is Ends.BOARD):
        text = trial.bench.client.fault_text(trial.victim or "")
        if trial.kind.words not in text:
            who = trial.victim or "the board"
            yield f"the last words of {who} do not say {trial.kind.words!r}"


def _started_again(trial: Trial, after: Table) -> Iterator[str]:
    for now in after.services:
        if trial.invariants.others_untouched and now.restarts:
            yield f"{now.name} was started again, {now.fault}"


def _generations(trial: Trial, after: Table) -> Iterator[str]:
    kind = trial.kind
    for old in trial.before.table.services:
        now = after.named(old.name)
        times = generation(now) - old.generation
        if old.name == trial.victim:
            if now is None or now.state in DOWN:
                yield f"{old.name} is down again"
            elif times != kind.starts:
                yield f"{old.name} was started {times} times, not {kind.starts}"
            elif now.fault not in kind.faults:
                yield f"{old.name} took {now.fault} for it, not {' or '.join(kind.faults)}"
        elif trial.invariants.others_untouched and times:
            fault = now.fault if now is not None else "gone"
            yield f"{old.name} was touched: generation +{times}, {fault}"


def _overdue(trial: Trial, table: Table) -> Iterator[str]:
    """Look again at who waits for an answer; who still does then waits for ever."""
    waiting = {one.name: one.steps for one in table.services if one.state in _BLOCKED}
    if not waiting or waiting.keys() == {"console"}:  # which asks for this very table
        return
    trial.bench.client.listen(OVERDUE_MS / 1000)
    for now in trial.bench.client.table().services:
        if now.state in _BLOCKED and waiting.get(now.name) == now.steps:
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
