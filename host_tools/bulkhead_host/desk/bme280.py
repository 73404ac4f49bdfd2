"""Bosch's BME280: temperature, pressure and humidity. Data sheet BST-BME280-DS002, version 1.6."""

import struct
from collections.abc import Callable

from bulkhead_host.desk.registers import Registers

CHIP_ID = 0x60
_ID, _RESET, _CALIBRATION, _HUMIDITY = 0xD0, 0xE0, 0x88, 0xE1
_DATA = 0xF7
_SOFT_RESET = 0xB6
# Trimming parameters as they are in the data sheet's own example, and such of a common chip.
_T = (27504, 26435, -1000)
_P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
_H1, _H2, _H3, _H4, _H5, _H6 = 75, 362, 0, 315, 50, 30


class Bme280(Registers):
    """The chip: 20 bits of temperature and pressure, 16 of humidity, by the inverse formulas."""

    def __init__(
        self,
        *,
        address: int = 0x76,
        celsius: float = 22.0,
        hectopascals: float = 1013.25,
        humidity: float = 50.0,
    ) -> None:
        super().__init__(address)
        self.celsius = celsius
        self.hectopascals = hectopascals
        self.humidity = humidity
        self._power_up()

    def set(
        self,
        *,
        celsius: float | None = None,
        hectopascals: float | None = None,
        humidity: float | None = None,
    ) -> None:
        """Have other air around the chip."""
        self.celsius = self.celsius if celsius is None else celsius
        self.hectopascals = self.hectopascals if hectopascals is None else hectopascals
        self.humidity = self.humidity if humidity is None else humidity

    def loaded(self, _first: int) -> None:
        """Measure."""
        raw_t = _inverse(lambda raw: fine(raw) / 5120, self.celsius, 20)
        t = fine(raw_t)
        # A higher pressure has a smaller raw value.
        raw_p = _inverse(lambda raw: -pressure(raw, t), -100 * self.hectopascals, 20)
        raw_h = _inverse(lambda raw: humidity(raw, t), self.humidity, 16)
        data = (raw_p << 4).to_bytes(3, "big") + (raw_t << 4).to_bytes(3, "big")
        self.registers[_DATA : _DATA + 8] = data + raw_h.to_bytes(2, "big")

    def stored(self, register: int, byte: int) -> None:
        """Begin anew where the board asks for it."""
        if register == _RESET and byte == _SOFT_RESET:
            self._power_up()

    def _power_up(self) -> None:
        self.registers[:] = bytes(256)
        self.registers[_ID] = CHIP_ID
        calibration = struct.pack("<Hhh", *_T) + struct.pack("<Hhhhhhhhh", *_P)
        self.registers[_CALIBRATION : _CALIBRATION + len(calibration)] = calibration
        self.registers[0xA1] = _H1
        # H4 and H5 have twelve bits each and share the byte at 0xE5 (table 16).
        halves = (_H4 >> 4, (_H4 & 15) | (_H5 & 15) << 4, _H5 >> 4)
        rest = struct.pack("<hB", _H2, _H3) + bytes(halves) + struct.pack("<b", _H6)
        self.registers[_HUMIDITY : _HUMIDITY + len(rest)] = rest


def fine(raw: int) -> float:
    """Return the data sheet's t_fine of a raw temperature; a 5120th of it are degrees (8.1)."""
    first = (raw / 16384 - _T[0] / 1024) * _T[1]
    second = (raw / 131072 - _T[0] / 8192) ** 2 * _T[2]
    return first + second


def pressure(raw: int, t: float) -> float:
    """Return pascals of a raw pressure at t_fine (8.1)."""
    v1 = t / 2 - 64000
    v2 = v1 * v1 * _P[5] / 32768 + v1 * _P[4] * 2
    v2 = v2 / 4 + _P[3] * 65536
    v1 = (_P[2] * v1 * v1 / 524288 + _P[1] * v1) / 524288
    v1 = (1 + v1 / 32768) * _P[0]
    found = (1048576 - raw - v2 / 4096) * 6250 / v1
    return found + (_P[8] * found * found / 2147483648 + found * _P[7] / 32768 + _P[6]) / 16


def humidity(raw: int, t: float) -> float:
    """Return percent of relative humidity of a raw one at t_fine (8.1)."""
    h = t - 76800
    h = (raw - (_H4 * 64 + _H5 / 16384 * h)) * (
        _H2 / 65536 * (1 + _H6 / 67108864 * h * (1 + _H3 / 67108864 * h))
    )
    return h * (1 - _H1 * h / 524288)


def _inverse(rising: Callable[[int], float], wanted: float, bits: int) -> int:
    """Return the raw value for which a function that rises is nearest below what is wanted."""
    low, high = 0, (1 << bits) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if rising(middle) <= wanted else (low, middle - 1)
    return low
