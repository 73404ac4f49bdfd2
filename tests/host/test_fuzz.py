"""100,000 frames that are truncated, changed, endless, random or come again, on the host's parser.

The seed makes the frames; `expected` is what a parser has to find in them, in order.
"""

import random
from collections.abc import Callable

import pytest
from fake_board import FakeBoard, FakeLine

from bulkhead_host import abi
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.frames import OUTPUT_LINE_BYTES_MAX, Frame, FrameParser
from bulkhead_host.link.services import (
    parse_capabilities,
    parse_fault,
    parse_hello,
    parse_table,
    parse_trace,
)

SEED = 20
FRAMES = 100_000
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Stream:
    """A stream of hostile frames, and what is to be found in it."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.expected: list[Frame] = []
        self.damaged = 0
        self._kinds = (
            self._sound,
            self._again,
            self._truncated,
            self._changed,
            self._changed,
            self._foreign,
            self._noise,
        )

    def lines(self, count: int) -> list[bytes]:
        """Return that many lines; one in 500 is endless."""
        chosen = self._random.choices(self._kinds, k=count)
        return [self._endless() if not n % 500 else make() for n, make in enumerate(chosen)]

    def pieces(self, data: bytes) -> list[bytes]:
        """Return the data cut into pieces by chance, as a line brings them."""
        found, start = [], 0
        while start < len(data):
            size = self._random.choice((1, 3, 64, 64, 4096, 16384))
            found.append(data[start : start + size])
            start += size
        return found

    def _frame(self) -> Frame:
        payload = self._random.randbytes(3 * self._random.randrange(20))
        return Frame(self._random.randrange(256), self._random.randrange(128, 256), payload)

    def _sound(self) -> bytes:
        frame = self._frame()
        self.expected.append(frame)
        return _line(frame)

    def _again(self) -> bytes:
        if not self.expected:
            return self._sound()
        frame = self.expected[self._random.randrange(len(self.expected))]
        self.expected.append(frame)
        return _line(frame)

    def _truncated(self) -> bytes:
        line = _line(self._frame())
        self.damaged += 1
        return line[: self._random.randrange(1, len(line) - 1)] + b"\n"

    def _changed(self) -> bytes:
        line = bytearray(_line(self._frame()))
        index = self._random.randrange(1, len(line) - 1)
        line[index] = _LETTERS[(_LETTERS.index(line[index]) + self._random.randrange(1, 64)) % 64]
        self.damaged += 1
        return bytes(line)

    def _foreign(self) -> bytes:
        """Put a byte in that no frame has: what follows it is output."""
        line = bytearray(_line(self._frame()))
        line[self._random.randrange(1, len(line) - 1)] = self._random.randrange(128, 256)
        self.damaged += 1
        return bytes(line)

    def _noise(self) -> bytes:
        noise = self._random.randbytes(self._random.randrange(50))
        return noise.replace(abi.MARK, b"").replace(b"\n", b"") + b"\n"

    def _endless(self) -> bytes:
        self.damaged += 1
        return abi.MARK + b"A" * self._random.randrange(abi.LINE_BYTES_MAX + 1, 9000) + b"\n"


def _line(frame: Frame) -> bytes:
    return abi.encode(frame.kind, frame.sequence, frame.payload)


def test_the_parser_finds_every_sound_frame_and_counts_every_other() -> None:
    stream = Stream(SEED)
    data = b"".join(stream.lines(FRAMES))
    parser = FrameParser()
    found: list[Frame] = []
    for piece in stream.pieces(data):
        found += [item for item in parser.feed(piece) if isinstance(item, Frame)]
        assert len(parser.unfinished_output) <= OUTPUT_LINE_BYTES_MAX
    assert found == stream.expected
    assert parser.damaged_frames == stream.damaged
    assert len(found) + stream.damaged > 0.8 * FRAMES


def test_what_a_sound_frame_says_is_read_or_refused() -> None:
    """A board, or who sits on its line, may say anything."""
    stream = Stream(SEED + 1)
    stream.lines(FRAMES // 10)
    readers: list[Callable[[Frame], object]] = [
        parse_hello,
        lambda frame: parse_table([frame, frame]),
        lambda frame: parse_fault(frame.payload),
        lambda frame: parse_trace(frame.payload),
        lambda frame: parse_capabilities(frame.payload),
    ]
    refused = 0
    for frame in stream.expected:
        for read in readers:
            try:
                read(frame)
            except BulkheadError:
                refused += 1
    assert 0 < refused < len(stream.expected) * len(readers)


@pytest.mark.parametrize("seed", range(3))
def test_a_client_takes_nothing_of_it_for_an_answer(seed: int) -> None:
    board = FakeBoard()
    line = FakeLine(board)
    client = Client(line, first_sequence=1)
    before = client.hello(), client.table()
    stream = Stream(seed)
    for hostile in stream.lines(2000):
        line.say(hostile)
    assert (client.hello(), client.table()) == before
    assert client.damaged_frames == stream.damaged
    assert [frame.kind for frame in board.requests] == [abi.HELLO, abi.TABLE] * 2
