"""Which pins a service's code drives, as far as its text tells: read, and not run.

A pin is driven that `machine.Pin` makes an output, that a driver of the chip is given, or whose
level is set. Numbers, constants of the module and names of `bulkhead_board` are followed; a pin
that comes from elsewhere, as from `bulkhead_system.PINS`, is unknown here.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from bulkhead_host.system.boards import INPUTS, Board
from bulkhead_host.system.tree import walk

_OUTPUT_MODES = ("OUT", "OPEN_DRAIN", "ALT", "ALT_OPEN_DRAIN")
_SETTERS = ("on", "off", "high", "low", "toggle")
_DRIVERS = {
    *("PWM", "SPI", "SoftSPI", "I2C", "SoftI2C", "UART", "I2S", "NeoPixel", "bitstream"),
    *("StateMachine", "RMT", "Signal"),
}
"""What is given pins and drives them."""
_READ = (*INPUTS, "cts", "in_base", "jmp_pin")
"""Their arguments that stand for pins which are only read."""
_BUSES = {"SPI": "spi", "I2C": "i2c", "UART": "uart"}

Place = int | str
"""What `machine.Pin` takes for a pin."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """A place in the code that drives a pin; `place` is None where it does not tell which."""

    line: int
    place: Place | None


def driven_pins(tree: ast.Module, board: Board) -> Iterator[Driven]:
    """Yield where a module drives a pin, in the order of a walk through it."""
    known = _constants(tree, board)
    variables = _variables(tree)
    for node in walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _called(node)
        if name == "Pin" and _is_output(node):
            yield _driven(node, known)
        elif name in _DRIVERS:
            yield from _given(node, name, known, variables, board)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            pin = variables.get(node.func.value.id)
            if pin is not None and _sets(node):
                yield Driven(line=node.lineno, place=_place(pin, known))


def _given(
    node: ast.Call,
    name: str,
    known: dict[str, Place],
    variables: dict[str, ast.Call],
    board: Board,
) -> Iterator[Driven]:
    """Yield the pins that a driver is given, or those that it takes when it is given none."""
    arguments = [*node.args, *(one.value for one in node.keywords if one.arg not in _READ)]
    pins = [variables.get(one.id) if isinstance(one, ast.Name) else one for one in arguments]
    calls = [one for one in pins if isinstance(one, ast.Call) and _called(one) == "Pin"]
    for call in calls:
        yield Driven(line=node.lineno, place=_place(call, known))
    number = _value(node.args[0], known) if node.args else None
    if name == "PWM" and not calls and number is not None:
        yield Driven(line=node.lineno, place=number)
    has_own = calls or len(node.args) > 1 or any(one.arg in _SIGNALS for one in node.keywords)
    if name in _BUSES and not has_own and isinstance(number, int):
        for signal, pin in board.buses.get(f"{_BUSES[name]}{number}", {}).items():
            place = board.place(pin)
            if signal not in INPUTS and place is not None:
                yield Driven(line=node.lineno, place=place)


_SIGNALS = ("sda", "scl", "sck", "mosi", "miso", "tx", "rx")


def _driven(node: ast.Call, known: dict[str, Place]) -> Driven:
    return Driven(line=node.lineno, place=_place(node, known))


def _place(pin: ast.Call, known: dict[str, Place]) -> Place | None:
    return _value(pin.args[0], known) if pin.args else None


def _value(node: ast.expr, known: dict[str, Place]) -> Place | None:
    match node:
        case ast.Constant(value=int() | str() as value):
            return value
        case ast.Name(id=name):
            return known.get(name)
    return None


def _is_output(node: ast.Call) -> bool:
    modes = [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "mode")]
    is_set = any(one.arg == "value" for one in node.keywords)
    return is_set or any(
        isinstance(mode, ast.Attribute) and mode.attr in _OUTPUT_MODES for mode in modes
    )


def _sets(node: ast.Call) -> bool:
    """Tell whether a method's call, of what a variable holds, drives a pin."""
    name = _called(node)
    if name == "init":
        return _is_output(ast.Call(node.func, [node.func, *node.args], node.keywords))
    return name in _SETTERS or (name == "value" and bool(node.args))


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _variables(tree: ast.Module) -> dict[str, ast.Call]:
    """Return the variables that are given one `Pin(...)` and nothing else, with that call."""
    found: dict[str, ast.Call] = {}
    stores: list[str] = []
    for node in walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if (
                _called(call) == "Pin"
            ):
                found[name] = call
            case ast.Name(id=name, ctx=ast.Store()):
                stores.append(name)
    return {name: call for name, call in found.items() if stores.count(name) == 1}


def _constants(tree: ast.Module, board: Board) -> dict[str, Place]:
    """Return the names of a module that stand for a pin's place all through it."""
    known: dict[str, Place] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if isinstance(value, ast.Call) and _called(value) == "const" and value.args:
                    value = value.args[0]
                if isinstance(value, ast.Constant) and isinstance(value.value, int | str):
                    known[name] = value.value
            case ast.ImportFrom(module="bulkhead_board"):
                for alias in node.names:
                    place = board.place(alias.name.lower())
                    if place is not None:
                        known[alias.asname or alias.name] = place
    return known
