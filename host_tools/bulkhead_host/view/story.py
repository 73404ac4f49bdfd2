"""A recording as a person reads it: operations by their names, waits, log lines and counters.

The timeline has numbers where the services have words, and it has who looked: the console that
answered, and the supervisor that it asked. Here a step is `soil.READ -> adc.MILLIVOLTS`: what was
being served, and what it called. What the observer did is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bulkhead_host import abi
from bulkhead_host.link.recording import Recording
from bulkhead_host.link.services import Table
from bulkhead_host.link.trace import Trace, name_of
from bulkhead_host.view.timeline import Arrow, Instant, Slice, Timeline, timeline

Operations = Mapping[str, Mapping[int, str]]
"""The names of each service's operations by their numbers."""

OBSERVERS = ("console", "supervisor")
"""Who answers the questions that make a recording, and whom it asks."""

_RECEIVES = ("recv", "reply_recv", "attend")


@dataclass(frozen=True, kw_only=True)
class Count:
    """A figure at one moment."""

    name: str
    time_us: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Story:
    """What to show. `waits` lie between the slices of their task; `priorities` are by task.

    `left_out` counts the slices that were the observer's.
    """

    shown: Timeline
    waits: Sequence[Slice] = ()
    lines: Sequence[Instant] = ()
    counts: Sequence[Count] = ()
    priorities: Mapping[int, int]
    left_out: int = 0


def story(
    found: Recording, *, operations: Operations | None = None, has_observer: bool = False
) -> Story:
    """Return what a recording tells; with `has_observer` the questions and their answers too."""
    shown = timeline(found.trace)
    words = operations or {}
    told = _told(shown, found.trace, words)
    before = len(told.slices)
    if not has_observer:
        told = _without_observer(told)
    table = found.tables[-1] if found.tables else None
    return Story(
        shown=told,
        waits=_waits(told),
        lines=_lines(found),
        counts=_counts(found, told),
        priorities={
            number: service.priority
            for number, service in enumerate(table.services if table else (), 1)
        },
        left_out=before - len(told.slices),
    )


def told_lines(told: Story) -> list[str]:
    """Return a line for each step and event: milliseconds since the first, who, what, how often.

    A step stands where it ended. What the observer did is counted in a last line.
    """
    happened = [
        (one.time_us, one.task, f"fault {one.name}" if one.name in abi.FAULT_NAMES else one.name)
        for one in told.shown.instants
    ]
    for step in told.shown.slices:
        if step.piece == step.pieces:
            again = f", {step.repeats + 1} times" if step.repeats else ""
            happened.append((step.end_us, step.task, step.name + again))
    lines = [
        f"{time_us / 1000:9.3f} ms  {name_of(task, told.shown.names)}: {words}"
        for time_us, task, words in sorted(happened)
    ]
    if told.left_out:
        lines.append(f"{told.left_out} steps that answered the tool are left out")
    return lines


# Names


def _told(shown: Timeline, trace: Trace, operations: Operations) -> Timeline:
    """Return a timeline whose slices are named by the operations that they serve and call."""
    called = {id(arrow.call): arrow.reply.task for arrow in shown.arrows}
    serving = _serving(shown, operations)
    renamed: dict[int, Slice] = {}
    slices = []
    for one in shown.slices:
        served = serving.get(id(one), "")
        words = _words(one, called.get(id(one)), served, trace, operations)
        renamed[id(one)] = replace(one, name=words)
        slices.append(renamed[id(one)])
    arrows = [
        Arrow(call=renamed[id(one.call)], reply=renamed[id(one.reply)]) for one in shown.arrows
    ]
    return replace(shown, slices=slices, arrows=arrows)


def _serving(shown: Timeline, operations: Operations) -> dict[int, str]:
    """Return what each slice of a server is for: it began after the call, and ends by the reply.

    Where several calls wait, a server is taken to answer in the order of its replies.
    """
    found: dict[int, str] = {}
    for arrow in sorted(shown.arrows, key=lambda one: one.reply.end_us):
        server = name_of(arrow.reply.task, shown.names)
        words = f"{server}.{_operation(server, arrow.call, operations)}"
        for one in shown.slices:
            is_between = arrow.call.end_us <= one.start_us and one.end_us <= arrow.reply.end_us
            if one.task == arrow.reply.task and is_between:
                found.setdefault(id(one), words)
    return found


def _words(
    one: Slice, server: int | None, served: str, trace: Trace, operations: Operations
) -> str:
    kind, _, operand = one.name.partition(" ")
    if kind == "inspect" and operand.isdecimal():
        return f"inspect {name_of(int(operand), trace.names)}"
    if kind == "call":
        number = server or _only_server(one, trace, operations)
        target = name_of(number, trace.names) if number else ""
        operation = _operation(target, one, operations)
        words = f"{target}.{operation}" if target else one.name
        return f"{served or name_of(one.task, trace.names)} -> {words}"
    return f"{served}: {one.name}" if served else one.name


def _operation(server: str, call: Slice, operations: Operations) -> str:
    """Return the name of what a slice calls, its number where there is none."""
    number = call.operation or 0
    return operations.get(server, {}).get(number, str(number))


def _only_server(one: Slice, trace: Trace, operations: Operations) -> int | None:
    """Return whom a call that was not seen answered can have been to, where that is one only."""
    name = name_of(one.task, trace.names)
    allowed = {
        capability.task
        for capability in trace.capabilities.get(name, ())
        if capability.task and capability.rights & abi.MAY_CALL
    }
    offering = [
        task
        for task in allowed
        if (one.operation or 0) in operations.get(name_of(task, trace.names), {})
    ]
    candidates = offering or list(allowed)
    return candidates[0] if len(candidates) == 1 else None


# The observer


def _without_observer(shown: Timeline) -> Timeline:
    """Return a timeline without what answered the questions that made it.

    Of the console that is each turn, from one wait for messages to the next, in which it asked the
    supervisor, or wrote and asked nobody, and the interrupts of its line; of others their turns
    that answered it there.
    """
    console, supervisor = (
        shown.names.index(name) + 1 if name in shown.names else 0 for name in OBSERVERS
    )
    if not console or not supervisor:
        return shown
    gone: set[int] = set()
    answers = {id(arrow.call): arrow.reply for arrow in shown.arrows}
    for turn in _turns(one for one in shown.slices if one.task == console):
        asked = [answers[id(one)] for one in turn if id(one) in answers]
        if _only_writes(turn) or any(one.task == supervisor for one in asked):
            gone |= {id(one) for one in (*turn, *asked)}
    for task in {one.task for one in shown.slices} - {console}:
        for turn in _turns(one for one in shown.slices if one.task == task):
            if any(id(one) in gone for one in turn):
                gone |= {id(one) for one in turn}
    return replace(
        shown,
        slices=[one for one in shown.slices if id(one) not in gone],
        arrows=[
            one for one in shown.arrows if id(one.call) not in gone and id(one.reply) not in gone
        ],
        instants=[
            one
            for one in shown.instants
            if one.task != console or not one.name.startswith("interrupt")
        ],
    )


def _turns(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Return the slices of one task from each wait for messages to the next."""
    turns: list[list[Slice]] = [[]]
    for one in slices:
        turns[-1].append(one)
        if any(f" {word}" in f" {one.name}" for word in _RECEIVES):
            turns.append([])
    return turns


def _only_writes(turn: Sequence[Slice]) -> bool:
    """Tell whether the console only took and gave bytes of the line: it called nobody."""
    return not any("->" in one.name for one in turn)


# What is beside the steps


def _waits(shown: Timeline) -> list[Slice]:
    """Return where a task stood still: for an answer, or while others ran on top of its step."""
    found = []
    by_task: dict[int, list[Slice]] = {}
    for one in shown.slices:
        by_task.setdefault(one.task, []).append(one)
    for slices in by_task.values():
        slices.sort(key=lambda one: one.start_us)
        for one, following in pairwise(slices):
            words = _why_not_on(one)
            if words and following.start_us > one.end_us:
                found.append(
                    Slice(
                        task=one.task,
                        name=words,
                        start_us=one.end_us,
                        end_us=following.start_us,
                    )
                )
    return found


def _why_not_on(one: Slice) -> str:
    if one.piece < one.pieces:
        return "preempted"
    _, arrow, target = one.name.partition(" -> ")
    return f"waits for {target}" if arrow else ""


def _lines(found: Recording) -> list[Instant]:
    names = {name: number for number, name in enumerate(found.trace.names, 1)}
    placed = [(line, found.since_first_us(line.uptime_ms)) for line in found.lines]
    return [
        Instant(task=names.get(line.service, 0), name=f"{line.level} {line.text}", time_us=time_us)
        for line, time_us in placed
        if time_us is not None
    ]


def _counts(found: Recording, shown: Timeline) -> list[Count]:
    """Return the clients of each server as calls and replies tell, and figures of the tables."""
    counts = []
    changes = [(one.call.end_us, one.reply.task, 1) for one in shown.arrows]
    changes += [(one.reply.end_us, one.reply.task, -1) for one in shown.arrows]
    waiting: dict[int, int] = {}
    for time_us, server, change in sorted(changes):
        waiting[server] = waiting.get(server, 0) + change
        name = f"clients of {name_of(server, shown.names)}"
        counts.append(Count(name=name, time_us=time_us, value=waiting[server]))
    for table in found.tables:
        at_us = found.since_first_us(table.uptime_ms)
        if at_us is not None:
            counts += _figures(table, at_us)
    used = {one.name for one in counts if one.value}
    return [one for one in counts if one.name in used]


def _figures(table: Table, time_us: int) -> list[Count]:
    counts = []
    for service in table.services:
        counts += [
            Count(name=f"queue of {service.name}", time_us=time_us, value=service.queue),
            Count(
                name=f"heap of {service.name}, bytes", time_us=time_us, value=service.memory_bytes
            ),
        ]
        if service.state == "attending":  # a hard driver's steps are in no trace
            name = f"hard interrupts of {service.name}"
            counts.append(Count(name=name, time_us=time_us, value=service.steps))
    return counts
