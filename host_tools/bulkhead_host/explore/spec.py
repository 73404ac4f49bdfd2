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

    @property
    def verbs(self) -> tuple[str, ...]:
        """Return what the service may do, verb by verb."""
        return tuple(self.does.split())


@dataclass(frozen=True)
class World:
    """Some services, what may happen around them, and the kernel's constants that are narrower.

    `events` names what `events.EVENTS` knows. `constants` gives kernel constants other values, by
    module and name, so that a counter wraps within reach: `{"layout.GENERATION_MASK": 3}`.
    """

    services: tuple[Service, ...]
    events: frozenset[str] = frozenset()
    guest: bool = False
    constants: Mapping[str, int] = field(default_factory=dict)


def world(
    *services: Service,
    events: str = "",
    guest: bool = False,
    constants: Mapping[str, int] | None = None,
) -> World:
    """Return a world; `events` are words with blanks between."""
    return World(services, frozenset(events.split()), guest, constants or {})
