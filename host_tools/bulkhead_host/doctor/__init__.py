"""What `bulkhead doctor` looks at, and how a finding is told."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding.

    `mend` are the lines each of which puts it right, commands where there are any. Where
    `is_needed` is false things work without it, less well or in part.
    """

    name: str
    is_ok: bool
    detail: str
    mend: tuple[str, ...] = ()
    is_needed: bool = True

    @property
    def word(self) -> str:
        """The finding in one word."""
        if self.is_ok:
            return "ok"
        return "missing" if self.is_needed else "note"
