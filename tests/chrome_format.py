"""A strict reader of the Chrome "Trace Event Format": what it does not accept is no trace."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "M": {"args": dict},
    "X": {"ts": (int, float), "dur": (int, float)},
    "i": {"ts": (int, float), "s": str},
    "C": {"ts": (int, float), "args": dict},
    "s": {"ts": (int, float), "id": int},
    "f": {"ts": (int, float), "id": int},
}


@dataclass
class Loaded:
    """A trace that was read: tracks by number, slices by track as (start, end, name)."""

    tracks: dict[int, str] = field(default_factory=dict)
    slices: dict[int, list[tuple[float, float, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    instants: list[tuple[str, str]] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def load(text: str) -> Loaded:
    """Read a trace.

    Fail on an event that is malformed, a slice that is not closed or lies across another of its
    track, and an arrow with one end or an end in no slice.
    """
    found = Loaded()
    flows: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    for event in json.loads(text)["traceEvents"]:
        phase = event["ph"]
        for name, kind in {"name": str, "pid": int, "tid": int, **_NEEDED[phase]}.items():
            assert isinstance(event[name], kind), event
        if phase == "M" and event["name"] == "thread_name":
            found.tracks[event["tid"]] = event["args"]["name"]
        elif phase == "X":
            assert event["dur"] >= 0, event
            end = event["ts"] + event["dur"]
            found.slices[event["tid"]].append((event["ts"], end, event["name"]))
        elif phase in "sf":
            assert phase not in flows[event["id"]], event
            flows[event["id"]][phase] = event
        elif phase == "C":
            (value,) = event["args"].values()
            found.counts[event["name"]].append(value)
    for event in json.loads(text)["traceEvents"]:
        if event["ph"] == "i":
            found.instants.append((found.tracks[event["tid"]], event["name"]))
    _check_tracks(found)
    found.arrows = [_arrow(found, ends) for ends in flows.values()]
    return found


def _check_tracks(found: Loaded) -> None:
    assert set(found.slices) <= set(found.tracks)
    for slices in found.slices.values():
        slices.sort()
        for before, after in pairwise(slices):
            assert before[1] <= after[0], (before, after)


def _arrow(found: Loaded, ends: dict[str, dict[str, Any]]) -> tuple[str, str]:
    assert set(ends) == {"s", "f"}, ends
    assert ends["s"]["ts"] <= ends["f"]["ts"], ends
    for end in ends.values():
        assert any(start <= end["ts"] <= stop for start, stop, _ in found.slices[end["tid"]]), end
    return found.tracks[ends["s"]["tid"]], found.tracks[ends["f"]["tid"]]
