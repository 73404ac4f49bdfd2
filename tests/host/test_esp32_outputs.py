"""The ESP32's outputs: a pad is latched by its hold, and let go in its safe state."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

LOW, HIGH, INPUT, INPUT_UP, INPUT_DOWN = range(5)


class Pin:
    """A pin as MicroPython's `machine_pin.c` sets it up: the pad follows unless it is held."""

    IN, OUT, PULL_DOWN, PULL_UP = 1, 3, 1, 2

    def __init__(self, number: int) -> None:
        self.number = number
        self.now: tuple[Any, ...] = ()
        self.pad: tuple[Any, ...] = ()
        self.is_held = False
        self.seen: list[tuple[Any, ...]] = []

    def init(
        self, mode: int | None = None, pull: int | None = -1, *, value: int = 0, hold: bool
    ) -> None:
        if mode is not None:
            self.now = (mode, value) if mode == self.OUT else (mode, pull)
        self.is_held = hold
        self.pad = self.now
        self.seen.append(self.pad)

    def set_up(self, *now: Any) -> None:
        """Do what a service, or what it has left behind, does to the pin."""
        self.now = now
        if not self.is_held:
            self.pad = now


SAFE = {
    LOW: (Pin.OUT, 0),
    HIGH: (Pin.OUT, 1),
    INPUT: (Pin.IN, None),
    INPUT_UP: (Pin.IN, Pin.PULL_UP),
    INPUT_DOWN: (Pin.IN, Pin.PULL_DOWN),
}


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Yield the module, with those pins."""
    machine = ModuleType("machine")
    setattr(machine, "Pin", Pin)  # noqa: B010
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.delitem(sys.modules, "port.esp32_outputs", raising=False)
    yield importlib.import_module("port.esp32_outputs")
    sys.modules.pop("port.esp32_outputs", None)


@pytest.mark.parametrize("state", SAFE)
def test_pad_is_safe_from_the_hold_on_and_as_it_is_let_go(outputs: ModuleType, state: int) -> None:
    pins = outputs.outputs((4, state))
    (pin, _), driven = pins[0], (Pin.OUT, int(state != HIGH))
    pin.set_up(*driven)
    outputs.hold(pins)
    pin.set_up(*driven)  # what a callback does that has outlived its service
    assert pin.pad == SAFE[state]
    outputs.hold(pins)
    pin.set_up(*driven)
    outputs.release(pins)
    assert pin.pad == SAFE[state]
    assert set(pin.seen) == {SAFE[state]}
    pin.set_up(*driven)
    assert pin.pad == driven


def test_service_without_outputs_has_none(outputs: ModuleType) -> None:
    assert outputs.outputs(()) is None
