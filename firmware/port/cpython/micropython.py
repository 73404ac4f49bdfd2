"""MicroPython's `micropython` module, as far as the kernel needs it, for CPython.

The emitters' decorators change nothing here, and viper's pointer casts return the array they are
given: indexing it means the same. Only the simulator and the host tools have this folder on
their path.
"""

import builtins


def const(value):
    """Return `value`: CPython folds no constants across statements."""
    return value


COMPILED = set()


def native(function):
    """Return `function` as it is; note that a board compiles it, so it reaches no branch."""
    COMPILED.add(function.__code__)
    return function


viper = native


class _View:
    """A pointer into the kernel's words: as many bytes from their start as the cast was given."""

    words = None

    def __init__(self, address):
        self.offset = address >> 2

    def __getitem__(self, index):
        return self.words[self.offset + index]

    def __setitem__(self, index, value):
        self.words[self.offset + index] = value


class _Pointer:
    """A cast that leaves a buffer alone and makes a view of an address."""

    def __new__(cls, operand):
        return _View(operand) if isinstance(operand, int) else operand


def _address(words):
    """Return 0: on CPython addresses are counted from the words they were last asked of."""
    _View.words = words
    return 0


builtins.ptr8 = builtins.ptr16 = builtins.ptr32 = _Pointer
builtins.uint = _address
