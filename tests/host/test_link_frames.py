"""The frame parser: it finds what was sent, joins anywhere, and takes any bytes without harm."""

import random

import pytest

from bulkhead_host import abi
from bulkhead_host.link.frames import OUTPUT_LINE_BYTES_MAX, Frame, FrameParser, Output

SEED = 20260101
FUZZ_FRAMES = 100_000


def parse(data: bytes) -> list[Frame | Output]:
    return FrameParser().feed(data)


def test_frames_and_lines_come_in_the_order_of_the_stream() -> None:
    data = b"one\r\n" + abi.encode(abi.TEXT, 7, b"hello") + b"two\n"
    assert parse(data) == [Output("one"), Frame(abi.TEXT, 7, b"hello"), Output("two")]


def test_the_pieces_in_which_bytes_come_make_no_difference() -> None:
    frame = abi.encode(abi.SERVICE, 255, bytes(range(64)))
    data = b"  1.2 I led: on\r\n>>> " + frame[:-1] + b"\r\n" + frame[:9] + b" torn\n" + frame
    whole = parse(data)
    for size in (1, 2, 3, 7, 50):
        parser = FrameParser()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [item for piece in pieces for item in parser.feed(piece)] == whole
        assert parser.damaged_frames == 1


def test_a_frame_in_the_middle_of_a_line_leaves_the_line_whole() -> None:
    data = b"temp" + abi.encode(abi.END, 1, b"\0" * 5) + b"erature\n"
    assert parse(data) == [Frame(abi.END, 1, b"\0" * 5), Output("temperature")]


def test_a_reader_that_joins_in_a_frame_takes_the_next_one() -> None:
    frame = abi.encode(abi.STATUS, 3, b"\0")
    *output, last = parse(frame[5:] + frame)
    assert output == [Output(frame[5:-1].decode())]
    assert last == Frame(abi.STATUS, 3, b"\0")


def test_a_frame_cut_off_by_output_is_dropped_and_the_output_kept() -> None:
    parser = FrameParser()
    cut = abi.encode(abi.TEXT, 1, b"some text")[:12]
    assert parser.feed(cut + b": W led\n") == [Output(": W led")]
    assert parser.damaged_frames == 1


def test_a_frame_cut_off_by_the_next_frame_is_dropped_and_the_next_kept() -> None:
    parser = FrameParser()
    frame = abi.encode(abi.TEXT, 1, b"some text")
    assert parser.feed(frame[:-4] + frame) == [Frame(abi.TEXT, 1, b"some text")]
    assert parser.damaged_frames == 1


def test_output_without_a_line_feed_is_handed_on_in_pieces() -> None:
    parser = FrameParser()
    found = parser.feed(b"x" * (2 * OUTPUT_LINE_BYTES_MAX + 10))
    assert found == [Output("x" * OUTPUT_LINE_BYTES_MAX)] * 2
    assert parser.unfinished_output == b"x" * 10


@pytest.mark.parametrize("size", [abi.LINE_BYTES_MAX, abi.LINE_BYTES_MAX + 1])
def test_a_frame_over_the_longest_line_is_dropped_at_the_limit(size: int) -> None:
    parser = FrameParser()
    text = b"A" * size
    found = parser.feed(abi.MARK + text + b"\n")
    assert found == ([Output("A")] if size > abi.LINE_BYTES_MAX else [])
    assert parser.damaged_frames == 1


def test_the_largest_payload_fits_the_longest_line() -> None:
    payload = bytes(abi.PAYLOAD_BYTES_MAX)
    line = abi.encode(abi.TEXT, 0, payload)
    assert len(line) <= abi.LINE_BYTES_MAX
    assert parse(line) == [Frame(abi.TEXT, 0, payload)]


def test_base64_that_is_not_the_encoders_own_is_damaged() -> None:
    text = abi.encode(abi.STATUS, 1, b"\0")[1:-1]
    assert abi.decode(text) == (abi.STATUS, 1, b"\0")
    assert abi.decode(text + b"=") is None
    assert abi.decode(text[:4] + b"-" + text[4:]) is None
    assert abi.decode(b"") is None


def test_output_that_is_no_utf_8_is_still_a_line() -> None:
    assert parse(b"\xff\xfe\n") == [Output("\ufffd\ufffd")]


def test_fuzz_damaged_frames_are_never_taken_and_whole_ones_never_lost() -> None:
    """Of frames that are flipped, cut, joined and buried in noise, only whole ones come out."""
    rng = random.Random(SEED)
    parser = FrameParser()
    sent: list[Frame] = []
    received: list[Frame] = []
    damaged = 0
    pending = bytearray()
    for number in range(FUZZ_FRAMES):
        frame = Frame(rng.randrange(256), number & 0xFF, rng.randbytes(rng.randrange(48)))
        line = abi.encode(frame.kind, frame.sequence, frame.payload)
        if rng.random() < 0.5:
            sent.append(frame)
        else:
            line = _damage(rng, line)
            damaged += 1
        pending += line
        if rng.random() < 0.2:
            pending += _noise(rng)
        if len(pending) > 2000:
            received += _feed(rng, parser, pending)
    received += _feed(rng, parser, pending)
    assert received == sent, f"seed {SEED}"
    assert parser.damaged_frames > 0
    assert damaged > FUZZ_FRAMES / 3


def test_fuzz_any_bytes_are_taken_and_no_frame_is_invented() -> None:
    rng = random.Random(SEED + 1)
    parser = FrameParser()
    alphabet = b"\x1e\r\nAb9+/= \x00\xff"
    for _ in range(5000):
        piece = bytes(rng.choices(alphabet, k=rng.randrange(200)))
        assert all(isinstance(item, Output) for item in parser.feed(piece)), f"seed {SEED + 1}"
        assert len(parser.unfinished_output) <= OUTPUT_LINE_BYTES_MAX


def _damage(rng: random.Random, line: bytes) -> bytes:
    """Return the line with a bit flipped, its end cut off, or bytes lost in its middle."""
    kind = rng.randrange(3)
    at = rng.randrange(1, len(line) - 1)
    if kind == 0:
        flipped = bytearray(line)
        flipped[at] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    if kind == 1:
        return line[:at]
    return line[:at] + line[at + rng.randrange(1, len(line) - at) :]


def _noise(rng: random.Random) -> bytes:
    noise = rng.randbytes(rng.randrange(600)).replace(abi.MARK, b"")
    return rng.choice((noise, noise + abi.MARK, abi.MARK * 3 + noise, b"A" * 1000)) + b"\n"


def _feed(rng: random.Random, parser: FrameParser, pending: bytearray) -> list[Frame]:
    found: list[Frame] = []
    while pending:
        size = rng.randrange(1, 400)
        found += [item for item in parser.feed(bytes(pending[:size])) if isinstance(item, Frame)]
        del pending[:size]
    return found
