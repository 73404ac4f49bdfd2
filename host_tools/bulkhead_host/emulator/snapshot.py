"""Boards that go on from where another one was, such as just after its boot.

Booting an emulated board takes seconds; copying one takes hundredths. The copy is the whole
board, chip and pins, and does from there what the original does, to the cycle.

    with EmulatedBoard(image=image, seed=0) as board:
        board.run_for(ms=1000)
        booted = Snapshot(board)
    with booted.board() as board:
        ...

Prior art: `copy.deepcopy`. That shares functions, and the objects that a function's closure holds
would be the original's; nor can it copy a chip whose memory is a buffer in C.
"""

import array
import copyreg
import re
import types
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any, cast

import rp2040py
from rp2040py.cortex_m0_core import CortexM0Core
from rp2040py.rp2040 import RP2040

from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.planted import Planted
from bulkhead_host.errors import UsageError
from bulkhead_host.files import read_text

_NATIVE = "rp2040py.native."
_IS_NATIVE = RP2040.__module__.startswith(_NATIVE)
_MEMORIES = ("sram", "flash", "usb_dpram", "bootrom")
_FIELD = re.compile(r"^    cdef public [^(\n]+ (\w+)$", re.MULTILINE)
# Compiled classes that pickle cannot make, and which of their fields they are made of.
_MADE_OF: dict[str, tuple[str, ...]] = {
    "RP2040": (),
    "CortexM0Core": (),
    "RPPIO": ("rp2040", "name", "first_irq", "index"),
    "StateMachine": ("rp2040", "pio", "index"),
}

# What never changes, or is the same for every board.
_SHARED = (
    type(None), bool, int, float, complex, str, bytes, type, types.ModuleType, types.CodeType,
    Enum, PurePath, datetime, timedelta,
)  # fmt: skip
_COMPILED_FUNCTION = type(CortexM0Core.reset) if _IS_NATIVE else types.BuiltinFunctionType
# Whose instances a board is made of. A `SerialPeer` is none: its maker would have the old one.
_OURS = (
    *(f"bulkhead_host.emulator.{name}." for name in ("board", "bootloader", "chip", "pins")),
    *(f"bulkhead_host.emulator.{name}." for name in ("pio_switch", "repairs", "sio", "usb_host")),
    *("rp2040py.", "bulkhead_host.image.uf2.", "builtins.", "collections.", "random."),
)


class Snapshot:
    """A board as it was when this was made; it keeps about 20 MB.

    Raises UsageError for a board that cannot be two: it has something of this computer (a flash
    file, its drive, the wall clock), or something of the caller's is attached to it.
    """

    def __init__(self, board: EmulatedBoard) -> None:
        if board.holds:
            raise UsageError(f"a board that has {board.holds} cannot be two")
        self._board = _Copier().copy(board)

    def board(self) -> EmulatedBoard:
        """Return a new board in the state of the snapshot, powered as that one was."""
        return _Copier().copy(self._board)


class _Copier:
    """Copies all that is reachable from an object, each thing once.

    A copy is made empty and filled later, so that circles and long chains cost no recursion.
    """

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []  # kept, for an id is somebody else's after a death
        self._fills: deque[Callable[[], None]] = deque()

    def copy(self, thing: EmulatedBoard) -> EmulatedBoard:
        """Return the copy, filled."""
        copied = self._of(thing)
        while self._fills:
            self._fills.popleft()()
        return cast(EmulatedBoard, copied)

    def _of(self, thing: Any) -> Any:
        if isinstance(thing, _SHARED):
            return thing
        if id(thing) in self._copies:
            return self._copies[id(thing)]
        made = self._made(thing)
        self._copies.setdefault(id(thing), made)
        self._originals.append(thing)
        return self._copies[id(thing)]

    def _made(self, thing: Any) -> Any:
        kind = type(thing)
        if kind.__name__ in _MADE_OF and kind.__module__.startswith(_NATIVE):
            return self._compiled(thing)
        maker = _MAKERS.get(kind)
        return maker(self, thing) if maker else self._instance(thing)

    # Containers

    def _list(self, thing: list[Any]) -> list[Any]:
        made: list[Any] = []
        self._fills.append(lambda: made.extend(map(self._of, thing)))
        return made

    def _dict(self, thing: dict[Any, Any]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        items = thing.items()
        self._fills.append(lambda: made.update((self._of(k), self._of(v)) for k, v in items))
        return made

    def _set(self, thing: set[Any]) -> set[Any]:
        made: set[Any] = set()
        self._fills.append(lambda: made.update(map(self._of, thing)))
        return made

    def _tuple(self, thing: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(self._of, thing))

    def _bytes(self, thing: Any) -> Any:
        return thing[:]

    # Functions

    def _function(self, thing: types.FunctionType) -> types.FunctionType:
        if thing.__closure__ is None:
            return thing
        _check_ours(thing.__module__, thing.__qualname__)
        made = types.FunctionType(
            thing.__code__,
            thing.__globals__,
            thing.__name__,
            self._of(thing.__defaults__),
            tuple(map(self._of, thing.__closure__)),
        )
        made.__kwdefaults__ = self._of(thing.__kwdefaults__)
        made.__qualname__ = thing.__qualname__
        return made

    def _cell(self, thing: types.CellType) -> types.CellType:
        made = types.CellType()

        def fill() -> None:
            made.cell_contents = self._of(thing.cell_contents)

        self._fills.append(fill)
        return made

    def _method(self, thing: types.MethodType) -> types.MethodType:
        return types.MethodType(self._of(thing.__func__), self._of(thing.__self__))

    def _builtin(self, thing: Any) -> Any:
        owner = thing.__self__
        if owner is None or isinstance(owner, types.ModuleType | type):
            return thing
        _check_ours(type(owner).__module__.replace("builtins", "a method of"), str(type(owner)))
        return getattr(self._of(owner), thing.__name__)

    def _as_it_is(self, thing: Any) -> Any:
        return thing

    # Objects

    def _instance(self, thing: Any) -> Any:
        """Copy by what the object says to pickle, as `copy.deepcopy` does."""
        kind = type(thing)
        _check_ours(kind.__module__, kind.__qualname__)
        make, arguments, *rest = thing.__reduce_ex__(4)
        state, items, pairs = (*rest, None, None, None)[:3]
        if make is copyreg.__newobj__:  # type: ignore[attr-defined]
            made = kind.__new__(*arguments)
        else:
            made = make(*map(self._of, arguments))
        kept_items, kept_pairs = list(items or ()), list(pairs or ())

        def fill() -> None:
            if state is not None and hasattr(made, "__setstate__"):
                made.__setstate__(self._of(state))
            elif state is not None:
                self._set_attributes(made, state)
            for item in kept_items:
                made.append(self._of(item))
            for key, value in kept_pairs:
                made[self._of(key)] = self._of(value)

        self._originals.append(state)
        self._fills.append(fill)
        return made

    def _set_attributes(self, made: Any, state: Any) -> None:
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        for name, value in (attributes or {}).items():
            made.__dict__[name] = self._of(value)
        for name, value in (slots or {}).items():
            object.__setattr__(made, name, self._of(value))  # frozen ones too

    def _compiled(self, thing: Any) -> Any:
        """Copy field by field; a compiled chip makes its memories and its core by itself."""
        kind = type(thing)
        made = kind.__new__(kind, *(self._of(getattr(thing, n)) for n in _MADE_OF[kind.__name__]))
        if kind is RP2040:
            for name in _MEMORIES:
                getattr(made, name)[:] = getattr(thing, name)
            self._copies[id(thing.core)] = made.core
            self._fill_later(made.core, thing.core)
        self._fill_later(made, thing)
        return made

    def _fill_later(self, made: Any, thing: Any) -> None:
        def fill() -> None:
            for name in _fields(type(thing).__module__):
                value = getattr(thing, name)
                if type(value).__name__ == "_memoryviewslice":  # Cython's own
                    getattr(made, name)[:] = value
                else:
                    setattr(made, name, self._of(value))
            self._set_attributes(made, getattr(thing, "__dict__", None))

        self._fills.append(fill)


_MAKERS: dict[type, Callable[[_Copier, Any], Any]] = {
    list: _Copier._list,
    dict: _Copier._dict,
    set: _Copier._set,
    tuple: _Copier._tuple,
    bytearray: _Copier._bytes,
    array.array: _Copier._bytes,
    types.FunctionType: _Copier._function,
    types.CellType: _Copier._cell,
    types.MethodType: _Copier._method,
    types.BuiltinMethodType: _Copier._builtin,
    _COMPILED_FUNCTION: _Copier._as_it_is,
    Planted: _Copier._as_it_is,  # it never changes
}


@cache
def _fields(module: str) -> list[str]:
    """Return the fields of a module's class, by its declaration, which the wheel brings."""
    _, *place = module.split(".")
    declaration = Path(rp2040py.__file__).parent.joinpath(*place).with_suffix(".pxd")
    return _FIELD.findall(read_text(declaration))


def _check_ours(module: str, name: str) -> None:
    if not f"{module}.".startswith(_OURS):
        raise UsageError(
            f"a board cannot be copied while {module}.{name} is attached to it",
            "take the snapshot before anything is attached",
        )
