"""Which pins a service's code drives, as far as its text tells: read, and not run.

A pin is driven that `machine.Pin` makes an output, that a driver of the chip is given, or whose
level is set. Which one that may be `possible` says: constants, loops and arguments are followed,
and names of `bulkhead_board`; one that comes from elsewhere, as from `bulkhead_system.PINS`, is
unknown here.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.system.boards import INPUTS, Board
from bulkhead_host.system.possible import Module, Scope
from bulkhead_host.system.tree import tree_of

_OUTPUT_MODES = ("OUT", "OPEN_DRAIN", "ALT", "ALT_OPEN_DRAIN")
_INPUT_NUMBERS = {"rp2": 0, "esp32": 1}
"""What `Pin.IN` is."""
_SETTERS = ("on", "off", "high", "low", "toggle")
_DRIVERS = {
    *("PWM", "SPI", "SoftSPI", "I2C", "SoftI2C", "UART", "I2S", "NeoPixel", "bitstream"),
    *("StateMachine", "state_machine", "RMT", "Signal"),
}
"""What is given pins and drives them."""
_READ = (*INPUTS, "cts", "in_base", "jmp_pin")
"""Their arguments that stand for pins which are only read."""
_BUSES = {"SPI": "spi", "I2C": "i2c", "UART": "uart"}
_SIGNALS = ("sda", "scl", "sck", "mosi", "miso", "tx", "rx")

Place = int | str
"""What `machine.Pin` takes for a pin."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A place in the code that drives a pin; `place` is None where it does not tell which."""

    line: int
    place: Place | None


def driven_pins(tree: ast.Module, board: Board, package: Path | None = None) -> Iterator[Driven]:
    """Yield where a module drives pins, in the order of its text.

    `package` is the folder of a service, whose modules may bring constants from one another.
    """
    reader = _Reader(tree, board, package)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call):
            yield from reader.of_call(node, scope)
        elif isinstance(node, ast.Attribute) and node.attr in _SETTERS:
            yield from reader.driven(node, reader.pins(node.value, scope))


def pins_made(tree: ast.Module, board: Board, package: Path | None = None) -> Iterator[Driven]:
    """Yield where a module makes a `machine.Pin`, whatever it does with it."""
    reader = _Reader(tree, board, package)
    for node, scope in reader.module.nodes:
        if isinstance(node, ast.Call) and reader.is_pin(node, scope):
            yield from reader.driven(node, [(node, scope)])


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
        return isinstance(node, ast.Call) and self._called(node, scope) == "Pin"

    def of_call(self, node: ast.Call, scope: Scope) -> Iterator[Driven]:
        """Yield the pins that a call drives."""
        name = self._called(node, scope)
        if name == "Pin" and self._is_output(node.args[1:2], node, scope):
            yield from self.driven(node, [(node, scope)])
        elif name in _DRIVERS:
            yield from self._given(node, name, scope)
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
        """Yield the pins that a driver is given, or those that it takes when it is given none."""
        arguments = [*node.args, *(one.value for one in node.keywords if one.arg not in _READ)]
        pins = [pin for one in arguments for pin in self.pins(one, scope)]
        yield from self.driven(node, pins)
        first = node.args[0] if node.args else None
        if name == "PWM" and not pins and first is not None:
            for place in self._places(first, scope):
                yield Driven(line=node.lineno, place=place)
        has_own = pins or len(node.args) > 1 or any(one.arg in _SIGNALS for one in node.keywords)
        if name not in _BUSES or has_own:
            return
        for number in self.module.values(first, scope):
            for signal, pin in self._board.buses.get(f"{_BUSES[name]}{number}", {}).items():
                place = self._board.place(pin)
                if signal not in INPUTS and place is not None:
                    yield Driven(line=node.lineno, place=place)

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

    def _called(self, node: ast.Call, scope: Scope) -> str:
        """Return the last part of what is called, whatever the module calls it."""
        names = {name.rpartition(".")[2] for name in self.module.dotted(node.func, scope)}
        known = names & {"Pin", *_DRIVERS}
        if known:
            return known.pop()
        return node.func.attr if isinstance(node.func, ast.Attribute) else min(names, default="")


def _constant(dotted: str, package: Path) -> Place | None:
    """Return the value of `services.PACKAGE.MODULE.NAME`, None where it has none to be read."""
    module, _, name = dotted.rpartition(".")
    folder, _, stem = module.rpartition(".")
    file = package / f"{stem}.py"
    if folder not in ("", f"services.{package.name}") or not file.is_file():
        return None
    try:
        tree = tree_of(file.read_bytes(), file.name)
    except (SyntaxError, ValueError):
        return None
    known = Module(tree)
    values = known.values(ast.Name(id=name), known.nodes[0][1])
    return next(iter(values)) if len(values) == 1 else None


def _is_ready(node: ast.expr) -> bool:
    """Tell whether an expression is a pin that MicroPython has made: `Pin.board.GP2`."""
    match node:
        case ast.Attribute(value=ast.Attribute(attr="board" | "cpu")):
            return True
    return False
