"""Machine code that is written shorter does what the compiler's does, and what Python does."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from thumb_machine import Machine, call_address

from bulkhead_host.bench.images import kernel_modules
from bulkhead_host.image import mpy, tighten
from bulkhead_host.image.mpy import compile_module
from bulkhead_host.image.thumb import NotUnderstoodError, read
from bulkhead_host.paths import mpy_cross_program, source_root
from bulkhead_host.system.fold import fold_tree
from bulkhead_host.system.merge import merge

MEMORY = 0x2000_0000
WORDS = 64
OBJECTS = 0x0001_0000
# Of `mp_fun_table` in `py/nativeglue.h` of MicroPython 1.26.
TO_NATIVE, TO_OBJECT, SWAP_GLOBALS, LOAD_GLOBAL, CALL_N, NLR_PUSH, NLR_POP = 3, 4, 5, 7, 27, 32, 33
ANSWERS = {SWAP_GLOBALS: OBJECTS, LOAD_GLOBAL: 0, NLR_PUSH: 0, NLR_POP: 0}

Both = tuple[bytes, bytes]

PROGRAMS = """
import micropython
@micropython.viper
def compared(w: ptr32, a: int, b: int, c: int) -> int:
    n = 0
    if a < b: n += 1
    if a <= b and b != c: n += 2
    if a == b or not b > c: n += 4
    if a >= c: n += 8
    if (a ^ b) < 0: n += 16
    if not a: n += 32
    return n if n != 7 else -n
@micropython.viper
def looked_up(w: ptr32, a: int, b: int, c: int) -> int:
    task = (a & 31) + 1
    if w[task + 5] & 7 == 0:
        w[task + 5] += 3
        w[task] = w[task + 5] + w[7]
    w[0] = w[task + 1] | 0x3FFFFFFF & w[task + 2]
    w[b & 15] = c
    return w[task] - w[0] + 300 - 7
@micropython.viper
def turned(w: ptr32, a: int, b: int, c: int) -> int:
    total = 0
    at = 0
    while at < 12:
        if w[at] & 1:
            at += 1
            continue
        total ^= w[at] << (at & 3)
        if total >> 20 > (c & 0xFF):
            break
        at += 1
    else:
        total += 100000
    for i in range(a & 7):
        total += i * b
    return total
@micropython.viper
def many(w: ptr32, a: int, b: int, c: int) -> int:
    d = a + b
    e = d - c
    f = e * 3
    g = f & 0xFFFF
    h = g | d << 2
    i = h ^ e
    j = i + d + e + f + g
    if j > 70000:
        j -= 70000
        w[9] = j
    elif j > 1000 and d < e:
        w[10] = d
        j = f
    return -(j + h) + ~i
@micropython.viper
def by_half(w: ptr32, a: int, b: int, c: int) -> int:
    p = ptr16(w)
    q = ptr8(w)
    p[3] = a
    q[9 + (b & 3)] = b
    q[40] = c
    p[a & 15] = q[b & 31] + p[35]
    return p[3] + q[9] + p[4]
@micropython.viper
def asked(w: ptr32, a: int, b: int, c: int) -> int:
    x = int(other(a, b))
    if x > c:
        w[1] = x
        x = int(other(x, c)) + x
    w[2] = x
    return x + int(other(b, 300)) * int(other(a & 1, b))
@micropython.native
def plainly(w, a, b, c):
    return other(a, c) if a is b else other(b, other(c, w))
"""


def other(one: int, two: int) -> int:
    return (3 * one - two ^ 5) & 0xFFF


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Both]]:
    """Return what compiles a module: of each native function the compiler's code, and ours."""
    seen: list[Both] = []
    shorter = tighten._shorter

    def record(code: bytes, start: int) -> bytes:
        made = shorter(code, start)
        seen.append((code[:start] + code[start:], code[:start] + made))
        return made

    monkeypatch.setattr(tighten, "_shorter", record)
    monkeypatch.setattr(mpy, "kept", lambda _path, make, **_: make())  # nothing from the cache

    def compile_one(source: bytes, name: str = "m.py") -> list[Both]:
        seen.clear()
        compile_module(source, name, architecture="armv6m", mpy_cross=mpy_cross_program())
        return list(seen)

    return compile_one


def python_functions() -> dict[str, Callable[..., int]]:
    """Return the programs as CPython runs them; `w` is a list of words, by which all is kept."""
    lines = PROGRAMS.replace("import micropython", "")
    names: dict[str, Any]
    micropython = SimpleNamespace(viper=lambda f: f, native=lambda f: f)
    names = {"micropython": micropython, "other": other}
    names |= {"ptr32": int, "ptr16": lambda w: Narrow(w, 16), "ptr8": lambda w: Narrow(w, 8)}
    exec(lines, names)
    return {name: names[name] for name in names if f"def {name}(" in lines}


class Words(list[int]):
    """Words of 32 bits, as ptr32 gives them: with a sign."""

    def __setitem__(self, index: int, value: int) -> None:  # type: ignore[override]
        super().__setitem__(index, signed(value))


class Narrow:
    """The same words, by 8 or 16 bits."""

    def __init__(self, words: Words, bits: int) -> None:
        self.words, self.bits, self.each = words, bits, 32 // bits

    def __getitem__(self, index: int) -> int:
        word = self.words[index // self.each] >> index % self.each * self.bits
        return word & (1 << self.bits) - 1

    def __setitem__(self, index: int, value: int) -> None:
        at, shift = index // self.each, index % self.each * self.bits
        mask = (1 << self.bits) - 1
        self.words[at] = self.words[at] & ~(mask << shift) | (value & mask) << shift


def signed(value: int) -> int:
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value


def run(code: bytes, words: list[int], arguments: tuple[int, ...], seed: int) -> tuple[int, int]:
    """Run a viper function; return its result, and instructions. `words` become what it left."""

    def called(index: int, given: list[int]) -> int:
        if index == TO_OBJECT:
            return given[0] << 1 | 1
        if index == TO_NATIVE:
            return signed(given[0]) >> (given[0] & 1)
        if index in ANSWERS:
            return ANSWERS[index]
        assert index == CALL_N, f"it calls number {index}"
        at = given[2]
        one, two = (signed(machine.load(at + 4 * number)) >> 1 for number in range(2))
        return other(one, two) << 1 | 1

    machine = Machine(code, called, seed)
    for index, word in enumerate(words):
        machine.store(MEMORY + 4 * index, word)
    table, context, function, given = (OBJECTS + 0x1000 * one for one in range(4))
    for index in range(100):
        machine.store(table + 4 * index, call_address(index))
        machine.store(OBJECTS + 0x8000 + 4 * index, table)
    machine.store(function + 4, context)
    for offset in range(0, 32, 4):
        machine.store(context + offset, OBJECTS + 0x8000)
    for index, argument in enumerate((MEMORY, *(one << 1 | 1 for one in arguments))):
        machine.store(given + 4 * index, argument)
    result = machine.run(function, 4, 0, given)
    words[:] = [signed(machine.load(MEMORY + 4 * index)) for index in range(len(words))]
    return signed(result) >> 1, machine.steps


def test_viper_functions_do_what_the_compilers_and_python_do(
    compiled: Callable[..., list[Both]],
) -> None:
    """With numbers by chance, near to each other and not; `plainly` takes objects."""
    functions = python_functions()
    found = compiled(PROGRAMS.encode())
    assert len(found) == len(functions) == 7
    chance = random.Random(7)
    for (name, function), (theirs, ours) in zip(functions.items(), found, strict=True):
        if name == "plainly":
            continue
        steps = [0, 0]
        for seed in range(100):
            most = chance.choice((2, 9, 300, 100_000))
            arguments = tuple(chance.randint(-most, most) for _ in range(3))
            words = [chance.randint(-most, most) for _ in range(WORDS)]
            expected_words = Words(words)
            expected = signed(function(expected_words, *arguments) << 1) >> 1
            for index, code in enumerate((theirs, ours)):
                left = list(words)
                result, taken = run(code, left, arguments, seed)
                assert (result, left) == (expected, list(expected_words)), (name, index, arguments)
                steps[index] += taken
        assert steps[1] < steps[0]
        assert len(ours) < 0.85 * len(theirs)


def test_every_function_of_the_kernel_is_understood_and_gets_shorter(
    compiled: Callable[..., list[Both]],
) -> None:
    folded = fold_tree(kernel_modules(), source_root() / "firmware", is_whole=True)
    files = merge(folded)
    theirs = ours = count = 0
    for name, source in files.items():
        for before, after in compiled(source, name):
            assert len(after) < len(before), name
            theirs += len(before)
            ours += len(after)
            count += 1
    assert count > 100
    assert ours < 0.75 * theirs


def test_a_jump_that_is_too_far_is_long_and_goes_where_it_went(
    compiled: Callable[..., list[Both]],
) -> None:
    """Over 4 KB, forwards and backwards, with numbers too far from their end of the code."""
    body = "\n".join(f"            w[{n % 60}] ^= a + {n * 70_001 + 70_000}" for n in range(170))
    source = f"""
import micropython
@micropython.viper
def far(w: ptr32, a: int, b: int, c: int) -> int:
    n = 0
    while n < (b & 3):
        n += 1
        if a > c:
{body}
        else:
            w[3] = n
    return n
"""
    names: dict[str, object] = {"ptr32": int}
    exec(source.replace("import micropython", "").replace("@micropython.viper", ""), names)
    ((theirs, ours),) = compiled(source.encode())
    assert len(ours) > 4_096
    for arguments in ((5, 3, 4), (4, 3, 5), (1, 0, 0)):
        expected_words = Words([9] * WORDS)
        expected = names["far"](expected_words, *arguments)  # type: ignore[operator]
        for code in (theirs, ours):
            left = [9] * WORDS
            assert run(code, left, arguments, 1)[0] == expected
            assert left == list(expected_words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0xF000_F800, "a call by an offset"),
        (0x46C0_DF00, "a call of the supervisor"),
        (0x0000_4801, "a number that is elsewhere"),
        (0x4770_C80F, "many registers from memory"),
    ],
)
def test_what_the_compiler_does_not_emit_stays_as_it_is(code: int, words: str) -> None:
    data = code.to_bytes(4, "little")
    assert tighten._shorter(data, 0) == data, words


def test_code_that_jumps_into_an_instruction_is_not_understood() -> None:
    with pytest.raises(NotUnderstoodError, match="midst"):
        read(bytes.fromhex("0048 01e0 1234 5678 fbe7 70bd"))


def test_a_module_keeps_all_but_its_functions(tmp_path: Path) -> None:
    """Names, texts, tuples and functions within functions are where they were."""
    source = b"""
import micropython
KEPT = (1.5, "a text that is no name, being long", b"bytes", (None, 2**70, ...))
def outer(n):
    @micropython.native
    def inner(x, *more, k=3):
        return [n + x for n in more if n > k]
    @micropython.native
    def steps(x):
        yield x
        yield x + 1
    return inner, steps, lambda: KEPT
@micropython.asm_thumb
def added(r0, r1):
    nop()
    add(r0, r0, r1)
"""
    module = compile_module(source, "m.py", architecture="armv6m", mpy_cross=mpy_cross_program())
    given, made = tmp_path / "m.py", tmp_path / "m.mpy"
    given.write_bytes(source)
    options = ["-s", "m.py", "-march=armv6m", "-o", str(made)]
    subprocess.run([str(mpy_cross_program()), *options, str(given)], check=True)
    theirs = made.read_bytes()
    assert len(module) < len(theirs)
    begin = theirs.index(b"outer")
    assert module[:begin] == theirs[:begin]
    assert tighten.tightened(module) == module
