"""Figures: a name with a unit, what it should be at most, and what was measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """What became of a figure: a value, or the reason why there is none."""

    figure: Figure
    value: float | None = None
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
        goal = self.figure.goal
        return self.value is not None and (goal is None or self.value <= goal)


def result_of(figure: Figure, values: Values, failure: str) -> Result:
    """Return the result of `figure`; `failure` says why its value may be missing."""
    try:
        value = values[figure.name] if figure.derive is None else figure.derive(values)
    except KeyError as error:
        reason = failure or f"nothing printed {error.args[0]}"
        return Result(figure=figure, failure=reason)
    return Result(figure=figure, value=value, peer=values.get(figure.peer_name))
