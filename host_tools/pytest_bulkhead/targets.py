"""Where tests run, and what each place can do."""

from collections.abc import Iterable
from dataclasses import dataclass

EMULATOR = "emu"
FARM = "farm"

FEATURES = frozenset({"emulator", "hardware", "pins"})
"""What a test may need: an emulated board, a real one, or pins that the test can move."""

_OF_THE_EMULATOR = frozenset({"emulator", "pins"})
_OF_A_PORT = frozenset({"hardware"})


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place to run tests: `name` is the one given to `--bulkhead-target`.

    `fixtures` are what boards of a farm have around them.
    """

    name: str
    fixtures: frozenset[str] = frozenset()

    @property
    def is_emulated(self) -> bool:
        """True for a board that the plugin emulates by itself."""
        return self.name == EMULATOR

    @property
    def is_farm(self) -> bool:
        """True for the boards of an inventory."""
        return self.name == FARM

    @property
    def features(self) -> frozenset[str]:
        """What it can do, of `FEATURES`."""
        return _OF_THE_EMULATOR if self.is_emulated else _OF_A_PORT | self.fixtures


def parse_targets(names: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets of the names given, each once; the emulator where none is."""
    return tuple(Target(name=name) for name in dict.fromkeys(names)) or (Target(name=EMULATOR),)
