"""The results as a table for people and as JSON for programs."""

import json
from collections.abc import Sequence

from bulkhead_host.bench.figures import PEER, Result

_HEAD = ("figure", "value", "unit", "target", "holds", "goal", "reached", PEER)
_TEXT_COLUMNS = frozenset({"figure", "unit", "holds", "reached"})
_DECIMALS = {"bytes": 0, "lines": 0, "us": 1}
_DECIMALS_ELSE = 2


def table(results: Sequence[Result]) -> str:
    """Return one line a figure, aligned, and below it why figures are missing.

    `holds` says whether the value is at most the target, `reached` whether at most the goal.
    """
    rows = [_HEAD, *(_cells(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    failures = dict.fromkeys(result.failure for result in results if result.failure)
    return "\n".join([*lines, *(f"failed: {failure}" for failure in failures)])


def to_json(results: Sequence[Result]) -> str:
    """Return a list of objects: name, value, unit and, where they apply, the rest.

    `target` is what the value should be at most; `limit`, the same number, is what makes the run
    fail above it; `goal` is the project's in the end; `peer` has another scheduler's name and its
    value for the same work. A figure that could not be measured has the value null, and `failure`
    says why.
    """
    return json.dumps([_object(result) for result in results], indent=1) + "\n"


def _object(result: Result) -> dict[str, object]:
    figure = result.figure
    found: dict[str, object] = {
        "name": figure.name,
        "value": None if result.value is None else round(result.value, 3),
        "unit": figure.unit,
    }
    if figure.target is not None:
        found |= {"target": figure.target, "limit": figure.target}
    if figure.goal is not None:
        found["goal"] = figure.goal
    if result.peer is not None:
        found["peer"] = {"name": PEER, "value": round(result.peer, 3)}
    if result.failure:
        found["failure"] = result.failure
    return found


def _cells(result: Result) -> tuple[str, ...]:
    figure = result.figure
    return (
        figure.name,
        "failed" if result.value is None else _number(result.value, figure.unit),
        figure.unit,
        *_bound(figure.target, result.holds),
        *_bound(figure.goal, result.reaches_goal),
        "" if result.peer is None else _number(result.peer, figure.unit),
    )


def _bound(bound: float | None, is_kept: bool) -> tuple[str, str]:
    return ("", "") if bound is None else (f"{bound:g}", "yes" if is_kept else "NO")


def _number(value: float, unit: str) -> str:
    decimals = _DECIMALS.get(unit, _DECIMALS_ELSE)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # never -0.00


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if name in _TEXT_COLUMNS else cell.rjust(width)
        for name, cell, width in zip(_HEAD, row, widths, strict=True)
    ]
