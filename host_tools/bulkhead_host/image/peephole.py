"""Shorter code of the same effect, of what `thumb.read` has read.

MicroPython's compiler keeps nothing in mind from one operation to the next: a comparison makes a
number that the jump behind it compares again, an operand is copied to where the operation wants
it, a number that an instruction could hold has a register. Each step here mends one of those;
they are made until none finds anything. Loads and stores but those of the stack are left as they
are: they may be of the chip's registers. What is on the stack at a call stays there: a collection
looks for objects in it.
"""

from collections import Counter
from collections.abc import Sequence

from bulkhead_host.image.effects import (
    FLAGS,
    effect,
    ends,
    fields,
    is_pure,
    live_behind,
    made_by,
    may_set_flags,
    read_and_written,
    uses,
    written_alone,
)
from bulkhead_host.image.following import followed
from bulkhead_host.image.thumb import EQ, NE, R0, Item, Jump, Label, Number, Plain

_ROUNDS = 12


def shorten(items: Sequence[Item]) -> list[Item]:
    """Return code that does the same in fewer bytes, and in no more cycles.

    Raises NotUnderstoodError for an instruction whose effect is not known here.
    """
    result = list(items)
    for _ in range(_ROUNDS):
        before = len(result), [item.code for item in result if isinstance(item, Plain)]
        for step in _STEPS:
            result = step(result)
        if before == (len(result), [item.code for item in result if isinstance(item, Plain)]):
            break
    return result


def _straightened(items: Sequence[Item]) -> list[Item]:
    """Leave out jumps over jumps, to jumps and to what follows, and what nothing reaches."""
    following: dict[Label, Item | None] = {}
    present: Item | None = None
    for item in reversed(items):
        if isinstance(item, Label):
            following[item] = present
        else:
            present = item
    result: list[Item] = []
    for item in items:
        if result and ends(result[-1]) and not isinstance(item, Label):
            continue
        result.append(_straight(item, following))
        _join(result)
    used = uses(result)
    return [item for item in result if not isinstance(item, Label) or used[item]]


def _straight(item: Item, following: dict[Label, Item | None]) -> Item:
    """Return a jump to a jump as one to where that goes, all else as it is."""
    if isinstance(item, Jump):
        after = following[item.target]
        if isinstance(after, Jump) and after.condition is None and after is not item:
            is_long = item.may_be_long or after.may_be_long
            return Jump(after.target, item.condition, is_long)
    return item


def _join(result: list[Item]) -> None:
    """Leave out a jump to the label that was put behind it last, or over a jump to elsewhere."""
    label = result[-1]
    if not isinstance(label, Label):
        return
    at = len(result) - 1
    while at and isinstance(result[at - 1], Label):
        at -= 1
    labels = result[at:]
    last = result[at - 1] if at else None
    before = result[at - 2] if at > 1 else None
    if isinstance(last, Jump) and last.target in labels:
        del result[at - 1]
        _join(result)
    elif (
        isinstance(before, Jump)
        and isinstance(last, Jump)
        and before.condition is not None
        and last.condition is None
        and before.target in labels
    ):
        joined = Jump(last.target, before.condition ^ 1, before.may_be_long or last.may_be_long)
        result[at - 2 : at] = [joined]


def _fused(items: Sequence[Item]) -> list[Item]:
    """Have a jump ask what a comparison before it has made a number of.

    The number is 1 or 0, in register 0: `asm_thumb_bcc_rel9` in `py/emitnative.c`.
    """
    used = uses(items)
    live = live_behind(items)
    result: list[Item] = []
    index = 0
    while index < len(items):
        joined = _jump_of_comparison(items[index : index + 8], used, live, index)
        if joined:
            result.append(joined)
            index += 8
        else:
            result.append(items[index])
            index += 1
    return result


def _jump_of_comparison(
    part: Sequence[Item], used: Counter[Label], live: Sequence[int], index: int
) -> Jump | None:
    """Return the one jump that does what these items do, if they are such.

    A jump to `one`; no: 0; a jump to `both`; `one`: 1; `both`: compare with 0; the jump.
    """
    if len(part) < 8:
        return None
    asks, no, skips, one, yes, both, compares, jump = part
    if not (
        isinstance(asks, Jump)
        and isinstance(skips, Jump)
        and isinstance(jump, Jump)
        and isinstance(no, Plain)
        and isinstance(yes, Plain)
        and isinstance(compares, Plain)
        and isinstance(one, Label)
        and isinstance(both, Label)
    ):
        return None
    codes = (no.code, yes.code, compares.code)
    if codes != (0x2000, 0x2001, 0x2800) or asks.condition is None or skips.condition is not None:
        return None
    if asks.target is not one or skips.target is not both or used[one] != 1 or used[both] != 1:
        return None
    if jump.condition not in (EQ, NE) or live[index + 7] & (1 << R0 | FLAGS):
        return None
    condition = asks.condition if jump.condition == NE else asks.condition ^ 1
    return Jump(jump.target, condition, jump.may_be_long)


def _without_unread(items: Sequence[Item]) -> list[Item]:
    """Leave out what only gives registers values that nothing reads."""
    result: list[Item] = []
    for item, live in zip(items, live_behind(items), strict=True):
        if isinstance(item, Plain) and is_pure(item.code):
            flags = FLAGS if may_set_flags(item.code) else 0
            if not live & (effect(item.code)[1] | flags):
                continue
        if isinstance(item, Number) and not live & 1 << item.register:
            continue
        result.append(item)
    return result


def _placed(items: Sequence[Item]) -> list[Item]:
    """Have an instruction put its result where the move behind it puts it."""
    live = live_behind(items)
    result: list[Item] = []
    for index, item in enumerate(items):
        before = result[-1] if result else None
        if before is not None and isinstance(item, Plain) and item.code >> 8 == 0x46:
            target, source = item.code & 7, item.code >> 3 & 7
            if written_alone(before) == source and not live[index] & 1 << source:
                result[-1] = _with_result(before, target)
                continue
        result.append(item)
    return result


def _with_result(item: Item, register: int) -> Item:
    if isinstance(item, Number):
        return Number(register, item.value)
    assert isinstance(item, Plain)
    at = 8 if fields(item.code) == (8,) else 0
    return Plain(item.code & ~(7 << at) | register << at)


def _renamed(items: Sequence[Item]) -> list[Item]:
    """Leave out a move from a register that is not read again: go on with that one."""
    live = live_behind(items)
    result = list(items)
    left_out: set[int] = set()
    end = 0
    for index, item in enumerate(items):
        if index > end and isinstance(item, Plain) and item.code >> 8 == 0x46:
            target, source = item.code & 7, item.code >> 3 & 7
            reached = _reach(items, live, index, target, source)
            if reached:
                end = reached
                left_out.add(index)
                for at in range(index + 1, end + 1):
                    result[at] = _with_source(items[at], target, source)
    return [item for index, item in enumerate(result) if index not in left_out]


def _reach(items: Sequence[Item], live: Sequence[int], index: int, one: int, other: int) -> int:
    """Return up to which item register `one` is read that has just been given `other`, or 0.

    0 also if `other` has another value meanwhile, or a jump or a call comes before.
    """
    if one == other or live[index] & 1 << other:
        return 0
    for at in range(index + 1, len(items)):
        item = items[at]
        if not isinstance(item, Plain | Number):
            return 0
        if isinstance(item, Plain) and item.code >> 8 in (0x47, 0xB0, 0xB4, 0xB5, 0xBC, 0xBD):
            return 0
        is_last = not live[at] & 1 << one
        _, written = read_and_written(item)
        is_back = isinstance(item, Plain) and item.code == 0x4600 | one << 3 | other
        if written & 1 << other and not (is_last and is_back):
            return 0
        if is_last:
            return at
    return 0


def _with_source(item: Item, one: int, other: int) -> Item:
    """Return the item with register `other` where it has `one`."""
    if isinstance(item, Number):
        return Number(other, item.value) if item.register == one else item
    assert isinstance(item, Plain)
    code = item.code
    for at in fields(code):
        if code >> at & 7 == one:
            code = code & ~(7 << at) | other << at
    return Plain(code)


def _by_offset(items: Sequence[Item]) -> list[Item]:
    """Have a load at a large offset take it from a register that it then writes."""
    live = live_behind(items)
    result: list[Item] = []
    for index, item in enumerate(items):
        result.append(item)
        last = [one.code if isinstance(one, Plain) else 0 for one in result[-3:]]
        if len(last) < 3 or live[index] & FLAGS:
            continue
        move, add, load = last
        one, base = move & 7, move >> 3 & 7
        if move >> 8 != 0x46 or one == base or add >> 8 != 0x30 | one:
            continue
        if load & 0xF83F == 0x6800 | one << 3 | one:
            offset, by_register = (load >> 6 & 31) * 4, 0x5800
        elif load & 0xF83F == 0x8800 | one << 3 | one:
            offset, by_register = (load >> 6 & 31) * 2, 0x5A00
        else:
            continue
        offset += add & 0xFF
        if offset < 256:
            code = by_register | one << 6 | base << 3 | one
            result[-3:] = [Plain(0x2000 | one << 8 | offset), Plain(code)]
    return result


def _without_zero(items: Sequence[Item]) -> list[Item]:
    """Leave out a comparison with 0 of what has just been made, where a jump asks for no more."""
    live = live_behind(items)
    result: list[Item] = []
    for index, item in enumerate(items):
        after = items[index + 1] if index + 1 < len(items) else None
        before = result[-1] if result else None
        if (
            isinstance(item, Plain)
            and isinstance(before, Plain)
            and isinstance(after, Jump)
            and item.code & 0xF8FF == 0x2800
            and after.condition in (EQ, NE)
            and not live[index + 1] & FLAGS
            and made_by(before.code) == item.code >> 8 & 7
        ):
            continue
        result.append(item)
    return result


_STEPS = (
    *(_straightened, _fused, followed, _without_unread),
    *(_placed, _renamed, _by_offset, _without_zero),
)
