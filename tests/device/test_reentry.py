"""C that a program calls stays within its memory, whatever code runs in its midst."""

import pytest
from expressions import prepare, value_of

from bulkhead_host.emulator import EmulatedBoard

_PREPARED = """
import array, deflate, heapq, io, re
from collections import OrderedDict, deque
kept = []
class Code:
    def __init__(self, of, value=30):
        self.of, self.value = of, value
    def act(self):
        if type(self.of) is bytearray:
            self.of[:] = b""
        else:
            self.of.clear()
        kept[:] = [b"A" * 64 + bytes(at) for at in range(9)]  # takes what has been given back
    def __int__(self):
        self.act()
        return self.value
    def __eq__(self, other):
        self.act()
        return False
    def __lt__(self, other):
        if self.of:
            self.act()
        return True
    def __hash__(self):
        return 7
    def __repr__(self):
        self.act()
        return "code"
class Hashed(Code):
    def __hash__(self):
        self.act()
        return 7
class Appends(Code):
    def __int__(self):
        self.of.extend(bytes(8))
        return 1
class Number(int):
    pass
class Other:
    pass
class Callee:
    pass
Callee.__call__ = Callee()
class Maker:
    pass
Maker.__init__ = Maker
class Bytes(bytearray):
    def __init__(self):
        kept[:] = [said(lambda: bytes(self))]
class Items(list):
    def __init__(self):
        kept[:] = [said(lambda: iter(self))]
class Stream(io.BytesIO):
    pass
class Own(io.IOBase):
    def write(self, data):
        kept.append(len(data))
        return len(data)
def indexed(use):
    items = [0] * 32
    return use(items, Code(items))
def put(items, at):
    items[at] = 1
def sliced():
    data = bytearray(400)
    data[Code(data, 0):400] = b"xx"
def of_code(kind):
    made = kind()
    for at in range(32):
        (made.append if kind is list else made.add)(Code(made))
    return made
def held(kind):
    a, b = kind(), kind()
    if kind is list:
        a.append(a), b.append(b)
    else:
        a[1], b[1] = a, b
    return a == b
def nested(depth, wrap, made=()):
    for _ in range(depth):
        made = wrap(made)
    return made
def keyed(kind, use):
    made = kind()
    made[1] = 2
    made[Code(made)] = bytes(2)
    return use(made)
def printed(kind):
    made = kind()
    made[Code(made)] = bytes(2)
    return str(made)
def pushed():
    heap = [1, 2, 3]
    heapq.heappush(heap, Code(heap))
def merged():
    into, of = {}, {7: b"value"}
    into[Code(of)] = 1
    into.update(of)
    return into[7]
def appended():
    data = array.array("B", [0] * 8)
    for _ in range(3):
        data.append(Appends(data))
    return len(data)
def begun(kind):
    kind()
    return kept[0]
def filled(made):
    for at in range(40):
        made.append(at)
    return len(made)
"""

EXPECTED = {
    # An index is a number: its code would change what it is an index of.
    "indexed(lambda items, at: items[at])": "TypeError",
    "indexed(put)": "TypeError",
    "indexed(lambda items, at: items.pop(at))": "TypeError",
    "indexed(lambda items, at: items[at:])": "TypeError",
    "indexed(lambda items, at: items.index(0, at))": "TypeError",
    "sliced()": "TypeError",
    "([1, 2, 3][Number(1)], [1, 2, 3][Number(1):], [1, 2][True])": "(2, [2, 3], 2)",
    # What is compared changes what it is in.
    "of_code(list).index(5)": "ValueError",
    "of_code(list).count(5)": "0",
    "of_code(list) == of_code(list)": "False",
    "of_code(list).sort()": "ValueError",
    "heapq.heapify(of_code(list))": "ValueError",
    "pushed()": "ValueError",
    "keyed(dict, lambda made: made.get(7))": "RuntimeError",
    "keyed(OrderedDict, lambda made: made.get(7))": "RuntimeError",
    "keyed(dict, lambda made: made.get(Hashed(made)))": "RuntimeError",
    "len(of_code(set))": "RuntimeError",
    "printed(dict)": "{code: b'\\x00\\x00'}",
    "printed(OrderedDict)": "OrderedDict({code: b'\\x00\\x00'})",
    "merged()": "b'value'",
    "appended()": "35",
    # C that calls itself.
    "held(list)": "RuntimeError",
    "held(dict)": "RuntimeError",
    "held(OrderedDict)": "RuntimeError",
    "nested(900, lambda made: (made,)) == nested(900, lambda made: (made,))": "RuntimeError",
    "hash(nested(900, lambda made: (made,)))": "RuntimeError",
    "Callee()()": "RuntimeError",
    "Maker()": "RuntimeError",
    "re.compile('(' * 1500)": "RuntimeError",
    # What an object is taken for.
    "super(Items, Items).append(1)": "TypeError",
    "super(Items, Items).__init__(5)": "None",
    "(begun(Bytes), begun(Items))": "('TypeError', 'TypeError')",
    "print('x', file=Stream())": "OSError",
    "print('text', end='', file=Own()) or kept[-1]": "4",
    # Sizes that wrap around.
    "filled(deque((), 0x40000003))": "MemoryError",
    "filled(deque((), 0x7FFFFFFF))": "MemoryError",
    "re.compile('[a-')": "ValueError",
    # What is right is right still.
    "sorted([(2, 'b'), (1, 'z'), (1, 'a')])": "[(1, 'a'), (1, 'z'), (2, 'b')]",
    "sorted(['b', 'a', 'c'], key=ord, reverse=True)": "['c', 'b', 'a']",
    "([1] < [1, 2], [1, 2] <= [1, 2], [1, 2] < [1, 2], [2] > [1, 5])": "(True, True, False, True)",
    "([1, 2] == [1, 2], [1, 2] != [1, 3], [1] == (1,))": "(True, True, False)",
    "([1, 2, 1].count(1), [1, 2, 1].index(1, 1), [1, 2, 1].index(1, -1))": "(2, 2, 2)",
    "({1: 2, 'a': 3} == {'a': 3, 1: 2}, {1, 2} == {2, 1})": "(True, True)",
    "heapq.heappop([1, 3, 2])": "1",
    "re.compile('[a-z](b|c)+').match('abcb').group(1)": "b",
}


@pytest.fixture(scope="module")
def prepared(case_board: EmulatedBoard) -> EmulatedBoard:
    """Return a board that knows what the expressions use."""
    return prepare(case_board, _PREPARED)


@pytest.mark.parametrize("expression", EXPECTED)
def test_expression(expression: str, prepared: EmulatedBoard) -> None:
    assert value_of(prepared, expression) == EXPECTED[expression]
