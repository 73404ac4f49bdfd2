"""Separates frames from program output in a stream of bytes that comes in any pieces.

A frame runs from the mark RS to the line feed (see `firmware/bulkhead/link.py`); it may start in
the middle of an output line, which goes on behind it. The first byte that cannot be in a frame
ends it as damaged: what follows is output again, or the next frame. So a lost byte costs one
frame, never the log line behind it, and no input makes the parser keep more than two lines.
"""

import re
from dataclasses import dataclass

from bulkhead_host import abi

OUTPUT_LINE_BYTES_MAX = 4096
"""Output without a line feed is handed on in pieces of this size."""

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_LINE_FEED = 0x0A
_CARRIAGE_RETURN = 0x0D


@dataclass(frozen=True)
class Frame:
    """A frame whose check sum was right."""

    kind: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Output:
    """A line of program output, without its line end."""

    text: str


class FrameParser:
    """Takes bytes, gives frames and lines in the order in which each was complete."""

    def __init__(self) -> None:
        self._output = bytearray()
        self._frame: bytearray | None = None
        self.damaged_frames = 0
        """Frames dropped: bad check sum, foreign bytes, too long, cut off."""

    @property
    def unfinished_output(self) -> bytes:
        """Output behind the last line feed: a prompt, or a line that is still coming."""
        return bytes(self._output)

    def feed(self, data: bytes) -> list[Frame | Output]:
        """Take the next bytes of the stream and return what they complete."""
        found: list[Frame | Output] = []
        position = 0
        while position < len(data):
            if self._frame is None:
                position = self._take_output(data, position, found)
            else:
                position = self._take_frame(self._frame, data, position, found)
        return found

    def _take_output(self, data: bytes, start: int, found: list[Frame | Output]) -> int:
        """Take output up to the next line feed or mark; return where to go on."""
        feed = data.find(b"\n", start)
        mark = data.find(abi.MARK, start, feed if feed >= 0 else len(data))
        end = mark if mark >= 0 else feed if feed >= 0 else len(data)
        self._output += data[start:end]
        while len(self._output) > OUTPUT_LINE_BYTES_MAX:
            found.append(_output(self._output[:OUTPUT_LINE_BYTES_MAX]))
            del self._output[:OUTPUT_LINE_BYTES_MAX]
        if mark >= 0:
            self._frame = bytearray()
            return mark + 1
        if feed < 0:
            return end
        found.append(_output(self._output.removesuffix(b"\r")))
        self._output.clear()
        return feed + 1

    def _take_frame(
        self, frame: bytearray, data: bytes, start: int, found: list[Frame | Output]
    ) -> int:
        """Take bytes of the frame under way; return where to go on."""
        room = abi.LINE_BYTES_MAX - len(frame)
        end = start if frame.endswith(b"\r") else _text_end(data, start, start + room)
        frame += data[start:end]
        if end == len(data):
            return end
        if data[end] == _LINE_FEED:
            self._finish(frame, found)
            return end + 1
        if data[end] == _CARRIAGE_RETURN and not frame.endswith(b"\r"):
            frame += b"\r"
            return end + 1
        self._drop()
        return end

    def _finish(self, frame: bytearray, found: list[Frame | Output]) -> None:
        decoded = abi.decode(bytes(frame.removesuffix(b"\r")))
        self._frame = None
        if decoded is None:
            self.damaged_frames += 1
        else:
            found.append(Frame(*decoded))

    def _drop(self) -> None:
        self._frame = None
        self.damaged_frames += 1


def _text_end(data: bytes, start: int, limit: int) -> int:
    """Return where the frame's text ends: at the first foreign byte, the limit or the end."""
    foreign = _NOT_BASE64.search(data, start, limit)
    return foreign.start() if foreign else min(limit, len(data))


def _output(line: bytes | bytearray) -> Output:
    return Output(line.decode("utf-8", errors="replace"))
