"""PPP's frames on a serial line: flags, stuffed bytes and a checksum (RFC 1662, 4 and C)."""

from collections.abc import Callable

FLAG = 0x7E
ESCAPE = 0x7D
ESCAPE_ALL = 0xFFFFFFFF
"""A map of the control characters that are stuffed: each, as it is until another is agreed on."""

_FLIP = 0x20
_CONTROLS = 0x20
_FCS_START = 0xFFFF
_FCS_GOOD = 0xF0B8
_FRAME_BYTES_MIN = 4
_FRAME_BYTES_MAX = 4096


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE = _table()


def checksum(data: bytes | bytearray) -> int:
    """Return the running FCS-16 of some bytes."""
    value = _FCS_START
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value


def framed(data: bytes, escaped: int = ESCAPE_ALL) -> bytes:
    """Return a frame for the line; `escaped` has a bit for each control character to stuff."""
    end = (checksum(data) ^ 0xFFFF).to_bytes(2, "little")
    out = bytearray((FLAG,))
    for byte in data + end:
        is_escaped = byte < _CONTROLS and escaped >> byte & 1
        if is_escaped or byte in (FLAG, ESCAPE):
            out += bytes((ESCAPE, byte ^ _FLIP))
        else:
            out.append(byte)
    out.append(FLAG)
    return bytes(out)


class Deframer:
    """Finds frames in bytes as they come; what is damaged is counted and dropped."""

    def __init__(self, on_frame: Callable[[bytes], None]) -> None:
        self._on_frame = on_frame
        self._frame = bytearray()
        self._is_escaped = False
        self.damaged = 0

    def feed(self, byte: int) -> None:
        """Take a byte of the line."""
        if byte == FLAG:
            self._end()
        elif byte == ESCAPE:
            self._is_escaped = True
        elif len(self._frame) < _FRAME_BYTES_MAX:
            self._frame.append(byte ^ _FLIP if self._is_escaped else byte)
            self._is_escaped = False

    def _end(self) -> None:
        frame, self._frame = bytes(self._frame), bytearray()
        self._is_escaped = False
        if len(frame) >= _FRAME_BYTES_MIN and checksum(frame) == _FCS_GOOD:
            self._on_frame(frame[:-2])
        elif frame:
            self.damaged += 1
