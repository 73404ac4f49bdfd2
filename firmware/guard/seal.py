"""Seal what tasks share: nobody stores into a sealed class, module or dictionary.

MicroPython looks, before it stores, at one flag that tables in ROM have, `is_fixed`: bit 1 of the
first byte of a table (`mp_map_t` in `py/obj.h`). A dictionary is its type and a table; a class is
its type, flags, a name, places of its slots, a byte each, and the slots, of which the twelfth is
the dictionary of its attributes (`mp_obj_type_t`). What is found there has to say that it is a
dictionary before it is written.

A package is left open: MicroPython stores in it each module below that it loads. Nothing that a
package of ours defines itself is reached through it.
"""

import sys

import micropython
from micropython import const

_FIXED = const(2)
_FLAGS_AND_NAME = const(4)  # bytes
_SLOTS = const(12)
_WORD = 4 if sys.maxsize >> 31 == 0 else 8  # bytes


@micropython.viper
def _byte(place: int) -> int:
    return ptr8(place)[0]


@micropython.viper
def _half(place: int) -> int:
    return ptr32(place)[0]


@micropython.viper
def _set_fixed(place: int):
    table = ptr8(place)
    table[0] = table[0] | _FIXED


@micropython.native
def _pointer(place):
    low = _half(place) & 0xFFFFFFFF
    return low if _WORD == 4 else low | (_half(place + 4) & 0xFFFFFFFF) << 32


def can_seal():
    """Return whether this MicroPython keeps dictionaries and classes as described above."""
    if sys.implementation.name != "micropython":
        return False
    probe = type("probe", (), {"part": 1})
    if _pointer(id({})) != id(dict) or not seal_class(probe):
        return False
    try:
        setattr(probe, "part", 2)  # noqa: B010
    except AttributeError:
        return True
    return False


@micropython.native
def seal_dict(table):
    """Seal a dictionary."""
    _set_fixed(id(table) + _WORD)


def is_sealed(module):
    """Return whether nobody can give another value to a name of a module that was loaded."""
    space = module.__dict__
    return "__file__" in space and _byte(id(space) + _WORD) & _FIXED != 0


@micropython.native
def seal_class(kind):
    """Seal a class and the dictionaries in it; return whether it is sealed now."""
    place = id(kind)
    slot = _byte(place + _WORD + _FLAGS_AND_NAME + _SLOTS - 1)
    if slot == 0:
        return True
    table = _pointer(place + _WORD + _FLAGS_AND_NAME + _SLOTS + (slot - 1) * _WORD)
    if _pointer(table) != id(dict):
        return False
    if not _byte(table + _WORD) & _FIXED:
        _set_fixed(table + _WORD)
        _seal_values(kind.__dict__)
    return True


def seal_module(module):
    """Seal a module, and the classes and dictionaries that it has."""
    space = module.__dict__
    _seal_values(space)
    if "__path__" not in space:
        seal_dict(space)


@micropython.native
def _seal_values(space):
    kind_of, mapping = type, dict  # found once: behind all names of this module and of builtins
    for value in space.values():
        kind = kind_of(value)
        if kind is kind_of:
            seal_class(value)
        elif kind is mapping:
            seal_dict(value)
