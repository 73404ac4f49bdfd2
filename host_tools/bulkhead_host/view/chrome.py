"""A story as Chrome trace events, the JSON that Perfetto and chrome://tracing open.

Format: "Trace Event Format", catapult project. One track (thread) per service, by priority,
complete events (`X`) for slices and waits, a flow (`s`, `f`) from each call to its reply, instants
(`i`) for the rest and for lines of the log, counters (`C`) for queues, clients and heap.
"""

from typing import Any

from bulkhead_host.link.trace import name_of
from bulkhead_host.view.story import Count, Story
from bulkhead_host.view.timeline import Arrow, Instant, Slice

_PROCESS = 1
_LAST = 256  # behind all priorities and tasks

Event = dict[str, Any]


def chrome_trace(told: Story, *, title: str) -> dict[str, Any]:
    """Return the whole document; `title` names the board. Times are microseconds."""
    shown = told.shown
    events = [_metadata("process_name", 0, {"name": title})]
    for task in range(len(shown.names) + 1):
        name, priority = name_of(task, shown.names), told.priorities.get(task)
        words = name if priority is None else f"{name}, priority {priority}"
        order = task if priority is None else _LAST * (1 + priority) + task
        events.append(_metadata("thread_name", task, {"name": words}))
        events.append(_metadata("thread_sort_index", task, {"sort_index": order}))
    events += [_slice(one, "step") for one in shown.slices]
    events += [_slice(one, "wait") for one in told.waits]
    events += [_instant(one, "event") for one in shown.instants]
    events += [_instant(one, "log") for one in told.lines]
    events += [_count(one) for one in told.counts]
    for number, arrow in enumerate(shown.arrows, 1):
        events += _flow(number, arrow)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _event(phase: str, name: str, task: int, **more: Any) -> Event:
    return {"ph": phase, "name": name, "pid": _PROCESS, "tid": task, **more}


def _metadata(name: str, task: int, arguments: dict[str, Any]) -> Event:
    return _event("M", name, task, args=arguments)


def _slice(one: Slice, category: str) -> Event:
    arguments: dict[str, Any] = {}
    if one.pieces > 1:
        arguments["piece"] = f"{one.piece} of {one.pieces}"
    if one.repeats:
        arguments["steps"] = one.repeats + 1
    duration = one.end_us - one.start_us
    return _event(
        "X", one.name, one.task, ts=one.start_us, dur=duration, cat=category, args=arguments
    )


def _instant(one: Instant, category: str) -> Event:
    return _event("i", one.name, one.task, ts=one.time_us, s="t", cat=category)


def _count(one: Count) -> Event:
    return _event("C", one.name, 0, ts=one.time_us, args={"value": one.value})


def _flow(number: int, arrow: Arrow) -> list[Event]:
    """Return both ends of an arrow; each is bound to the slice that it lies in."""
    name = arrow.call.name
    start = _event("s", name, arrow.call.task, ts=arrow.call.start_us, id=number, cat="call")
    end = _event("f", name, arrow.reply.task, ts=arrow.reply.start_us, id=number, cat="call")
    return [start, {**end, "bp": "e"}]
