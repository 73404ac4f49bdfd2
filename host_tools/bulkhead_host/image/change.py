"""A change that an image makes in MicroPython's sources."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Change:
    """A text of one source file that is replaced, wherever it stands; `times` is how often."""

    path: str
    before: str
    after: str
    times: int = 1
