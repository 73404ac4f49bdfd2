"""A `.mpy` with its machine code for the Cortex-M0+ written shorter, see `peephole`.

The format is MicroPython 1.26's (`read_raw_code` in `tools/mpy-tool.py`): a function is its length
and kind, its data, for a native one where the prelude is in it, and the functions within. Numbers
have 7 bits a byte, the highest first.
"""

import inspect
import sys
from dataclasses import dataclass

from bulkhead_host.image import effects, following, peephole, thumb
from bulkhead_host.image.peephole import shorten
from bulkhead_host.image.thumb import NotUnderstoodError, read, write

ARCHITECTURE = "armv6m"
_BYTECODE, _NATIVE, _VIPER, _ASSEMBLER = range(4)
_HAS_CHILDREN = 4
_LENGTH_SHIFT = 3
_GENERATOR = 1
_SECTIONS = 0x70  # a viper function that was linked has more behind its flags
_WORD = 4
_HAS_MORE = 0x80  # of a number's byte
# Objects of the table: the first kinds have no bytes; 5 and 6, texts, end in a 0; 10 has others.
_WITHOUT_BYTES, _WITH_END, _TUPLE = range(5), (5, 6), 10


def tightened(mpy: bytes) -> bytes:
    """Return a module with its native and viper functions shorter, or as they were.

    A function in assembler, a native generator and one that has something unexpected stay.
    """
    reader = _Mpy(mpy, at=4)
    names, objects = reader.number(), reader.number()
    for _ in range(names):
        reader.skip_name()
    for _ in range(objects):
        reader.skip_object()
    head = mpy[: reader.at]
    return head + _function(reader) + mpy[reader.at :]


def own_source() -> str:
    """Return the source of all that writes it: a cache of what is made goes by that."""
    modules = (effects, following, peephole, thumb, sys.modules[__name__])
    return "".join(inspect.getsource(module) for module in modules)


@dataclass
class _Mpy:
    data: bytes
    at: int

    def number(self) -> int:
        value = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value = value << 7 | byte & 0x7F
            if not byte & _HAS_MORE:
                return value

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def skip_name(self) -> None:
        length = self.number()
        if not length & 1:
            self.take((length >> 1) + 1)

    def skip_object(self) -> None:
        kind = self.take(1)[0]
        if kind in _WITHOUT_BYTES:
            return
        length = self.number()
        if kind == _TUPLE:
            for _ in range(length):
                self.skip_object()
        else:
            self.take(length + (kind in _WITH_END))


def _function(reader: _Mpy) -> bytes:
    """Read a function with those within, and return it with shorter code."""
    head = reader.number()
    kind = head & 3
    data = reader.take(head >> _LENGTH_SHIFT)
    start = reader.at
    prelude = None
    if kind == _NATIVE:
        prelude = reader.number()
        data, prelude = _shorter_native(data, prelude)
    elif kind == _VIPER:
        flags = reader.number()
        if flags & _SECTIONS:
            raise NotUnderstoodError("a viper function with sections of its own")
        data = _shorter(data, 0)
    elif kind == _ASSEMBLER:
        for _ in range(3):
            reader.number()
    behind = reader.data[start : reader.at] if prelude is None else _encoded(prelude)
    made = _encoded(len(data) << _LENGTH_SHIFT | head & 7) + data + behind
    if head & _HAS_CHILDREN:
        count = reader.number()
        made += _encoded(count) + b"".join(_function(reader) for _ in range(count))
    return made


def _shorter_native(data: bytes, prelude: int) -> tuple[bytes, int]:
    """Shorten a native function's code: between the word that it begins with and its prelude."""
    if _scope_flags(data[prelude:]) & _GENERATOR:
        return data, prelude
    code = data[:_WORD] + _shorter(data[:prelude], _WORD)
    return code + data[prelude:], len(code)


def _scope_flags(prelude: bytes) -> int:
    """Return the flags in a prelude: `read_prelude_sig` of `mpy-tool.py`."""
    flags = 0
    for index, byte in enumerate(prelude):
        if index:
            flags |= (byte >> 6 & 1) << index - 1
        if not byte & _HAS_MORE:
            break
    return flags


def _shorter(code: bytes, start: int) -> bytes:
    try:
        made = write(shorten(read(code, start)), start)
    except NotUnderstoodError:
        return code[start:]
    return min(made, code[start:], key=len)


def _encoded(number: int) -> bytes:
    made = [number & 0x7F]
    while number := number >> 7:
        made.append(number & 0x7F | _HAS_MORE)
    return bytes(reversed(made))
