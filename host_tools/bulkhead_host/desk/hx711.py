"""Avia's HX711: a 24-bit converter for load cells. Data sheet, "Serial Interface"."""

from typing import TYPE_CHECKING

from bulkhead_host.emulator.pins import Edge

if TYPE_CHECKING:
    from bulkhead_host.desk.desk import Desk

_BITS = 24
_CONVERSION_MS = 100  # at 10 samples a second
_SETTLING_MS = 400  # after power-up
_GAIN_MS = 1  # for pulses that may follow the 25th
_DOWN_US = 60
_CYCLES_IN_US = 125


class Hx711:
    """The converter on two GPIOs, its data line and its clock.

    `raw` is what it measures, signed, 24 bits; `gain` what the board has chosen; `readings` counts
    the conversions that were read to the end.
    """

    def __init__(self, desk: "Desk", *, data: int, clock: int, raw: int = 0) -> None:
        self.raw = raw
        self.gain = 128
        self.readings = 0
        self._desk = desk
        self._data = desk.pin(data)
        self._pulses = 0
        self._shifted = 0
        self._is_ready = False
        self._rose_cycle = 0
        self._conversion = 0
        self._data.drive(1)
        desk.pin(clock).on_edge(lambda edge: desk.guarded(self._clocked, edge))
        self._convert(_SETTLING_MS)

    def _convert(self, ms: int) -> None:
        self._is_ready = False
        self._conversion += 1
        this = self._conversion
        self._desk.at(ms, lambda: self._ready() if this == self._conversion else None)

    def _ready(self) -> None:
        self._is_ready = True
        self._pulses = 0
        self._shifted = self.raw & 0xFFFFFF
        self._data.drive(0)

    def _clocked(self, edge: Edge) -> None:
        if not edge.level:
            self._fell(edge.cycle)
            return
        self._rose_cycle = edge.cycle
        if not self._is_ready:
            return
        self._pulses += 1
        if self._pulses <= _BITS:
            self._data.drive(self._shifted >> (_BITS - self._pulses) & 1)
        else:  # the 25th to 27th pulse say what the next conversion is of
            self._data.drive(1)
            self.gain = {25: 128, 26: 32, 27: 64}.get(self._pulses, self.gain)

    def _fell(self, cycle: int) -> None:
        if cycle - self._rose_cycle > _DOWN_US * _CYCLES_IN_US:
            self._data.drive(1)
            self._convert(_SETTLING_MS)  # the clock was high for long: it was powered down
        elif self._is_ready and self._pulses == _BITS + 1:
            self.readings += 1
            self._desk.at(_GAIN_MS, lambda: self._convert(_CONVERSION_MS))
