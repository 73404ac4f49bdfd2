"""Which pins a service's code drives, as far as its text tells: read, and not run.

A pin is driven that `machine.Pin` makes an output, that a driver of the chip is given, or whose
level is set. Which one that may be `possible` says: constants, loops and arguments are followed,
and names of `bulkhead_board`; one that comes from elsewhere, as from `bulkhead_system.PINS`, is
unknown here.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bulkhead_host.system.boards import INPUTS, Board
from bulkhead_host.system.possible import Module, Scope
from bulkhead_host.system.signals import (
    BUSES,
    DRIVERS,
    FIRST,
    READ,
    ROWS,
    SIGNALS,
    own_pins,
    row_length,
)
from bulkhead_host.system.tree import tree_of

_OUTPUT_MODES = ("OUT", "OPEN_DRAIN", "ALT", "ALT_OPEN_DRAIN")
_INPUT_NUMBERS = {"rp2": 0, "esp32": 1}
"""What `Pin.IN` is."""
_SETTERS = ("on", "off", "high", "low", "toggle")

_SIGNALS_OF = {
    "I2C": ("sda", "scl"),
    "SPI": ("sck", "mosi", "miso"),
    "UART": ("tx", "rx", "cts", "rts"),
}
Place = int | str
"""What `machine.Pin` takes for a pin."""

_MODULES_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A place in the code that drives a pin; `place` is None where it does not tell which."""

    line: int
    place: Place | None


def driven_pins(
    tree: ast.Module, board: Board, package: Path | None = None, callers: Iterable[Module] = ()
) -> Iterator[Driven]:
    """Yield where a module drives pins, in the order of its text.

    `package` is the folder of a service, or a package's, whose modules may bring constants from
    one another; `callers` are other modules whose calls pass it what it drives.
    """
    reader = _Reader(tree, board, package)
    for caller in callers:
        reader.module.take_calls(caller)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call):
            yield from reader.of_call(node, scope)
        elif isinstance(node, ast.Attribute) and node.attr in _SETTERS:
            yield from reader.driven(node, reader.pins(node.value, scope))


def pins_made(tree: ast.Module, board: Board, package: Path | None = None) -> Iterator[Driven]:
    """Yield where a module makes a `machine.Pin`, whatever it does with it, or a bus takes one."""
    reader = _Reader(tree, board, package)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call) and reader.is_pin(node, scope):
            yield from reader.driven(node, [(node, scope)])
        elif isinstance(node, ast.Call):
            yield from reader.read(node, scope)


def bare_buses(
    tree: ast.Module, board: Board, package: Path | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the line and the driver of each bus that is given no more than its number."""
    reader = _Reader(tree, board, package)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call) and len(node.args) <= 1 and not node.keywords:
            name = reader.called(node, scope)
            if name in BUSES:
                yield node.lineno, name


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A pin that a driver of the chip is given, and for what.

    `number` is the bus's, None where nothing tells. `is_number` is true of a place that is given
    bare, and not as a `Pin`.
    """

    line: int
    driver: str
    number: int | None
    name: str
    place: Place | None
    is_number: bool


def signals(tree: ast.Module, board: Board, package: Path | None = None) -> Iterator[Signal]:
    """Yield the pins of each bus, ADC and PWM that a module makes."""
    reader = _Reader(tree, board, package)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call):
            yield from reader.signals(node, scope)


class _Reader:
    """A module that drives pins of a board."""

    def __init__(self, tree: ast.Module, board: Board, package: Path | None) -> None:
        self.module = Module(tree)
        self._board = board
        self._is_rp2 = board.port == "rp2"
        for name, dotted in self.module.imported.items():
            module, _, pin = dotted.rpartition(".")
            place = board.place(pin.lower()) if module == "bulkhead_board" else None
            if place is None and package is not None:
                place = _constant(dotted, package)
            if place is not None:
                self.module.known[name] = place

    def is_pin(self, node: ast.expr | None, scope: Scope) -> bool:
        """Tell whether an expression makes a pin."""
        return isinstance(node, ast.Call) and self.called(node, scope) == "Pin"

    def of_call(self, node: ast.Call, scope: Scope) -> Iterator[Driven]:
        """Yield the pins that a call drives."""
        name = self.called(node, scope)
        if name == "Pin" and self._is_output(node.args[1:2], node, scope):
            yield from self.driven(node, [(node, scope)])
        elif name in DRIVERS:
            yield from self._given(node, name, scope)
        elif name == "init":
            yield from self._named(node, SIGNALS, scope)  # of a bus
        for method, place in self._methods(node.func, scope):
            is_set = method.attr == "value" and bool(node.args or node.keywords)
            if is_set or (method.attr == "init" and self._is_output(node.args[:1], node, scope)):
                yield from self.driven(node, self.pins(method.value, place))
        if node.args:
            yield from self.driven(node, self.pins(node.func, scope))  # pin(1)

    def _methods(self, node: ast.expr, scope: Scope) -> Iterator[tuple[ast.Attribute, Scope]]:
        """Yield the methods that what is called may be."""
        if isinstance(node, ast.Attribute):
            yield node, scope
            return
        for one, place in self.module.meanings(node, scope):
            if isinstance(one, ast.Attribute):
                yield one, place

    def pins(self, node: ast.expr, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        """Return the expressions that make the pins which an expression may be."""
        found = self.module.meanings(node, scope)
        return [(one, place) for one, place in found if one and self._makes(one, place)]

    def driven(self, node: ast.expr, pins: list[tuple[ast.expr, Scope]]) -> Iterator[Driven]:
        """Yield the pins that expressions make, as driven on the line of a node."""
        for pin, scope in pins:
            for place in self._places(pin, scope):
                yield Driven(line=node.lineno, place=place)

    def _makes(self, node: ast.expr, scope: Scope) -> bool:
        return self.is_pin(node, scope) or _is_ready(node)

    def _given(self, node: ast.Call, name: str, scope: Scope) -> Iterator[Driven]:
        """Yield the pins that a driver is given, or takes where it is given none."""
        arguments = [*node.args, *(one.value for one in node.keywords if one.arg not in READ)]
        for one in arguments:
            yield from self.driven(node, self.pins(one, scope))
        yield from self._named(node, (*SIGNALS, "pin"), scope)
        for one in node.args[: FIRST.get(name, 0)]:
            yield from self._at(node, one, scope)
        for keyword in node.keywords:
            if keyword.arg in ROWS:
                yield from self._row(node, keyword, scope)
        for signal, place in own_pins(node, name, self._board, self.module, scope):
            if signal not in INPUTS:
                yield Driven(line=node.lineno, place=place)

    def read(self, node: ast.Call, scope: Scope) -> Iterator[Driven]:
        """Yield the pins of a bus that are only read, and are taken from whoever has them."""
        name = self.called(node, scope)
        if name in DRIVERS:
            yield from self._named(node, INPUTS, scope)
            for signal, place in own_pins(node, name, self._board, self.module, scope):
                if signal in INPUTS:
                    yield Driven(line=node.lineno, place=place)

    def signals(self, node: ast.Call, scope: Scope) -> Iterator[Signal]:
        """Yield the pins that a call of a driver is given, by their signals."""
        driver = self.called(node, scope)
        given: list[tuple[str, ast.expr]] = []
        number: set[int | str | None] = set()
        if driver in _SIGNALS_OF:
            number = self.module.values(node.args[0], scope) if node.args else {None}
            given = [(str(one.arg), one.value) for one in node.keywords]
            given = [(name, value) for name, value in given if name in _SIGNALS_OF[driver]]
        elif driver in ("ADC", "PWM") and node.args:
            given = [("", node.args[0])]
        known = next(iter(number), None) if len(number) == 1 else None
        for name, value in given:
            places = list(self._places(value, scope))
            if len(places) == 1:
                yield Signal(
                    line=node.lineno,
                    driver=driver,
                    number=known if isinstance(known, int) else None,
                    name=name,
                    place=places[0],
                    is_number=not self.pins(value, scope),
                )

    def _named(self, node: ast.Call, names: Collection[str], scope: Scope) -> Iterator[Driven]:
        """Yield the pins that a call gives by keyword."""
        for keyword in node.keywords:
            if keyword.arg in names:
                yield from self._at(node, keyword.value, scope)

    def _at(self, node: ast.Call, pin: ast.expr, scope: Scope) -> Iterator[Driven]:
        """Yield what an argument stands for where it is the number or the name of a pin."""
        for one, place in self.module.meanings(pin, scope):
            if not isinstance(one, ast.Call) and not (one and _is_ready(one)):
                for value in sorted(self.module.values(one, place), key=str):
                    if value is not None:
                        yield Driven(line=node.lineno, place=value)

    def _row(self, node: ast.Call, base: ast.keyword, scope: Scope) -> Iterator[Driven]:
        """Yield the pins of a state machine's row, the first by its number too."""
        length = row_length(node, str(base.arg), self.module)
        for place in {one for one in self._places(base.value, scope) if isinstance(one, int)}:
            for number in range(place, place + (length or 1)):
                yield Driven(line=node.lineno, place=number)
        if length is None:
            yield Driven(line=node.lineno, place=None)

    def _places(self, node: ast.expr | None, scope: Scope) -> Iterator[Place | None]:
        """Yield what stands for the pins that an expression may be, or may name."""
        for one, place in self.module.meanings(node, scope):
            if isinstance(one, ast.Attribute) and _is_ready(one):
                name = one.attr.lower()
                yield self._board.place(name.replace("gpio", "gp") if self._is_rp2 else name)
            elif isinstance(one, ast.Call) and self.is_pin(one, place):
                yield from self._places(one.args[0] if one.args else None, place)
            else:
                yield from sorted(self.module.values(one, place), key=str)

    def _is_output(self, modes: list[ast.expr], node: ast.Call, scope: Scope) -> bool:
        if any(one.arg == "value" for one in node.keywords):
            return True
        modes = [*modes, *(one.value for one in node.keywords if one.arg == "mode")]
        found = (one for mode in modes for one, _ in self.module.meanings(mode, scope))
        return any(self._drives(mode) for mode in found)

    def _drives(self, mode: ast.expr | None) -> bool:
        match mode:
            case ast.Attribute(attr=name):
                return name in _OUTPUT_MODES
            case ast.Name(id=name):
                return self.module.imported.get(name, "").rpartition(".")[2] in _OUTPUT_MODES
            case ast.Constant(value=int(number)):
                return number not in (-1, _INPUT_NUMBERS.get(self._board.port, number))
        return False

    def called(self, node: ast.Call, scope: Scope) -> str:
        """Return the last part of what is called, whatever the module calls it."""
        names = {name.rpartition(".")[2] for name in self.module.dotted(node.func, scope)}
        known = names & {"Pin", *DRIVERS}
        if known:
            return known.pop()
        return node.func.attr if isinstance(node.func, ast.Attribute) else min(names, default="")


def _constant(dotted: str, package: Path) -> Place | None:
    """Return the value of `PACKAGE.MODULE.NAME`, None where it has none to be read.

    A service's package is below `services`.
    """
    module, _, name = dotted.rpartition(".")
    folder, _, stem = module.rpartition(".")
    file = package / f"{stem}.py"
    if folder not in ("", package.name, f"services.{package.name}") or not file.is_file():
        return None
    try:
        known = _module(tree_of(file.read_bytes(), file.name))
    except (SyntaxError, ValueError):
        return None
    values = known.values(ast.Name(id=name), known.nodes[0][1])
    return next(iter(values)) if len(values) == 1 else None


@lru_cache(maxsize=_MODULES_KEPT)
def _module(tree: ast.Module) -> Module:
    """Return the module that a tree is, for those who only ask it."""
    return Module(tree)


def _is_ready(node: ast.expr) -> bool:
    """Tell whether an expression is a pin that MicroPython has made: `Pin.board.GP2`."""
    match node:
        case ast.Attribute(value=ast.Attribute(attr="board" | "cpu")):
            return True
    return False
