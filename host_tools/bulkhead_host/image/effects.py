"""What instructions for the Cortex-M0+ read and write, as bits of numbers.

Bits 0 to 7 are registers, 8 the flags, from 9 on places on the stack. It is MicroPython's own
compiler that has made them: register 7 points to `mp_fun_table`, what is called may change the
first four registers, and may read all of the stack.
"""

from collections import Counter
from collections.abc import Sequence

from bulkhead_host.image.thumb import (
    R0,
    Address,
    Item,
    Jump,
    Label,
    NotUnderstoodError,
    Number,
    Plain,
)

FLAGS = 1 << 8
_PLACES = 9
_ALL_PLACES = (1 << 256) - 1 << _PLACES
_ALL = 0x1FF | _ALL_PLACES
_CALLED = 0x0F  # what a called function is given, and may change
_MOVE, _COMPARE = range(2)
_CMP = 10
_CALL = 0x4798  # of what register 3 points to
_FROM_TABLE, _FROM_TABLE_BY_3 = 0x683B, 0x58FB  # register 3 from the table at register 7
# How many arguments the functions of `mp_fun_table` take that are called most, by their number
# in `py/nativeglue.h`; others may take four.
_ARGUMENTS = {
    **{3: 2, 4: 2, 5: 1, 6: 1, 7: 1, 9: 2, 10: 3, 12: 2, 13: 2, 14: 3, 15: 3, 16: 1, 17: 2},
    **{18: 3, 19: 2, 20: 2, 27: 3, 28: 3, 30: 2, 31: 1, 32: 1, 33: 0, 34: 1},
}


def effect(code: int) -> tuple[int, int]:
    """Return the registers that an instruction reads and those that it writes, as bits.

    Flags are written where all four are: what changes some of them is said to change none, so
    that no comparison before it is left out.
    """
    low, middle, high = 1 << (code & 7), 1 << (code >> 3 & 7), 1 << (code >> 6 & 7)
    at_8 = 1 << (code >> 8 & 7)
    kind = code >> 12
    if kind == 0 or code >> 11 == 2:  # a shift by a number
        return middle, low
    if kind == 1:
        return middle | (0 if code & 0x400 else high), low | FLAGS
    if kind in (2, 3):
        operation = code >> 11 & 3
        reads = 0 if operation == _MOVE else at_8
        writes = FLAGS if operation == _COMPARE else at_8
        return reads, writes | (FLAGS if operation > _MOVE else 0)
    if code >> 10 == 0x4000 >> 10:
        return _effect_of_two(code >> 6 & 15, low, middle)
    if code >> 8 == 0x46 and not code & 0xC0:
        return middle, low
    if code & 0xFF87 == 0x4780 and code >> 3 & 15 < 8:  # a call
        return _CALLED | middle | _ALL_PLACES, _CALLED | FLAGS
    if code & 0xFF87 == 0x4700 and code >> 3 & 15 < 8:  # a jump to an address
        return _ALL, 0
    return _effect_on_memory(code, low, middle, high, at_8)


def _effect_of_two(operation: int, low: int, middle: int) -> tuple[int, int]:
    if operation in (5, 6):  # with the carry
        return low | middle | FLAGS, low | FLAGS
    if operation in (9, 15):
        return middle, low
    return low | middle, FLAGS if operation in (_CMP, 11) else 0 if operation == 8 else low


def _effect_on_memory(code: int, low: int, middle: int, high: int, at_8: int) -> tuple[int, int]:
    kind = code >> 12
    if kind == 5:
        return (middle | high, low) if code >> 9 & 7 >= 3 else (low | middle | high, 0)
    if kind in (6, 7, 8):
        return (middle, low) if code & 0x800 else (low | middle, 0)
    if kind == 9:
        place = 1 << _PLACES + (code & 0xFF)
        return (place, at_8) if code & 0x800 else (at_8, place)
    if code >> 11 == 0xA800 >> 11:
        return 0, at_8
    if code >> 8 == 0xB0:  # the places are others from here on, but at a function's end
        return 0 if not code & 0x80 else _ALL_PLACES, 0
    if code >> 8 == 0xB2:
        return middle, low
    if code >> 9 == 0xB400 >> 9:
        return code & 0xFF | _ALL_PLACES, 0
    if code >> 9 == 0xBC00 >> 9:
        return (1 << R0 if code & 0x100 else _ALL_PLACES), code & 0xFF
    raise NotUnderstoodError(f"what {code:#06x} does is not known")


def ends(item: Item) -> bool:
    """Tell whether what follows is not reached from here: a return, a jump without condition."""
    if isinstance(item, Jump):
        return item.condition is None
    return isinstance(item, Plain) and (item.code >> 8 == 0xBD or item.code & 0xFF87 == 0x4700)


def is_pure(code: int) -> bool:
    """Tell whether an instruction does no more than to write registers."""
    return code >> 12 < 4 or code >> 8 in (0x40, 0x41, 0x42, 0x43, 0x46, 0xB2) or (
        code >> 11 in (0x9800 >> 11, 0xA800 >> 11)
    )  # fmt: skip


def may_set_flags(code: int) -> bool:
    """Tell whether an instruction writes the flags, or some of its group do."""
    return code >> 12 < 4 or code >> 10 == 0x4000 >> 10


def read_and_written(item: Item) -> tuple[int, int]:
    """Return the registers that an item reads, and those that it writes, a bit each."""
    if isinstance(item, Plain):
        return effect(item.code)
    if isinstance(item, Number):
        return 0, 1 << item.register
    if isinstance(item, Address):  # made by additions
        return 0, 1 << item.register | FLAGS
    if isinstance(item, Jump):
        return 0 if item.condition is None else FLAGS, 0
    return 0, 0


def live_behind(items: Sequence[Item]) -> list[int]:
    """Return for each item the registers and flags that are read behind it before written."""
    behind = [0] * len(items)
    at_label: dict[Label, int] = {}
    changed = True
    while changed:
        changed = False
        live = 0
        for index in range(len(items) - 1, -1, -1):
            item = items[index]
            if isinstance(item, Jump):
                there = at_label.get(item.target, 0)
                live = there if item.condition is None else live | there
            elif ends(item):
                live = 0
            behind[index] = live
            read, written = read_and_written(item)
            if isinstance(item, Plain) and item.code == _CALL:
                read &= ~_CALLED | _given(items[max(0, index - 2) : index])
            live = live & ~written | read
            if isinstance(item, Label) and at_label.get(item) != live:
                at_label[item] = live
                changed = True
    return behind


def _given(before: Sequence[Item]) -> int:
    """Return the registers by which a function is called that register 3 has just been given."""
    codes = [item.code if isinstance(item, Plain) else 0 for item in before]
    index = -1
    if codes and codes[-1] & ~0x7C0 == _FROM_TABLE:
        index = codes[-1] >> 6 & 31
    elif len(codes) == 2 and codes[1] == _FROM_TABLE_BY_3 and codes[0] >> 8 == 0x23:
        index = (codes[0] & 0xFF) // 4
    return (1 << _ARGUMENTS.get(index, 4)) - 1 | 1 << 3


def uses(items: Sequence[Item]) -> Counter[Label]:
    """Count who jumps to a label, or takes its address."""
    return Counter(item.target for item in items if isinstance(item, Address | Jump))


def fields(code: int) -> tuple[int, ...]:
    """Return where in an instruction its registers are: the bit that each begins at."""
    kind = code >> 12
    if kind in (2, 3, 9, 0xA):
        return (8,)
    if kind == 5 or (kind == 1 and code >> 11 == 3 and not code & 0x400):
        return 0, 3, 6
    return 0, 3


def made_by(code: int) -> int | None:
    """Return the register whose value an instruction has just set the flags by, or None."""
    kind = code >> 12
    if kind in (0, 1) and code & 0xFFC0:
        return code & 7
    if code >> 11 in (4, 6, 7):
        return code >> 8 & 7
    if code >> 10 == 0x4000 >> 10 and code >> 6 & 15 in (0, 1, 2, 3, 4, 9, 12, 13, 14, 15):
        return code & 7
    return None


def written_alone(item: Item) -> int | None:
    """Return the register that an item writes and may as well not read, None without one."""
    if isinstance(item, Number):
        return item.register
    if not isinstance(item, Plain):
        return None
    code = item.code
    kind = code >> 12
    if code >> 11 in (4, 0x9800 >> 11, 0xA800 >> 11):
        return code >> 8 & 7
    loads = (kind == 5 and code >> 9 & 7 >= 3) or (kind in (6, 7, 8) and code & 0x800)
    makes = kind in (0, 1) or code >> 8 in (0x46, 0xB2) or code >> 6 in (0x109, 0x10F)
    return code & 7 if loads or makes else None
