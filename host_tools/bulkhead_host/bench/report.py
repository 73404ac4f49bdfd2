"""The results as a table for people and as JSON for programs."""

import json
from collections.abc import Sequence

from bulkhead_host.bench.figures import PEER, Result
from bulkhead_host.bench.silicon import unreached

_HEAD = ("figure", "value", "unit", "target", "holds", "goal", "reached", PEER)
_TEXT_COLUMNS = frozenset({"figure", "unit", "holds", "reached"})
_DECIMALS = {"bytes": 0, "lines": 0, "us": 1}
_DECIMALS_ELSE = 2


def table(results: Sequence[Result], boards: Sequence[str] = ()) -> str:
    """Return one line a figure, aligned, and below it why figures are missing.

    `holds` says whether the value is at most the target, `reached` whether at most the goal.
    `boards` have a column each, and below the table a line with the goals not reached there.
    """
    head = (*_HEAD, *boards)
    rows = [head, *((*_cells(one), *_elsewhere(one, boards)) for one in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(_aligned(row, head, widths)).rstrip() for row in rows]
    for board in boards:
        missed = ", ".join(unreached(results, board)) or "none"
        lines.append(f"goals of the kind board's not reached on {board}: {missed}")
    failures = dict.fromkeys(result.failure for result in results if result.failure)
    return "\n".join([*lines, *(f"failed: {failure}" for failure in failures)])


def to_json(results: Sequence[Result]) -> str:
    """Return a list of objects: name, value, unit and, where they apply, the rest.

    `target` is what the value should be at most; `limit`, the same number, is what makes the run
    fail above it; `goal` is the project's in the end; `peer` has another scheduler's name and its
    value for the same work; `elsewhere` has the values on other boards. A figure that could not be
    measured has the value null, and `failure` says why.
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
    if result.elsewhere:
        found["elsewhere"] = {
            board: None if of is None else round(of, 3) for board, of in result.elsewhere.items()
        }
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


def _elsewhere(result: Result, boards: Sequence[str]) -> list[str]:
    """Return what a figure is elsewhere; nothing for one that was not to be measured there."""
    cells = []
    for board in boards:
        value = result.elsewhere.get(board)
        missing = "failed" if board in result.elsewhere else ""
        cells.append(missing if value is None else _number(value, result.figure.unit))
    return cells


def _bound(bound: float | None, is_kept: bool) -> tuple[str, str]:
    return ("", "") if bound is None else (f"{bound:g}", "yes" if is_kept else "NO")


def _number(value: float, unit: str) -> str:
    decimals = _DECIMALS.get(unit, _DECIMALS_ELSE)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # never -0.00


def _aligned(row: Sequence[str], head: Sequence[str], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if name in _TEXT_COLUMNS else cell.rjust(width)
        for name, cell, width in zip(head, row, widths, strict=True)
    ]
