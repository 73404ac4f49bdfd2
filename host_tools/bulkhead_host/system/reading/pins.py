"""Pins that are not the service's own, or driven too early, and pins unfit for what is asked."""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import permutations

from bulkhead_host.system.boards import BUSES, Board
from bulkhead_host.system.driven import bare_buses, driven_pins, pins_made
from bulkhead_host.system.manifest import Service
from bulkhead_host.system.reading.source import Finding, Source
from bulkhead_host.system.safe import can_drive


def wrong_pins(source: Source) -> Iterator[Finding]:
    """Find pins by number that the manifest does not name."""
    board = source.board
    if board is None:
        return
    own = {board.place(pin) for pin in source.service.all_pins}
    for made in pins_made(source.tree, board, source.service.folder):
        number = made.place
        if isinstance(number, int) and number not in own:
            yield Finding(
                line=made.line,
                text=f"pin {number} is not its own: name it under pins in service.toml",
                next_step=f'pins = ["gp{number}"]' if board.port == "rp2" else "",
            )


def early_pins(source: Source) -> Iterator[Finding]:
    """Find pins driven as a module loads: an update loads it beside the code that runs."""
    board = source.board
    if board is None or not can_drive(source.service):
        return
    loaded = _AsItLoads().visit(copy.deepcopy(source.tree))
    for line in sorted({one.line for one in driven_pins(loaded, board, source.service.folder)}):
        yield Finding(
            line=line,
            text="a pin is driven as the module loads, by an update beside the code that runs",
            next_step="drive it in main(task)",
            is_warning=True,
        )


def lost_buses(source: Source) -> Iterator[Finding]:
    """Find buses that have no pins after a restart, which leaves those in their safe state.

    MicroPython gives a bus its pins when it is made first, or with more than its number
    (`machine_spi_make_new` and its like of ports/rp2).
    """
    board = source.board
    if board is None or board.port != "rp2" or not can_drive(source.service):
        return
    for line, name in bare_buses(source.tree, board, source.service.folder):
        rate = "freq=400_000" if name == "I2C" else "baudrate=9600"
        yield Finding(
            line=line,
            text=f"after a restart {name} has no pins: MicroPython sets up once what has a number",
            next_step=f"give it more, as {rate}",
        )


class _AsItLoads(ast.NodeTransformer):
    """Leaves of a module what runs as it loads."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Take a function's body away."""
        node.body = [ast.Pass()]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """Take a function's body away."""
        node.body = [ast.Pass()]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Constant:
        """Take a function away."""
        return ast.Constant(value=None)


def unfit_pins(service: Service, board: Board) -> Iterator[tuple[int, str, str]]:
    """Yield pins of a driver that ships which cannot be what it makes of them.

    (index among `pins`, what is wrong, what to do).
    """
    reader = _DRIVERS.get(service.package)
    if reader is not None:
        yield from reader(service.pins, board)


def _inputs(pins: Sequence[str], board: Board) -> Iterator[tuple[int, str, str]]:
    for index, pin in enumerate(pins):
        if not _has(board, pin, "adc"):
            good = [name for name in board.pins if _has(board, name, "adc")]
            yield index, f"{pin} has no ADC", f"use one of {', '.join(good)}"


def _bus_pins(pins: Sequence[str], board: Board, kind: str) -> Iterator[tuple[int, str, str]]:
    """Yield what is wrong with the pins of a bus, in the order of its signals."""
    signals = BUSES[kind]
    given, others = pins[: len(signals)], pins[len(signals) :]
    if len(given) < len(signals) or _are_one_bus(given, board, kind):
        return
    orders = (order for order in permutations(given) if _are_one_bus(order, board, kind))
    order = next(orders, None)
    hint = "see the board's page for pins that are"
    if order is not None:
        names = ", ".join(f'"{pin}"' for pin in (*order, *others))
        hint = f"pins = [{names}]: {', '.join(signals)} come first"
    yield 0, f"{_row(given)} are not {_row(signals)} of one bus", hint


def _are_one_bus(pins: Sequence[str], board: Board, kind: str) -> bool:
    """Tell whether one bus has each pin for the signal at its place."""
    signals = zip(pins, BUSES[kind], strict=True)
    found = [
        {bus for bus, _, name in map(_parts, board.functions(pin)) if name == signal}
        for pin, signal in signals
    ]
    return any(bus.startswith(kind) for bus in set.intersection(*found))


def _parts(function: str) -> tuple[str, str, str]:
    return function.partition(".")


def _row(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _waves(pins: Sequence[str], board: Board) -> Iterator[tuple[int, str, str]]:
    first: dict[str, str] = {}
    for index, pin in enumerate(pins):
        for name in board.functions(pin):
            other = first.setdefault(name, pin)
            if name.startswith("pwm") and other != pin:
                yield index, f"{pin} and {other} are one wave, {name}", "use another pin"


_DRIVERS: Mapping[str, Callable[[Sequence[str], Board], Iterator[tuple[int, str, str]]]] = {
    "adc": _inputs,
    "i2c": partial(_bus_pins, kind="i2c"),
    "pwm": _waves,
    "spi": partial(_bus_pins, kind="spi"),
}


def _has(board: Board, pin: str, function: str) -> bool:
    return any(name.startswith(function) for name in board.functions(pin))
