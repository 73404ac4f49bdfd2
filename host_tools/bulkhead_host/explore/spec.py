"""What a small world is made of, as its author writes it down."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Every wait of a world is one or two units, so that few deadlines are ahead at any time.
UNIT_US = 1000
START_US = 1_000_000
BUDGET_US = 20_000


@dataclass(frozen=True)
class Service:
    """One row of a world: what the system's table says, and what the service may do.

    `uses` holds (target, rights by name with commas between); `does` names verbs of `choices`.
    """

    name: str
    priority: int = 3
    mailbox: tuple[int, int] | None = None
    uses: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()
    slots: int = 0
    does: str = ""
    hard: bool = False
    period: tuple[int, int] = (0, 0)  # ms, and the us of it that the service may take; 0 for none
    quota: int = 0  # bytes of heap; 0 for none
    rate: int = 1000  # most firings of its lines a second
    drives: bool = False  # outputs, which its end makes safe

    @property
    def verbs(self) -> tuple[str, ...]:
        """Return what the service may do, verb by verb."""
        return tuple(self.does.split())


@dataclass(frozen=True)
class World:
    """Some services, what may happen around them, and the kernel's constants that are narrower.

    `events` names what `events.events` knows. `constants` gives kernel constants other values, by
    module and name, so that a counter wraps within reach: `{"layout.GENERATION_MASK": 3}`. Such a
    counter is then named in `keeps`: it is part of the state, as are "rates" of lines.
    """

    services: tuple[Service, ...]
    events: frozenset[str] = frozenset()
    guest: bool = False
    constants: Mapping[str, int] = field(default_factory=dict)
    keeps: frozenset[str] = frozenset()
    start_us: int = START_US  # what the clock shows in each state: deadlines are beyond it


def world(
    *services: Service,
    events: str = "",
    guest: bool = False,
    constants: Mapping[str, int] | None = None,
    keeps: str = "",
    start_us: int = START_US,
) -> World:
    """Return a world; `events` and `keeps` are words with blanks between."""
    return World(
        *(services, frozenset(events.split()), guest, constants or {}),
        *(frozenset(keeps.split()), start_us),
    )
