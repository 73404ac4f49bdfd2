"""What a look at a board comes to: one row of the report."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a look ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One look at the board: of which part, at what, and what was seen.

    `value` is a figure in `unit`; `reference` is the emulated board's, where it has one.
    """

    part: str
    name: str
    verdict: Verdict
    detail: str = ""
    value: float | None = None
    unit: str = ""
    reference: float | None = None

    @property
    def differs_percent(self) -> float | None:
        """How much the figure differs from the emulated board's, in percent of that."""
        if self.value is None or not self.reference:
            return None
        return 100 * (self.value / self.reference - 1)

    @property
    def is_marked(self) -> bool:
        """True where a figure is further than `MARKED_PERCENT` from the emulated board's."""
        difference = self.differs_percent
        return difference is not None and abs(difference) > MARKED_PERCENT


MARKED_PERCENT = 10


def passed(part: str, name: str, detail: str = "") -> Row:
    """Return a row of what was as it should be."""
    return Row(part=part, name=name, verdict=Verdict.PASSED, detail=detail)


def failed(part: str, name: str, detail: str) -> Row:
    """Return a row of what was not."""
    return Row(part=part, name=name, verdict=Verdict.FAILED, detail=detail)


def skipped(part: str, name: str, detail: str) -> Row:
    """Return a row of what was not looked at, and why."""
    return Row(part=part, name=name, verdict=Verdict.SKIPPED, detail=detail)


def judged(part: str, name: str, is_good: bool, detail: str) -> Row:
    """Return a row by whether it was as it should be."""
    return passed(part, name, detail) if is_good else failed(part, name, detail)
