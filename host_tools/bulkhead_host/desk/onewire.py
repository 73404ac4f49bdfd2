"""A 1-Wire bus on a pin, and a DS18B20 on it. Data sheet of Maxim's, "1-Wire Signaling"."""

from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from bulkhead_host.emulator.pins import Edge, Pin
from bulkhead_host.errors import UsageError

_CYCLES_IN_US = 125
_RESET_US = 400  # low for longer is a reset; the data sheet says 480, from the board's side
_ONE_US = 15  # a chip that listens looks at the line so long after its fall
_HOLD_US = 30  # how long a chip holds the line low for a 0
_PRESENCE_AFTER_US, _PRESENCE_US = 30, 120
_READ_ROM, _MATCH_ROM, _SKIP_ROM, _SEARCH_ROM = 0x33, 0x55, 0xCC, 0xF0

At = Callable[[float, Callable[[], object]], None]
"""Calls a function when so many milliseconds have passed."""

Serving = Generator[int | None, int, None]
"""A chip from a reset on: in each slot it yields the bit it says, or None, and is sent one."""


class OneWireDevice:
    """A chip on a 1-Wire bus, from which others can be derived; `is_there` False unplugs it."""

    is_there = True
    at: At  # of the desk, from when it is added

    def __init__(self, *, family: int, serial: int) -> None:
        number = bytes([family]) + serial.to_bytes(6, "little")
        self.rom = number + bytes([crc8(number)])

    def serve(self, command: int) -> Serving:
        """Do what a command asks once the chip is selected: `receive`, and yield bits.

        This one knows no command, and is silent until the next reset.
        """
        del command
        yield from ()

    def obey(self) -> Serving:
        """Serve from a reset on: a ROM command, then one of the chip's own."""
        command = yield from receive()
        if command == _SEARCH_ROM:
            for bit in bits(self.rom):
                yield bit
                yield bit ^ 1
                if (yield None) != bit:
                    return
        elif command == _MATCH_ROM:
            for bit in bits(self.rom):
                if (yield None) != bit:
                    return
        elif command == _READ_ROM:
            yield from say(self.rom)
        elif command != _SKIP_ROM:
            return
        yield from self.serve((yield from receive()))


def bits(data: bytes) -> Iterable[int]:
    """Return the bits of bytes, each byte's lowest first."""
    return [byte >> shift & 1 for byte in data for shift in range(8)]


def say(data: bytes) -> Serving:
    """Say bytes, a bit in each slot."""
    for bit in bits(data):  # noqa: UP028 (a slot sends what was heard)
        yield bit


def receive() -> Generator[None, int, int]:
    """Listen for 8 slots; return the byte."""
    byte = 0
    for shift in range(8):
        byte |= (yield None) << shift
    return byte


def crc8(data: bytes) -> int:
    """Return the checksum of 1-Wire: x^8 + x^5 + x^4 + 1, lowest bit first, from 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


DeviceT = TypeVar("DeviceT", bound=OneWireDevice)


class OneWireBus:
    """The bus, with its resistor: low while anybody holds it low."""

    def __init__(self, pin: Pin, guarded: Callable[..., Any], at: At) -> None:
        self._pin = pin
        self._at = at
        self.devices: list[OneWireDevice] = []
        self._serving: list[tuple[Serving, int | None]] = []  # and what each does in this slot
        self._fell_cycle: int | None = None  # when the board pulled the line low
        self._pin.drive(1)
        self._pin.on_edge(lambda edge: guarded(self._on_edge, edge))

    def add(self, device: DeviceT) -> DeviceT:
        """Put a chip on the bus and return it."""
        if any(device.rom == other.rom for other in self.devices):
            text = f"two chips on the 1-Wire bus have the ROM {device.rom.hex()}"
            raise UsageError(text, "give one another serial")
        device.at = self._at
        self.devices.append(device)
        return device

    def _on_edge(self, edge: Edge) -> None:
        if not edge.level:
            if self._pin.is_output:  # the board's doing, no chip's
                self._fell_cycle = edge.cycle
                if any(says == 0 for _, says in self._serving):
                    self._pin.drive(0)
                    self._pull(edge.cycle, _HOLD_US, 1)
        elif self._fell_cycle is not None:  # else it ends a presence pulse
            low_us = (edge.cycle - self._fell_cycle) / _CYCLES_IN_US
            self._fell_cycle = None
            if low_us >= _RESET_US:
                self._reset(edge.cycle)
            else:
                self._end_slot(int(low_us < _ONE_US))

    def _pull(self, cycle: int, after_us: int, level: int) -> None:
        self._pin.drive_at(level, cycle=cycle + after_us * _CYCLES_IN_US)

    def _reset(self, cycle: int) -> None:
        there = [device.obey() for device in self.devices if device.is_there]
        self._serving = [(serving, next(serving)) for serving in there]
        if there:
            self._pull(cycle, _PRESENCE_AFTER_US, 0)
            self._pull(cycle, _PRESENCE_AFTER_US + _PRESENCE_US, 1)

    def _end_slot(self, heard: int) -> None:
        """Go on to the next slot with all that are still selected."""
        going = []
        for serving, says in self._serving:
            try:
                going.append((serving, serving.send(heard if says is None else says)))
            except StopIteration:
                continue
        self._serving = going


_CONVERT, _READ_SCRATCHPAD, _WRITE_SCRATCHPAD = 0x44, 0xBE, 0x4E
_COPY, _RECALL, _READ_POWER = 0x48, 0xB8, 0xB4
_CONVERTING_MS = 750  # at 12 bits; each bit less halves it
_AT_POWER_ON = 85.0  # what is read before anything has been measured


class Ds18b20(OneWireDevice):
    """The thermometer; `is_there` False unplugs it, `is_noisy` spoils its checksums.

    It measures when it is asked to, for up to 750 ms: who reads sooner gets what was measured
    before, 85 degrees after power-on. `conversions` counts.
    """

    def __init__(self, *, celsius: float = 22.0, serial: int = 1) -> None:
        super().__init__(family=0x28, serial=serial)
        self.celsius = celsius
        self.is_noisy = False
        self.conversions = 0
        self._measured = _AT_POWER_ON
        self._settings = bytearray(b"\x4b\x46\x7f")  # both alarms, and 12 bits
        self._kept = bytes(self._settings)
        self._is_converting = False

    @property
    def resolution(self) -> int:
        """How many bits the board has asked for: 9 to 12."""
        return 9 + (self._settings[2] >> 5 & 3)

    def serve(self, command: int) -> Serving:
        """Do one of the chip's own commands ("DS18B20 Function Commands")."""
        if command == _CONVERT:
            self._convert()
            while True:
                yield int(not self._is_converting)
        elif command == _READ_SCRATCHPAD:
            yield from say(self._scratchpad())
        elif command == _WRITE_SCRATCHPAD:
            for place in range(3):
                self._settings[place] = yield from receive()
        elif command == _COPY:
            self._kept = bytes(self._settings)
        elif command == _RECALL:
            self._settings[:] = self._kept
        elif command == _READ_POWER:
            while True:
                yield 1  # it has a supply

    def _convert(self) -> None:
        self._is_converting = True
        self.conversions += 1
        ms = _CONVERTING_MS / (1 << 12 - self.resolution)
        self.at(ms, self._converted)

    def _converted(self) -> None:
        self._is_converting = False
        self._measured = self.celsius

    def _scratchpad(self) -> bytes:
        unknown = 12 - self.resolution
        raw = round(self._measured * 16) >> unknown << unknown
        data = raw.to_bytes(2, "little", signed=True) + self._settings + b"\xff\x0c\x10"
        return data + bytes([crc8(data) ^ self.is_noisy])
