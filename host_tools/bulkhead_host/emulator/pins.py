"""The board's pins as a desk sees them: levels, edges with their time, buttons and wires.

`rp2040py` knows the inside of each pad. This module adds the outside: what a wire, a button or
the pad's own driver makes of the level, which the pad's input then sees (on silicon a pad that
drives is also read, and interrupts, as the level it drives; `rp2040py` alone leaves that out).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rp2040py.gpio_pin import GPIOPinState

from bulkhead_host.emulator.chip import CYCLE_NS, Chip, ResetCause
from bulkhead_host.errors import UsageError

PIN_COUNT = 30
EDGES_MAX = 65536
"""Edges kept for each pin; older ones are forgotten."""

_EDGES = 0b1100  # edge low, edge high, in INTR (RP2040 datasheet 2.19.6.1)

EdgeListener = Callable[["Edge"], None]


@dataclass(frozen=True)
class Edge:
    """A change of a pin's level: the cycle it happened in (8 ns each) and the level since."""

    cycle: int
    level: int


@dataclass
class _Net:
    """Pins joined by wires, and what drives them from outside the chip."""

    pins: list["Pin"]
    external: int | None = None

    def resolve(self) -> int:
        """Return the level: a pad's driver wins over the outside, that over the pulls.

        Two pads that drive against each other read as 0.
        """
        states = [pin.pad_state for pin in self.pins]
        driven = [state for state in states if state in (GPIOPinState.LOW, GPIOPinState.HIGH)]
        if driven:
            return int(GPIOPinState.LOW not in driven)
        if self.external is not None:
            return self.external
        return int(GPIOPinState.INPUT_PULL_UP in states)


@dataclass(eq=False)
class Pin:
    """One GPIO. Get it from `EmulatedBoard.pin`."""

    number: int
    _chip: Chip
    _net: _Net = field(init=False, repr=False)
    _edges: deque[Edge] = field(init=False, repr=False)
    _listeners: list[EdgeListener] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._net = _Net([self])
        self._edges = deque(maxlen=EDGES_MAX)
        self._listeners = []
        self._level = 0
        self.is_deaf = False
        self._gpio: Any = self._chip.mcu.gpio[self.number]
        self._gpio.add_listener(self._on_pad)

    @property
    def level(self) -> int:
        """The level on the pin now, 0 or 1, whoever drives it."""
        return self._level

    @property
    def is_output(self) -> bool:
        """True while the firmware drives the pin."""
        return self.pad_state in (GPIOPinState.LOW, GPIOPinState.HIGH)

    @property
    def pad_state(self) -> GPIOPinState:
        """What the chip's own pad does: drive low or high, or listen with a pull."""
        state: GPIOPinState = self._gpio.value
        return state

    @property
    def edges(self) -> list[Edge]:
        """The level changes so far, oldest first, at most `EDGES_MAX`."""
        return list(self._edges)

    def clear_edges(self) -> None:
        """Forget the recorded edges."""
        self._edges.clear()

    def on_edge(self, listener: EdgeListener) -> Callable[[], None]:
        """Call `listener` inside the emulation at each edge; return a function that stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def drive(self, level: int) -> None:
        """Pull the pin to 0 or 1 from outside until `release`."""
        self._set_external(1 if level else 0)

    def release(self) -> None:
        """Stop driving the pin from outside; its pulls decide again."""
        self._set_external(None)

    def lose_edge(self) -> None:
        """Take back what edges have latched in the pad: interrupts that were due are lost."""
        self._gpio.update_irq_value(_EDGES)

    def drive_at(self, level: int | None, *, cycle: int) -> None:
        """Drive the pin to `level`, or release it for None, when the clock reaches `cycle`.

        The change happens between two instructions, at most one instruction after `cycle`, and
        is recorded as an edge at exactly `cycle`. A cycle in the past means at once.
        """
        delay_ns = max(0.0, cycle * CYCLE_NS - self._chip.nanos)
        self._chip.clock.create_alarm(lambda: self._set_external(level)).schedule(delay_ns)

    def press(self, *, ms: float = 50, level: int = 0) -> None:
        """Push a button that connects the pin to `level`, for `ms` of device time."""
        self.drive(level)
        self.drive_at(None, cycle=int((self._chip.nanos + ms * 1e6) / CYCLE_NS))

    def wire_to(self, other: "Pin") -> None:
        """Connect this pin to `other`, until the board is thrown away."""
        if other._net is self._net:
            return
        joined = other._net
        self._net.pins += joined.pins
        for pin in joined.pins:
            pin._net = self._net
        if self._net.external is None:
            self._net.external = joined.external
        self._settle()

    def _set_external(self, level: int | None) -> None:
        self._net.external = level
        self._settle()

    def _on_pad(self, _state: object, _before: object) -> None:
        self._settle()

    def _settle(self) -> None:
        level = self._net.resolve()
        for pin in self._net.pins:
            if level != pin._level:
                pin._change(level)

    def _change(self, level: int) -> None:
        self._level = level
        self._gpio.set_input_value(bool(level))
        if self.is_deaf:
            self.lose_edge()
        edge = Edge(int(self._chip.nanos / CYCLE_NS), level)
        self._edges.append(edge)
        for listener in list(self._listeners):
            listener(edge)


class PinBank:
    """All pins of a chip."""

    def __init__(self, chip: Chip) -> None:
        self._pins = [Pin(number, chip) for number in range(PIN_COUNT)]
        chip.on_reset.append(self._after_reset)

    def __getitem__(self, number: int) -> Pin:
        """Return a pin by its GPIO number."""
        if not 0 <= number < PIN_COUNT:
            raise UsageError(f"there is no pin GP{number}", f"use GP0 to GP{PIN_COUNT - 1}")
        return self._pins[number]

    def _after_reset(self, _cause: ResetCause) -> None:
        # A reset changes pads without telling their listeners.
        for pin in self._pins:
            pin._settle()


def pin_number(name: str) -> int:
    """Return the GPIO number of `GP15`, `gpio15` or `15`; raise UsageError for anything else."""
    digits = name.upper().removeprefix("GPIO").removeprefix("GP")
    if not digits.isdecimal() or int(digits) >= PIN_COUNT:
        raise UsageError(f"{name!r} is not a pin", f"use GP0 to GP{PIN_COUNT - 1}")
    return int(digits)
