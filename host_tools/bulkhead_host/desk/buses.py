"""The I2C and SPI buses of an emulated board, and what a chip on one may do."""

from collections.abc import Callable
from typing import Any

from bulkhead_host.emulator.pins import Edge, Pin
from bulkhead_host.errors import UsageError

NO_BYTE = 0xFF
"""What a bus that nobody drives is read as."""

_ADDRESS_MAX = 0x77


class I2cDevice:
    """A chip on an I2C bus. `address` has seven bits; while `is_there` is False nobody answers.

    A subclass says what its chip does with the bytes of a transfer, one call after the other.
    """

    address = 0x00
    is_there = True

    def start(self, *, reads: bool) -> None:
        """Take a start condition with this chip's address; `reads` tells the direction."""

    def write(self, byte: int) -> bool:
        """Take a byte from the board; return whether the chip acknowledges it."""
        return True

    def read(self) -> int:
        """Return the next byte for the board."""
        return NO_BYTE

    def stop(self) -> None:
        """Take the stop condition."""


class I2cBus:
    """One of the board's two I2C blocks, with the chips on it."""

    def __init__(self, block: Any, guard: Callable[..., Any]) -> None:
        self._block = block
        self._guard = guard
        self._devices: dict[int, I2cDevice] = {}
        self._meant: I2cDevice | None = None
        block.on_connect = self._connect
        block.on_write_byte = self._write
        block.on_read_byte = self._read
        block.on_stop = self._stop

    def add(self, device: I2cDevice) -> None:
        """Put a chip on the bus. Raise `UsageError` where its address is taken, or none."""
        if not 0 < device.address <= _ADDRESS_MAX:
            raise UsageError(
                f"{type(device).__name__} has the I2C address {device.address:#x}",
                "give it one from 0x01 to 0x77",
            )
        if device.address in self._devices:
            raise UsageError(
                f"two chips have the I2C address {device.address:#x}",
                "give one another address, or put it on the other bus",
            )
        self._devices[device.address] = device

    def _connect(self, address: int, mode: int) -> None:
        device = self._devices.get(address)
        self._meant = device if device is not None and device.is_there else None
        if self._meant is not None:
            self._guard(self._meant.start, reads=bool(mode))
        self._block.complete_connect(self._meant is not None)

    def _write(self, byte: int) -> None:
        meant = self._meant
        self._block.complete_write(meant is not None and bool(self._guard(meant.write, byte)))

    def _read(self, _acknowledges: bool) -> None:
        byte = NO_BYTE if self._meant is None else self._guard(self._meant.read)
        self._block.complete_read(byte & 0xFF)

    def _stop(self) -> None:
        if self._meant is not None:
            self._guard(self._meant.stop)
        self._meant = None
        self._block.complete_stop()


class SpiDevice:
    """A chip on an SPI bus."""

    def select(self) -> None:
        """Take the falling edge of the select line."""

    def exchange(self, byte: int) -> int:
        """Take a byte from the board and return the one that goes back meanwhile."""
        return NO_BYTE

    def deselect(self) -> None:
        """Take the rising edge of the select line."""


class SpiBus:
    """One of the board's two SPI blocks; a chip is meant while its select line is low."""

    def __init__(self, block: Any, guard: Callable[..., Any]) -> None:
        self._block = block
        self._guard = guard
        self._devices: list[tuple[SpiDevice, Pin]] = []
        block.on_transmit = self._transmit

    def add(self, device: SpiDevice, select: Pin) -> None:
        """Put a chip on the bus, with its select line."""
        self._devices.append((device, select))

        def changed(edge: Edge) -> None:
            self._guard(device.deselect if edge.level else device.select)

        select.on_edge(changed)

    def _transmit(self, byte: int) -> None:
        answer = NO_BYTE
        for device, select in self._devices:
            if not select.level:
                answer &= self._guard(device.exchange, byte)
        self._block.complete_transmit(answer & 0xFF)
