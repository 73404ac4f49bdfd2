"""What a check finds: one place in one file, and what is wrong there."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong: where, and what to do about it.

    `line` counts from 1; 0 stands for the file as a whole. A warning is legal and likely not
    what was meant. A mistake will not do what its line says, and what is built is built with it:
    a service that fails harms itself alone.
    """

    path: Path
    line: int = 0
    text: str = ""
    next_step: str = ""
    is_warning: bool = False
    is_mistake: bool = False

    def __str__(self) -> str:
        place = f"{self.path.as_posix()}:{self.line}" if self.line else self.path.as_posix()
        return f"{place}: {self.text}"

    def from_here(self) -> "Problem":
        """Return the problem with its path from the working folder, where that is above it."""
        path, here = self.path.absolute(), Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else self.path
        return Problem(
            path=shown,
            line=self.line,
            text=self.text,
            next_step=self.next_step,
            is_warning=self.is_warning,
            is_mistake=self.is_mistake,
        )


@dataclass(kw_only=True)
class Report:
    """All that a check finds, in the order found, each thing once."""

    problems: list[Problem] = field(default_factory=list)

    def add(  # noqa: PLR0913
        self,
        path: Path,
        line: int,
        text: str,
        next_step: str = "",
        *,
        is_warning: bool = False,
        is_mistake: bool = False,
    ) -> None:
        """Note a problem, unless it is noted already."""
        problem = Problem(
            path=path,
            line=line,
            text=text,
            next_step=next_step,
            is_warning=is_warning,
            is_mistake=is_mistake,
        )
        if problem not in self.problems:
            self.problems.append(problem)

    @property
    def errors(self) -> list[Problem]:
        """The problems that nothing can be built with."""
        return [one for one in self.problems if not (one.is_warning or one.is_mistake)]
