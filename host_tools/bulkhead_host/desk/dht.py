"""Aosong's DHT22 (AM2302) and DHT11: temperature and humidity on one line of their own.

Data sheet "AM2302 Product Manual", chapter 7; that of the DHT11 has the same signals.
"""

from typing import TYPE_CHECKING

from bulkhead_host.emulator.pins import Edge

if TYPE_CHECKING:
    from bulkhead_host.desk.desk import Desk

_CYCLES_IN_US = 125
_BEFORE_US, _ANSWER_US, _LOW_US = 30, 80, 50
_ZERO_US, _ONE_US = 26, 70  # how long the line is high for each


class Dht22:
    """The sensor on a GPIO, with its resistor.

    `is_there` False unplugs it, `is_noisy` spoils its checksums; `readings` counts its answers.
    """

    start_us = 800  # the least time that the board pulls the line low for

    def __init__(
        self, desk: "Desk", *, pin: int, celsius: float = 22.0, humidity: float = 50.0
    ) -> None:
        self.celsius = celsius
        self.humidity = humidity
        self.is_there = True
        self.is_noisy = False
        self.readings = 0
        self._pin = desk.pin(pin)
        self._fell_cycle: int | None = None
        self._pin.drive(1)
        self._pin.on_edge(lambda edge: desk.guarded(self._on_edge, edge))

    def set(self, *, celsius: float | None = None, humidity: float | None = None) -> None:
        """Have other air around the sensor: degrees Celsius, percent of relative humidity."""
        self.celsius = self.celsius if celsius is None else celsius
        self.humidity = self.humidity if humidity is None else humidity

    def data(self) -> bytes:
        """Return humidity and temperature as the sensor says them: tenths, with a sign bit."""
        tenths = round(abs(self.celsius) * 10) | (0x8000 if self.celsius < 0 else 0)
        return round(self.humidity * 10).to_bytes(2, "big") + tenths.to_bytes(2, "big")

    def _on_edge(self, edge: Edge) -> None:
        if not edge.level:
            self._fell_cycle = edge.cycle if self._pin.is_output else None
            return
        begun, self._fell_cycle = self._fell_cycle, None
        if begun is None or not self.is_there:
            return
        if edge.cycle - begun >= self.start_us * _CYCLES_IN_US:
            self._answer(edge.cycle)

    def _answer(self, cycle: int) -> None:
        self.readings += 1
        data = self.data()
        data += bytes([sum(data) & 0xFF ^ self.is_noisy])
        highs = [_ANSWER_US]
        for byte in data:
            highs += [_ONE_US if byte >> shift & 1 else _ZERO_US for shift in range(7, -1, -1)]
        at_us = _BEFORE_US
        for low_us, high_us in zip([_ANSWER_US, *[_LOW_US] * 40], highs, strict=True):
            self._drive(cycle, at_us, 0)
            self._drive(cycle, at_us + low_us, 1)
            at_us += low_us + high_us
        self._drive(cycle, at_us, 0)
        self._drive(cycle, at_us + _LOW_US, 1)

    def _drive(self, cycle: int, after_us: int, level: int) -> None:
        self._pin.drive_at(level, cycle=cycle + after_us * _CYCLES_IN_US)


class Dht11(Dht22):
    """The smaller sensor: whole percents and degrees, none below zero."""

    start_us = 17_900  # the data sheet says 18 ms, which a timer may cut by a tick

    def data(self) -> bytes:
        """Return humidity and temperature as the sensor says them."""
        return bytes([round(self.humidity), 0, max(round(self.celsius), 0), 0])
