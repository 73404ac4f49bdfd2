"""Stepper motors: one behind a driver with step and direction, one with four coils."""

from typing import TYPE_CHECKING

from bulkhead_host.emulator.pins import Edge

if TYPE_CHECKING:
    from bulkhead_host.desk.desk import Desk

# Where a rotor of four coils stands, in half steps, by which of A, B, C and D have current.
_PLACES = {0b0001: 0, 0b0011: 1, 0b0010: 2, 0b0110: 3, 0b0100: 4, 0b1100: 5, 0b1000: 6, 0b1001: 7}
_PULLED_MAX = 2  # half steps: the rotor is pulled no further
_CYCLES_IN_US = 125


class Stepper:
    """A motor behind an A4988 or alike: a rising edge of `step` is a step.

    `position` counts steps, forward where `direction` is high. With `enable` it moves while that
    is low only. `missed` are steps that came sooner than `least_us` after the one before.
    """

    def __init__(
        self,
        desk: "Desk",
        *,
        step: int,
        direction: int,
        enable: int | None = None,
        least_us: float = 0,
    ) -> None:
        self.position = self.missed = 0
        self._direction = desk.pin(direction)
        self._enable = None if enable is None else desk.pin(enable)
        self._least_us = least_us
        self._last_cycle = -1_000_000_000
        desk.pin(step).on_edge(lambda edge: desk.guarded(self._stepped, edge))

    def _stepped(self, edge: Edge) -> None:
        if not edge.level or (self._enable is not None and self._enable.level):
            return
        is_late_enough = edge.cycle - self._last_cycle >= self._least_us * _CYCLES_IN_US
        self._last_cycle = edge.cycle
        if is_late_enough:
            self.position += 1 if self._direction.level else -1
        else:
            self.missed += 1


class CoilStepper:
    """A 28BYJ-48 or alike behind four transistors. `position` counts half steps.

    A change of the coils by more than two half steps turns the rotor nowhere, and is `missed`.
    """

    def __init__(self, desk: "Desk", *, coils: tuple[int, int, int, int]) -> None:
        self.position = self.missed = 0
        self._coils = [desk.pin(number) for number in coils]
        self._place = 0
        for pin in self._coils:
            pin.on_edge(lambda _edge: desk.guarded(self._changed))

    def _changed(self) -> None:
        word = sum(pin.level << index for index, pin in enumerate(self._coils))
        place = _PLACES.get(word)
        if place is None:  # no coil, or coils against each other: the rotor stays
            return
        moved = (place - self._place + 4) % 8 - 4
        if abs(moved) > _PULLED_MAX:
            self.missed += 1
            return
        self.position += moved
        self._place = place
