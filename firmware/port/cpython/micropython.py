"""MicroPython's `micropython` module, as far as the kernel needs it, for CPython.

The emitters' decorators change nothing here, and viper's pointer casts return the array they are
given: indexing it means the same. Only the simulator and the host tools have this folder on
their path.
"""

import builtins


def const(value):
    """Return `value`: CPython folds no constants across statements."""
    return value


def native(function):
    """Return `function` as it is."""
    return function


viper = native


class _Pointer:
    """A cast that leaves its operand alone."""

    def __new__(cls, buffer):
        return buffer


builtins.ptr8 = builtins.ptr16 = builtins.ptr32 = _Pointer
