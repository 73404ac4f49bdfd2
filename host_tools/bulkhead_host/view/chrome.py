"""A timeline as Chrome trace events, the JSON that Perfetto and chrome://tracing open.

Format: "Trace Event Format", catapult project. One track (thread) per service, complete events
(`X`) for slices, a flow (`s`, `f`) from each call to its reply, instants (`i`) for the rest.
"""

from typing import Any

from bulkhead_host.link.trace import name_of
from bulkhead_host.view.timeline import Arrow, Instant, Slice, Timeline

_PROCESS = 1

Event = dict[str, Any]


def chrome_trace(shown: Timeline, *, title: str) -> dict[str, Any]:
    """Return the whole document; `title` names the board. Times are microseconds."""
    events = [_metadata("process_name", 0, {"name": title})]
    for task in range(len(shown.names) + 1):
        events.append(_metadata("thread_name", task, {"name": name_of(task, shown.names)}))
        events.append(_metadata("thread_sort_index", task, {"sort_index": task}))
    events += [_slice(one) for one in shown.slices]
    events += [_instant(one) for one in shown.instants]
    for number, arrow in enumerate(shown.arrows, 1):
        events += _flow(number, arrow)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _event(phase: str, name: str, task: int, **more: Any) -> Event:
    return {"ph": phase, "name": name, "pid": _PROCESS, "tid": task, **more}


def _metadata(name: str, task: int, arguments: dict[str, Any]) -> Event:
    return _event("M", name, task, args=arguments)


def _slice(one: Slice) -> Event:
    arguments: dict[str, Any] = {}
    if one.pieces > 1:
        arguments["piece"] = f"{one.piece} of {one.pieces}"
    if one.repeats:
        arguments["steps"] = one.repeats + 1
    duration = one.end_us - one.start_us
    return _event(
        "X", one.name, one.task, ts=one.start_us, dur=duration, cat="step", args=arguments
    )


def _instant(one: Instant) -> Event:
    return _event("i", one.name, one.task, ts=one.time_us, s="t", cat="event")


def _flow(number: int, arrow: Arrow) -> list[Event]:
    """Return both ends of an arrow; each is bound to the slice that it lies in."""
    name = arrow.call.name
    start = _event("s", name, arrow.call.task, ts=arrow.call.start_us, id=number, cat="call")
    end = _event("f", name, arrow.reply.task, ts=arrow.reply.start_us, id=number, cat="call")
    return [start, {**end, "bp": "e"}]
