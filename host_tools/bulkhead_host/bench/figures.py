"""Figures: a name with a unit, what it should be at most, and what was measured."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

PEER = "asyncio"
"""The scheduler that does the same work beside us; its figures carry its name and a `_` before."""

Values = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What is measured: less is better in every one.

    The run fails when a value is above `target`. `goal` is what the project wants in the end. A
    figure with `derive` is computed from the values of others; it raises KeyError when one of them
    is missing.
    """

    name: str
    unit: str
    target: float | None = None
    goal: float | None = None
    derive: Callable[[Values], float] | None = None

    @property
    def peer_name(self) -> str:
        """The name that the peer's program gives its value for the same work."""
        return f"{PEER}_{self.name}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a figure: a value, or the reason why there is none, here or elsewhere.

    `elsewhere` has what it is on another board than the kind one, by what that is called, or None
    where it could not be measured.
    """

    figure: Figure
    value: float | None = None
    elsewhere: Mapping[str, float | None] = field(default_factory=dict)
    peer: float | None = None
    failure: str = ""

    @property
    def holds(self) -> bool:
        """False when there is no value, or one above the target."""
        target = self.figure.target
        return self.value is not None and (target is None or self.value <= target)

    @property
    def reaches_goal(self) -> bool:
        """False when there is no value, or one above the goal."""
        return self._is_below_goal(self.value)

    def reaches_goal_on(self, board: str) -> bool:
        """Tell the same of one of `elsewhere`."""
        return self._is_below_goal(self.elsewhere.get(board))

    def _is_below_goal(self, value: float | None) -> bool:
        goal = self.figure.goal
        return value is not None and (goal is None or value <= goal)


def result_of(
    figure: Figure,
    values: Values,
    failure: str,
    others: Mapping[str, Values] = MappingProxyType({}),
) -> Result:
    """Return the result of `figure`; `failure` says why its value may be missing.

    `others` are the values on other boards.
    """
    try:
        value = _value_of(figure, values)
    except KeyError as error:
        reason = failure or f"nothing printed {error.args[0]}"
        return Result(figure=figure, failure=reason)
    elsewhere: dict[str, float | None] = dict.fromkeys(others)
    for board, found in others.items():
        with suppress(KeyError):
            elsewhere[board] = _value_of(figure, found)
    peer = values.get(figure.peer_name)
    why = failure if None in elsewhere.values() else ""
    return Result(figure=figure, value=value, elsewhere=elsewhere, peer=peer, failure=why)


def _value_of(figure: Figure, values: Values) -> float:
    return values[figure.name] if figure.derive is None else figure.derive(values)
