"""What a command tells people on standard error, as much of it as they asked for.

Errors are always told. `--quiet` leaves out progress and notices; `--verbose` adds to an error
where in this program it arose, which is for a report of a bug.
"""

import sys
import traceback
from collections.abc import Callable
from enum import IntEnum


class Verbosity(IntEnum):
    """How much a person wants to be told."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_chosen = Verbosity.NORMAL


def choose(verbosity: Verbosity) -> None:
    """Take what the command line asks for."""
    global _chosen  # noqa: PLW0603  (one command line, one choice)
    _chosen = verbosity


def teller(what: str) -> Callable[[str], None]:
    """Return a function that tells a line, `what` in front of it; silent when quiet."""

    def tell(line: str) -> None:
        if _chosen > Verbosity.QUIET:
            print(f"{what}: {line}", file=sys.stderr, flush=True)

    return tell


def tell_origin() -> None:
    """Tell where the exception that is being handled arose, when verbose."""
    if _chosen >= Verbosity.VERBOSE:
        traceback.print_exc()
