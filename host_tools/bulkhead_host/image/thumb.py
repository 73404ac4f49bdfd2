"""Machine code for the Cortex-M0+ as MicroPython's compiler emits it: read it, write it shorter.

The compiler does not know how far a jump forwards goes, so on this processor each takes 8 or 10
bytes, of which the last 6 or 8 are no operations in all but the largest functions
(`asm_thumb_b_label` in `py/asmthumb.c` of MicroPython 1.26); a number above 65,535 brings its own
jump over it. `read` makes a list of such code, in which places are objects and not offsets;
`write` lays it out anew, each jump as short as it can be and the numbers behind the code. What is
done in between is in `peephole`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

EQ, NE = 0, 1
R0, R1, R7 = 0, 1, 7
_NOP = 0xBF00
_ADD_PC_R1 = 0x448F
_OVER_WORD = 0xE001  # a jump over the word that follows


class NotUnderstoodError(Exception):
    """The code has something that this does not know: it stays as it is."""


@dataclass(eq=False)
class Label:
    """A place in the code."""


@dataclass(eq=False)
class Plain:
    """An instruction that goes where it is put: 16 bits."""

    code: int


@dataclass(eq=False)
class Number:
    """A register is given a number of 32 bits."""

    register: int
    value: int


@dataclass(eq=False)
class Address:
    """A register is given the address of a place, with the bit that says Thumb."""

    register: int
    target: Label


@dataclass(eq=False)
class Jump:
    """A jump; `condition` is None, or that of the processor under which it is made.

    One that may have to be long gives register 1 another value (`may_be_long`).
    """

    target: Label
    condition: int | None = None
    may_be_long: bool = False


Item = Label | Plain | Number | Address | Jump


@dataclass
class _Reader:
    code: bytes
    start: int
    at: int = 0
    labels: dict[int, Label] = field(default_factory=dict)

    def half(self, at: int) -> int:
        if not self.start <= at <= len(self.code) - 2:
            raise NotUnderstoodError(f"it reads at {at}, which is outside of it")
        return int.from_bytes(self.code[at : at + 2], "little")

    def word(self, at: int) -> int:
        return self.half(at) | self.half(at + 2) << 16

    def label(self, at: int) -> Label:
        if not self.start <= at <= len(self.code) or at & 1:
            raise NotUnderstoodError(f"it goes to {at}, which is outside of it")
        return self.labels.setdefault(at, Label())


def read(code: bytes, start: int = 0) -> list[Item]:
    """Return what `code` does from `start` on, both multiples of 4 in the function's data.

    Raises NotUnderstoodError for anything that the compiler's native emitters do not emit.
    """
    reader = _Reader(code, start, at=start)
    found: dict[int, list[Item]] = {}
    while reader.at < len(code):
        at = reader.at
        found[at] = _next(reader)
    outside = reader.labels.keys() - found.keys() - {len(code)}
    if outside or reader.at != len(code):
        raise NotUnderstoodError("it jumps into the midst of an instruction")
    items: list[Item] = []
    for at, made in found.items():
        if at in reader.labels:
            items.append(reader.labels[at])
        items.extend(made)
    if len(code) in reader.labels:
        items.append(reader.labels[len(code)])
    return items


def _next(reader: _Reader) -> list[Item]:
    at = reader.at
    half = reader.half(at)
    reader.at = at + 2
    kind = half >> 12
    if half == _NOP:
        return []
    if half >> 11 == 0x4800 >> 11:
        return [_from_word(reader, at, half)]
    if half & 0xFF87 in (0x4700, 0x4780):  # bx, blx
        return [Plain(half)]
    if half >> 8 in (0x44, 0x45, 0x47):
        raise NotUnderstoodError(f"{half:#06x} at {at} has the program counter in it")
    if kind == 0xD:
        if half >> 8 & 0xF > 0xD:
            raise NotUnderstoodError(f"{half:#06x} at {at} is no jump")
        return [Jump(reader.label(at + 4 + _signed(half << 1, 9)), half >> 8 & 0xF)]
    if half >> 11 == 0xE000 >> 11:
        return [Jump(reader.label(at + 4 + _signed(half << 1, 12)))]
    address = _address(reader, at)
    if address:
        return [address]
    if kind > 0xC or half >> 8 in (0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7):
        raise NotUnderstoodError(f"{half:#06x} at {at} is not known")
    return [Plain(half)]


def _from_word(reader: _Reader, at: int, half: int) -> Item:
    """Read what begins with a load from the word behind the next instruction."""
    after = reader.half(at + 2)
    if half & 0xFF or at & 2:
        raise NotUnderstoodError(f"{half:#06x} at {at} loads from elsewhere")
    register = half >> 8 & 7
    word = reader.word(at + 4)
    reader.at = at + 8
    if after == _OVER_WORD:
        return Number(register, word)
    if after == _ADD_PC_R1 and register == R1:
        return Jump(reader.label(at + 6 + _signed(word, 32)), may_be_long=True)
    raise NotUnderstoodError(f"{half:#06x} at {at} loads for something else")


def _address(reader: _Reader, at: int) -> Address | None:
    """Read `asm_thumb_mov_reg_pcrel`: five instructions that make an address."""
    if at + 10 > len(reader.code):
        return None
    high, shift, low, extend, add = (reader.half(at + 2 * index) for index in range(5))
    register = high >> 8 & 7
    if high >> 11 != 0x2000 >> 11 or add != 0x4478 | register:
        return None
    if (shift, low >> 8, extend) != (
        0x0200 | register << 3 | register, 0x30 | register, 0xB200 | register << 3 | register,
    ):  # fmt: skip
        return None
    reader.at = at + 10
    offset = _signed((high & 0xFF) << 8 | low & 0xFF, 16)
    return Address(register, reader.label(at + 12 + offset - 1))


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def write(items: Sequence[Item], start: int = 0) -> bytes:
    """Return the code of `items`, to be put at `start` of the function's data, a multiple of 4.

    Jumps begin as short as they can be and grow until all reach. Numbers are behind the code,
    where that is near enough, each once.
    """
    sizes = {item: _shortest(item) for item in items}
    far: set[Item] = set()
    while True:
        places, end = _laid_out(items, sizes, start)
        pool = _pool(items, far)
        words = {value: (end + 3 & ~3) + 4 * index for index, value in enumerate(pool)}
        grown = False
        for item in items:
            size = _needed(item, places, words, far)
            if size > sizes[item]:
                sizes[item] = size
                grown = True
        if not grown:
            break
    code = b"".join(_coded(item, places, words, sizes, far) for item in items)
    if pool:
        code += b"\0" * (-(start + len(code)) % 4)
    return code + b"".join(value.to_bytes(4, "little") for value in pool)


def _pool(items: Iterable[Item], far: set[Item]) -> list[int]:
    return list(
        dict.fromkeys(item.value for item in items if isinstance(item, Number) and item not in far)
    )


def _shortest(item: Item) -> int:
    if isinstance(item, Label):
        return 0
    return 10 if isinstance(item, Address) else 2


def _laid_out(
    items: Iterable[Item], sizes: dict[Item, int], start: int
) -> tuple[dict[Item, int], int]:
    places = {}
    at = start
    for item in items:
        places[item] = at
        at += _size(item, sizes, at)
    return places, at


def _size(item: Item, sizes: dict[Item, int], at: int) -> int:
    """Return the bytes that `item` takes at `at`: what brings a word with it is aligned."""
    size = sizes[item]
    if isinstance(item, Number) and size > 2:
        return 8 + (at & 2)
    if isinstance(item, Jump) and size > 4:
        skip = 2 if item.condition is not None else 0
        return skip + 8 + (at + skip & 2)
    return size


def _needed(item: Item, places: dict[Item, int], words: dict[int, int], far: set[Item]) -> int:
    """Return the least size of `item` as all is laid out, 2, 4 or 8; note numbers too far away."""
    at = places[item]
    if isinstance(item, Number):
        if item not in far and words[item.value] - (at + 4 & ~3) > 0x3FC - 16:
            far.add(item)
        return 8 if item in far else 2
    if isinstance(item, Jump):
        away = places[item.target] - at - 4
        if item.condition is not None and -256 <= away < 254:
            return 2
        if -2044 <= away < 2040:
            return 2 if item.condition is None else 4
        if not item.may_be_long:
            raise NotUnderstoodError("a jump has become longer")
        return 8
    return _shortest(item)


def _coded(
    item: Item,
    places: dict[Item, int],
    words: dict[int, int],
    sizes: dict[Item, int],
    far: set[Item],
) -> bytes:
    at = places[item]
    halves: list[int] = []
    if isinstance(item, Plain):
        halves = [item.code]
    elif isinstance(item, Number) and item in far:
        halves = [_NOP] * (at >> 1 & 1)
        halves += [0x4800 | item.register << 8, _OVER_WORD, item.value & 0xFFFF, item.value >> 16]
    elif isinstance(item, Number):
        halves = [0x4800 | item.register << 8 | (words[item.value] - (at + 4 & ~3)) >> 2]
    elif isinstance(item, Address):
        register = item.register
        offset = places[item.target] + 1 - at - 12 & 0xFFFF
        halves = [
            0x2000 | register << 8 | offset >> 8,
            0x0200 | register << 3 | register,
            0x3000 | register << 8 | offset & 0xFF,
            0xB200 | register << 3 | register,
            0x4478 | register,
        ]
    elif isinstance(item, Jump):
        halves = _coded_jump(item, at, places[item.target], sizes[item])
    return b"".join(half.to_bytes(2, "little") for half in halves)


def _coded_jump(jump: Jump, at: int, target: int, size: int) -> list[int]:
    halves: list[int] = []
    if jump.condition is not None and size == 2:
        return [0xD000 | jump.condition << 8 | (target - at - 4) >> 1 & 0xFF]
    if jump.condition is not None:
        skip = 2 if size <= 4 else 8 + (at + 2 & 2)
        halves = [0xD000 | (jump.condition ^ 1) << 8 | (skip - 2) >> 1]
        at += 2
    if size <= 4:
        return [*halves, 0xE000 | (target - at - 4) >> 1 & 0x7FF]
    if at & 2:
        halves.append(_NOP)
        at += 2
    away = target - at - 6 & 0xFFFFFFFF
    return [*halves, 0x4900, _ADD_PC_R1, away & 0xFFFF, away >> 16]
