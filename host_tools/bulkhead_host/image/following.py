"""The values of registers and stack places, followed from label to label.

What is known already is not made again, a copy is read where it was made from, and a number that
an instruction can hold is in it.
"""

from collections.abc import Callable, Sequence

from bulkhead_host.image.effects import FLAGS, effect, live_behind
from bulkhead_host.image.thumb import Address, Item, Label, Number, Plain

# Of str, strh, strb, ldrsb, ldr, ldrh, ldrb, ldrsh by two registers: with a number, and its unit.
_BY_NUMBER = {
    **{0: (0x6000, 4), 1: (0x8000, 2), 2: (0x7000, 1)},
    **{4: (0x6800, 4), 5: (0x8800, 2), 6: (0x7800, 1)},
}


def followed(items: Sequence[Item]) -> list[Item]:
    """Follow the values between labels, and use what is known of them."""
    live = live_behind(items)
    result: list[Item] = []
    known = _Known()
    for item, after in zip(items, live, strict=True):
        if isinstance(item, Label):
            known = _Known()
        elif isinstance(item, Number):
            value = known.of_constant(item.value)
            if known.registers[item.register] == value:
                continue
            known.registers[item.register] = value
        elif isinstance(item, Address):
            known.registers[item.register] = known.new()
        elif isinstance(item, Plain):
            is_free = not after & FLAGS  # nothing behind reads the flags
            code = _rewritten(item.code, known, is_free)
            if code is None:
                continue
            _learn(code, known)
            result.append(Plain(code))
            continue
        result.append(item)
    return result


class _Known:
    """What is known of registers and stack places: equal values have equal numbers."""

    def __init__(self) -> None:
        self._numbers = 8
        self.registers = list(range(8))
        self.places: dict[int, int] = {}
        self.constants: dict[int, int] = {}

    def new(self) -> int:
        self._numbers += 1
        return self._numbers

    def constant(self, register: int) -> int | None:
        return self.constants.get(self.registers[register])

    def of_constant(self, value: int) -> int:
        for number, known in self.constants.items():
            if known == value:
                return number
        number = self.new()
        self.constants[number] = value
        return number

    def other(self, register: int) -> int:
        """Return a register with the same value: one that is a variable's, or this one."""
        value = self.registers[register]
        for one in (4, 5, 6, 0, 1, 2, 3):
            if self.registers[one] == value:
                return one
        return register

    def holder(self, value: int) -> int | None:
        for one in (4, 5, 6, 0, 1, 2, 3):
            if self.registers[one] == value:
                return one
        return None


def _rewritten(code: int, known: _Known, is_free: bool) -> int | None:
    """Return an instruction of the same effect that needs less, None if it has none."""
    kind = code >> 12
    if code >> 8 == 0x46 or code >> 11 == 0x2000 >> 11 or kind == 9:
        return _moved(code, known, is_free)
    if kind == 0 or code >> 11 == 2:
        source = known.other(code >> 3 & 7)
        if code & 0xFFC0 == 0 and is_free:
            return _moved(0x4600 | code & 0x3F, known, is_free)
        return code & ~0x38 | source << 3
    if kind == 1:
        return _sum(code, known, is_free)
    if code >> 11 == 0x2800 >> 11:
        return code & ~0x700 | known.other(code >> 8 & 7) << 8
    if code >> 6 == 0x4280 >> 6:
        return _comparison(code, known)
    if code >> 10 == 0x4000 >> 10:
        made = _by_number(code, known.constant(code >> 3 & 7), is_free)
        if made is not None:
            return made
        if code >> 6 & 15 in (0, 1, 12, 13, 14) and code >> 3 & 7 != code & 7:
            return code & ~0x38 | known.other(code >> 3 & 7) << 3
        return code
    if kind == 5:
        return _indexed(code, known)
    if kind in (6, 7, 8):
        base = known.other(code >> 3 & 7)
        code = code & ~0x38 | base << 3
        return code if code & 0x800 else code & ~7 | known.other(code & 7)
    return code


def _moved(code: int, known: _Known, is_free: bool) -> int | None:
    """Leave out what gives a register, or a place, the value that it has."""
    if code >> 8 == 0x46:
        target, source = code & 7, code >> 3 & 7
        if known.registers[target] == known.registers[source]:
            return None
        return code & ~0x38 | known.other(source) << 3
    register = code >> 8 & 7
    if code >> 12 == 2:
        value = known.of_constant(code & 0xFF)
        return None if is_free and known.registers[register] == value else code
    place = known.places.get(code & 0xFF)
    if not code & 0x800:
        if place is not None and place == known.registers[register]:
            return None
        return code & ~0x700 | known.other(register) << 8
    if place is None:
        return code
    if place == known.registers[register]:
        return None
    holder = known.holder(place)
    if holder is not None:
        return 0x4600 | holder << 3 | register
    return code


def _sum(code: int, known: _Known, is_free: bool) -> int:
    """Have a number that is added, or taken away, in the instruction."""
    target, left, right = code & 7, known.other(code >> 3 & 7), code >> 6 & 7
    takes = code & 0x200
    if code & 0x400:
        return code & ~0x38 | left << 3
    number = known.constant(right)
    if number is None and not takes and known.constant(left) is not None:
        left, right = right, left
        left = known.other(left)
        number = known.constant(right)
    if number is not None and number < 256:
        if number == 0 and is_free:
            return 0x4600 | left << 3 | target
        if known.registers[target] == known.registers[left] and number > 7:
            return (0x3800 if takes else 0x3000) | target << 8 | number
        if number < 8:
            return 0x1C00 | takes | number << 6 | left << 3 | target
    return 0x1800 | takes | known.other(right) << 6 | left << 3 | target


def _comparison(code: int, known: _Known) -> int:
    left, right = known.other(code & 7), known.other(code >> 3 & 7)
    number = known.constant(code >> 3 & 7)
    if number is not None and number < 256:
        return 0x2800 | left << 8 | number
    return 0x4280 | right << 3 | left


def _by_number(code: int, number: int | None, is_free: bool) -> int | None:
    """Return an instruction with the number in it that a register has, or None."""
    operation, target = code >> 6 & 15, code & 7
    if number in (0xFF, 0xFFFF) and operation == 0 and is_free:
        return (0xB2C0 if number == 0xFF else 0xB280) | target << 3 | target
    shift = {2: 0x0000, 3: 0x0800, 4: 0x1000}.get(operation)
    if shift is not None and number is not None and 0 < number < 32:
        return shift | number << 6 | target << 3 | target
    return None


def _indexed(code: int, known: _Known) -> int:
    operation = code >> 9 & 7
    value = code & 7 if operation >= 3 else known.other(code & 7)
    base, index = known.other(code >> 3 & 7), code >> 6 & 7
    number = known.constant(index)
    if number is not None and operation in _BY_NUMBER:
        made, unit = _BY_NUMBER[operation]
        if number % unit == 0 and number // unit < 32:
            return made | number // unit << 6 | base << 3 | value
    return code & 0xFE00 | known.other(index) << 6 | base << 3 | value


def _learn(code: int, known: _Known) -> None:
    """Note what an instruction does to registers and places."""
    written = effect(code)[1] & 0xFF
    value = _value(code, known)
    if code >> 11 == 0x9000 >> 11:
        known.places[code & 0xFF] = known.registers[code >> 8 & 7]
    if code >> 8 in (0x47, 0xB0, 0xB4, 0xB5, 0xBC, 0xBD):  # a call, or the stack moves
        known.places.clear()
    for register in range(8):
        if written >> register & 1:
            known.registers[register] = known.new() if value is None else value
    if code >> 11 == 0x9800 >> 11:
        known.places[code & 0xFF] = known.registers[code >> 8 & 7]


def _value(code: int, known: _Known) -> int | None:
    """Return the number of the value that an instruction gives a register, None for a new one."""
    if code >> 8 == 0x46:
        return known.registers[code >> 3 & 7]
    if code >> 11 == 0x2000 >> 11:
        return known.of_constant(code & 0xFF)
    if code >> 11 == 0x9800 >> 11:
        return known.places.get(code & 0xFF)
    computed = _computed(code, known.constant)
    return None if computed is None else known.of_constant(computed & 0xFFFFFFFF)


def _computed(code: int, constant: Callable[[int], int | None]) -> int | None:
    """Return the number that an instruction makes of numbers."""
    if code >> 11 == 0:
        number = constant(code >> 3 & 7)
        return None if number is None else number << (code >> 6 & 31)
    if code >> 12 == 3:
        number = constant(code >> 8 & 7)
        return None if number is None else number + (-1 if code & 0x800 else 1) * (code & 0xFF)
    return None
