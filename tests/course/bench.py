"""A system in the simulator for one hand-in: the real kernel, the supervisor that ships, a log."""

import importlib.util
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from supervised import House

from bulkhead.terms import FAULT_NAMES

Main = Callable[[Any], Generator[int, int, None]]
# What a student cannot know of a fault whose text is the simulator's.
_KINDS = {"RETURNED": "its function has ended, and a service goes on for ever"}
LOGGED = 64  # records that the log has room for until it is read


class Wrong(AssertionError):
    """A hand-in does not do what its lab asks for."""


def expect(is_so: object, text: str) -> None:
    """Raise `Wrong` with what was seen, unless it is as it has to be."""
    if not is_so:
        raise Wrong(text)


class Bench:
    """Services around a hand-in. All times are milliseconds of the simulated clock."""

    def __init__(self, patch: pytest.MonkeyPatch, hand_in: Path) -> None:
        self.house = House(patch)
        self.names = ["supervisor", "console"]
        self.records: list[tuple[int, str, int, Any]] = []
        self.noted: list[Any] = []  # what the grader's own services saw
        self.hand_in = hand_in
        self.module = _load(hand_in)

    def log(self) -> None:
        """Add the service `log`, which keeps what is sent to it: when, who, operation, value."""

        def main(task: Any) -> Generator[int, int, None]:
            while True:
                operation = yield task.recv()
                sender = self.names[task.badge() - 1]
                self.records.append((self.now(), sender, operation, task.arg))

        self.add("log", main, priority=1, mailbox=(LOGGED, 1))

    def part(self, name: str) -> Main:
        """Return a function of the hand-in."""
        expect(hasattr(self.module, name), f"there is no {name}(task)")
        main: Main = getattr(self.module, name)
        return main

    def add(self, name: str, main: Main, **options: Any) -> None:
        """Add a service; options are those of `House.add`."""
        self.names.append(name)
        self.house.add(name, main, **options)

    def run(self, ms: int) -> None:
        """Let the system run."""
        self.house.run(ms)

    def now(self) -> int:
        """Return the time."""
        now: int = self.house.port.uptime_ms()
        return now

    def at(self, ms: int, function: Callable[[], None]) -> None:
        """Do something from outside, at a time after the start."""
        self.house.port.at(ms, function)

    def times(self, sender: str) -> list[int]:
        """Return when a service has sent something to `log`."""
        return [at for at, name, _, _ in self.records if name == sender]

    def expect_no_fault(self, name: str) -> None:
        """Raise `Wrong` when a service has failed, with its last words."""
        kind = FAULT_NAMES[self.house.rig.fault(name)]
        words = self.house.rig.words_of(name)
        lines = re.findall(rf'"{re.escape(str(self.hand_in))}", line (\d+)', words)
        told = _KINDS.get(kind) or words.strip().rpartition("\n")[2].removeprefix("killed: ")
        place = f", at line {lines[-1]}" if lines else ""
        expect(not self.house.rig.fault(name), f"{name} has failed: {told or kind}{place}")


def _load(hand_in: Path) -> ModuleType:
    """Return a hand-in as a module, loaded anew."""
    spec = importlib.util.spec_from_file_location("hand_in", hand_in)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    was_writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = was_writing
    return module
