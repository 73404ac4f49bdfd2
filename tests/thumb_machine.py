"""A Cortex-M0+ for functions of MicroPython's compilers, which calls what it is not given.

Of the ARMv6-M Architecture Reference Manual (DDI 0419, A6.7) what `py/asmthumb.c` of MicroPython
emits. A called function is a Python one; what it may change has then changed.
"""

import random
from collections.abc import Callable

STACK = 0x2000_8000
_RETURN = 0xFFFF_FFFF
_CODE = 0x1000_0000
_CALLS = 0x0000_4000
_WORD = 0xFFFF_FFFF
_STEPS_MAX = 20_000


def call_address(index: int) -> int:
    """Return the address of the called function of that number."""
    return _CALLS + 2 * index | 1


class Machine:
    """Memory by word, and the registers; `steps` counts instructions."""

    def __init__(self, code: bytes, called: Callable[[int, list[int]], int], seed: int) -> None:
        self.code = code
        self.called = called
        self.chance = random.Random(seed)
        self.memory: dict[int, int] = {}
        self.registers = [self.chance.getrandbits(32) for _ in range(16)]
        self.flags = (False, False, False, False)  # N Z C V
        self.steps = 0

    def run(self, *arguments: int) -> int:
        """Call the code from its begin, with up to four arguments; return what it returns."""
        r = self.registers
        r[: len(arguments)] = arguments
        kept = r[4:8]
        r[13], r[14], r[15] = STACK, _RETURN, _CODE
        while r[15] != _RETURN & ~1:
            self.steps += 1
            assert self.steps < _STEPS_MAX, "it does not end"
            self._step()
        assert r[13] == STACK
        assert r[4:8] == kept
        return r[0]

    def load(self, address: int, size: int = 4) -> int:
        if _CODE <= address < _CODE + len(self.code):
            at = address - _CODE
            return int.from_bytes(self.code[at : at + size], "little")
        assert address % size == 0, f"a load of {size} from {address:#x}"
        word = self.memory.get(address & ~3, 0) >> 8 * (address & 3)
        return word & (1 << 8 * size) - 1

    def store(self, address: int, value: int, size: int = 4) -> None:
        assert address % size == 0, f"a store of {size} to {address:#x}"
        shift = 8 * (address & 3)
        mask = (1 << 8 * size) - 1
        word = self.memory.get(address & ~3, 0) & ~(mask << shift)
        self.memory[address & ~3] = word | (value & mask) << shift

    def _add(self, left: int, right: int, carry: int) -> int:
        total = left + right + carry
        result = total & _WORD
        overflow = bool(~(left ^ right) & (left ^ result) & 1 << 31)
        self.flags = (bool(result >> 31), result == 0, total > _WORD, overflow)
        return result

    def _set(self, register: int, value: int) -> None:
        value &= _WORD
        self.registers[register] = value
        self.flags = (bool(value >> 31), value == 0, *self.flags[2:])

    def _step(self) -> None:  # noqa: C901, PLR0912, PLR0915
        r = self.registers
        pc = r[15]
        code = self.load(pc, 2)
        r[15] = pc + 2
        low, middle, high, at_8 = code & 7, code >> 3 & 7, code >> 6 & 7, code >> 8 & 7
        by = code >> 6 & 31
        kind = code >> 11
        if kind == 0:
            self._set(low, r[middle] << by)
        elif kind == 1:
            self._set(low, r[middle] >> (by or 32))
        elif kind == 2:
            self._set(low, _signed(r[middle]) >> (by or 32))
        elif kind == 3:
            other = high if code & 0x400 else r[high]
            takes = code & 0x200
            r[low] = self._add(r[middle], other ^ _WORD if takes else other, 1 if takes else 0)
        elif kind == 4:
            self._set(at_8, code & 0xFF)
        elif kind == 5:
            self._add(r[at_8], code & 0xFF ^ _WORD, 1)
        elif kind == 6:
            r[at_8] = self._add(r[at_8], code & 0xFF, 0)
        elif kind == 7:
            r[at_8] = self._add(r[at_8], code & 0xFF ^ _WORD, 1)
        elif code >> 10 == 0x10:
            self._of_two(code >> 6 & 15, low, r[middle])
        elif code >> 8 == 0x46:
            r[low | code >> 4 & 8] = r[code >> 3 & 15]
        elif code == 0x448F:
            r[15] = pc + 4 + r[1] & ~1 & _WORD
        elif code & 0xFFF8 == 0x4478:
            r[low] = pc + 4 + r[low] & _WORD
        elif code >> 7 == 0x4780 >> 7:
            self._call(r[code >> 3 & 15])
        elif kind == 9:
            r[at_8] = self.load((pc + 4 & ~3) + 4 * (code & 0xFF))
        elif kind in (10, 11):
            self._by_register(code >> 9 & 7, low, r[middle] + r[high] & _WORD)
        elif kind in (12, 13, 14, 15, 16, 17):
            size = (4, 1, 2)[(kind - 12) // 2]
            address = r[middle] + by * size & _WORD
            if kind & 1:
                r[low] = self.load(address, size)
            else:
                self.store(address, r[low], size)
        elif kind == 18:
            self.store(r[13] + 4 * (code & 0xFF), r[at_8])
        elif kind == 19:
            r[at_8] = self.load(r[13] + 4 * (code & 0xFF))
        elif kind == 21:
            r[at_8] = r[13] + 4 * (code & 0xFF)
        elif code >> 8 == 0xB0:
            r[13] += -4 * (code & 0x7F) if code & 0x80 else 4 * (code & 0x7F)
        elif code >> 6 == 0xB200 >> 6:
            r[low] = (r[middle] & 0x7FFF) - (r[middle] & 0x8000) & _WORD
        elif code >> 7 == 0xB280 >> 7:
            r[low] = r[middle] & (0xFF if code & 0x40 else 0xFFFF)
        elif code >> 9 == 0xB400 >> 9:
            self._push([one for one in range(8) if code >> one & 1] + [14] * (code >> 8 & 1))
        elif code >> 9 == 0xBC00 >> 9:
            self._pop([one for one in range(8) if code >> one & 1] + [15] * (code >> 8 & 1))
        elif code >> 12 == 13 and self._holds(code >> 8 & 15):
            r[15] = pc + 4 + 2 * ((code & 0x7F) - (code & 0x80))
        elif kind == 28:
            r[15] = pc + 4 + 2 * ((code & 0x3FF) - (code & 0x400))
        else:
            assert code == 0xBF00 or code >> 12 == 13, f"{code:#06x} at {pc - _CODE}"

    def _of_two(self, operation: int, low: int, other: int) -> None:
        one = self.registers[low]
        by = other & 0xFF
        if operation == 10:
            self._add(one, other ^ _WORD, 1)
        elif operation == 9:
            self.registers[low] = self._add(0, other ^ _WORD, 1)
        else:
            made = {
                **{0: one & other, 1: one ^ other, 2: one << by, 3: one >> by},
                **{4: _signed(one) >> by, 12: one | other, 13: one * other, 15: ~other},
            }
            self._set(low, made[operation])

    def _by_register(self, operation: int, low: int, address: int) -> None:
        size = {0: 4, 1: 2, 2: 1, 4: 4, 5: 2, 6: 1}[operation]
        if operation < 3:
            self.store(address, self.registers[low], size)
        else:
            self.registers[low] = self.load(address, size)

    def _push(self, pushed: list[int]) -> None:
        self.registers[13] -= 4 * len(pushed)
        for index, one in enumerate(pushed):
            self.store(self.registers[13] + 4 * index, self.registers[one])

    def _pop(self, popped: list[int]) -> None:
        for index, one in enumerate(popped):
            self.registers[one] = self.load(self.registers[13] + 4 * index)
        self.registers[13] += 4 * len(popped)
        self.registers[15] &= ~1

    def _call(self, address: int) -> None:
        r = self.registers
        r[0] = self.called(address - _CALLS >> 1, r[:4]) & _WORD
        r[1:4] = [self.chance.getrandbits(32) for _ in range(3)]
        self.flags = (True, True, True, True)

    def _holds(self, condition: int) -> bool:
        n, z, c, v = self.flags
        holds = (z, c, n, v, c and not z, n == v, not z and n == v)[condition >> 1]
        return holds != bool(condition & 1)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
