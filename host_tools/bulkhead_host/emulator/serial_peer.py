"""The other end of a UART of the emulated board."""

from collections.abc import Iterator
from typing import Any

from bulkhead_host.emulator.board import EmulatedBoard

_BITS_A_BYTE = 10  # start, eight bits, stop


class SerialPeer:
    """Sends bytes to a UART without a pause, at exactly `baudrate`, and keeps what it gets."""

    def __init__(self, board: EmulatedBoard, *, number: int = 0, baudrate: int = 115_200) -> None:
        self.got = bytearray()
        self.byte_ns = _BITS_A_BYTE * 1e9 / baudrate
        self._uart: Any = board.chip.mcu.uart[number]
        self._uart.on_byte = self.got.append
        self._clock = board.chip.clock
        self._alarm: Any = self._clock.create_alarm(self._next)
        self._bytes: Iterator[int] = iter(())
        self._at_ns = 0.0

    def send(self, data: bytes) -> None:
        """Begin to send: the first byte is there in one byte's time."""
        self._bytes = iter(data)
        self._at_ns = self._clock.nanos
        self._alarm.schedule(self.byte_ns)

    def _next(self) -> None:
        byte = next(self._bytes, None)
        if byte is None:
            return
        self._uart.feed_byte(byte)
        self._at_ns += self.byte_ns
        self._alarm.schedule(max(self._at_ns + self.byte_ns - self._clock.nanos, 1.0))
