"""What an image changes in MicroPython: no expression makes an object of an address, or lies."""

import pytest
from expressions import prepare, value_of

from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.repl import execute

_PREPARED = """
import _rp2, array, io, json, struct
class Liar:
    def __init__(self, length, items):
        self.length, self.items = length, items
    def __len__(self):
        return self.length
    def __iter__(self):
        return iter(self.items)
class Stream(io.IOBase):
    def __init__(self, count=0):
        self.count = count
    def write(self, data):
        kept.append(data)
        return self.count or len(data)
    def readinto(self, data):
        data[0] = 49
        return self.count
kept = []
def printed(count, text):
    print(text, file=Stream(count))
    kept[0][0] = 88
    return text, kept.pop(0), kept.clear()
def viewed(grow):
    data = bytearray(16)
    view = memoryview(data)
    grow(data)
    for _ in range(40):
        bytearray(16)
    view[0] = 7
    return len(view), view[0], data[0]
def put_in(data):
    data[0:1] = bytes(99)
"""
_WRAPPED = "'%s4x' % ('1073741823x' * 4)"

EXPECTED = {
    # Objects, pointers and strings by their address.
    "struct.calcsize('O')": "ValueError",
    "struct.pack('<P', 1)": "ValueError",
    "struct.unpack('@S', bytes(4))": "ValueError",
    "struct.pack_into('>O', bytearray(8), 0, 1)": "ValueError",
    "array.array('O', [None])": "ValueError",
    "array.array('P', bytes(8))": "ValueError",
    # Sizes that wrap around, or that are too large for a format.
    f"struct.calcsize({_WRAPPED})": "ValueError",
    f"struct.unpack_from('I' + {_WRAPPED}, bytes(8), 1 << 28)": "ValueError",
    f"struct.pack_into('I' + {_WRAPPED}, bytearray(8), 8, 1)": "ValueError",
    f"struct.pack('99s' + {_WRAPPED}, bytes(99))": "ValueError",
    "struct.calcsize('99999999999999999999s')": "ValueError",
    "array.array('I', Liar(1 << 30, ()))": "MemoryError",
    "array.array('B', Liar(2, range(64)))": "ValueError",
    "bytearray(Liar(2, range(64)))": "ValueError",
    "len([0] * 4 * (1 << 30))": "MemoryError",
    "len((0,) * 4 * (1 << 30))": "MemoryError",
    "len('abcd' * (1 << 30))": "MemoryError",
    "len(b'abcd' * (1 << 30))": "MemoryError",
    # Memory that is another's by now.
    "viewed(lambda data: data.extend(bytes(99)))": "(16, 7, 0)",
    "viewed(lambda data: [data.append(1) for _ in range(99)])": "(16, 7, 0)",
    "viewed(put_in)": "(16, 7, 0)",
    "printed(0, 'text')": "('text', bytearray(b'Xext'), None)",
    "printed(99, 'text')": "ValueError",
    "json.load(Stream(99))": "ValueError",
    # A function called with other globals has those alone, and gives nobody its own.
    "said.__globals__": "AttributeError",
    "_rp2._call_with_globals(lambda x=41: x + one, {'one': 1})": "42",
    "_rp2._call_with_globals(lambda: said, {})": "NameError",
    "_rp2._call_with_globals(lambda: len(globals()), {'x': 1, 'y': 2})": "2",
    "_rp2._call_with_globals(lambda: (lambda: one)(), {'one': 1})": "1",
    "_rp2._call_with_globals(print, {})": "TypeError",
    "_rp2._call_with_globals(said, [])": "TypeError",
    "_rp2._call_with_globals((n for n in ()), {})": "TypeError",
    # What is right is right still.
    "struct.unpack('<bBhHiIqQ4s3x', struct.pack('<bBhHiIqQ4s3x', *range(8), b'text'))": (
        "(0, 1, 2, 3, 4, 5, 6, 7, b'text')"
    ),
    "struct.calcsize('65536s')": "65536",
    "array.array('h', [1, -2, 3]) + array.array('h', bytes(2))": "array('h', [1, -2, 3, 0])",
    "array.array('i', (n for n in range(20)))[19]": "19",
    "bytearray([5] * 3)": "bytearray(b'\\x05\\x05\\x05')",
    "[1, 2] * 2 + [0] * 0": "[1, 2, 1, 2]",
    "(1, 2) * 2 + (3,) * -1": "(1, 2, 1, 2)",
    "'ab' * 3": "ababab",
    "said.__name__": "said",
}

ASK_IN_AN_INTERRUPT = """
from machine import Timer
known, unknown = "".join(["kn", "own"]), "".join(["nobody_", "asked"])
hasattr(unknown, known)
got = [0, 0]
def ask(_timer):
    got[0] += 1
    hasattr(got, known)
    try:
        hasattr(got, unknown)
    except MemoryError:
        got[1] += 1
timer = Timer(freq=4000, mode=Timer.PERIODIC, hard=True, callback=ask)
for _ in range(3000):
    hasattr(unknown, known)
timer.deinit()
print(got[0] > 20, got[0] - got[1])
"""
"""A hard interrupt asks for names while the main level does, whatever that is in the midst of."""


@pytest.fixture(scope="module")
def prepared(case_board: EmulatedBoard) -> EmulatedBoard:
    """Return a board that knows what the expressions use."""
    return prepare(case_board, _PREPARED)


@pytest.mark.parametrize("expression", EXPECTED)
def test_expression(expression: str, prepared: EmulatedBoard) -> None:
    assert value_of(prepared, expression) == EXPECTED[expression]


def test_an_interrupt_makes_no_names(case_board: EmulatedBoard) -> None:
    assert execute(case_board, ASK_IN_AN_INTERRUPT, timeout_ms=20_000) == "True 0\n"
