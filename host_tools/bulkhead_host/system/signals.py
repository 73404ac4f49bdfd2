"""What a driver of the chip makes of its arguments: which are pins, and which it does without.

A bus that is not given one of its pins takes the board's own for it: `[buses]` of board.toml. A
state machine of PIO drives a row of pins from a base on, as long as its program says.
"""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.system.boards import INPUTS, Board
from bulkhead_host.system.possible import Module, Scope

BUSES = {"SPI": "spi", "I2C": "i2c", "I2CTarget": "i2c", "UART": "uart"}
"""Drivers of a bus, and how a board's file calls theirs."""
DRIVERS = {
    *BUSES,
    *("PWM", "SoftSPI", "SoftI2C", "I2S", "NeoPixel", "bitstream", "DAC"),
    *("StateMachine", "state_machine", "RMT", "Signal"),
}
"""What is given pins and drives them."""
READ = (*INPUTS, "cts", "in_base", "jmp_pin")
"""Their arguments that stand for pins which are only read."""
SIGNALS = ("sda", "scl", "sck", "mosi", "tx", "rts", "ws", "sd")
"""Those that stand for pins which are driven; a number or a name will do."""
ROWS = {"out_base": "out_init", "set_base": "set_init", "sideset_base": "sideset_init"}
"""Those of a state machine, each with what its program says of the row of pins from there on."""
FIRST = {"PWM": 1, "Signal": 1, "bitstream": 1, "DAC": 1, "SoftI2C": 2}
"""Drivers whose first arguments stand for pins, and how many."""

_NO_NUMBER = ("spi", "i2c")  # of the RP2's ports the first is taken where no number is given


def own_pins(
    node: ast.Call, name: str, board: Board, module: Module, scope: Scope
) -> Iterator[tuple[str, int | str]]:
    """Yield the signals of a bus for which a call names no pin, each with the board's own.

    `miso=None` is no pin at all, any other `None` is the board's own.
    """
    if name not in BUSES or any(one.arg is None for one in node.keywords):
        return
    given = {one.arg for one in node.keywords if one.arg == "miso" or not _is_none(one.value)}
    number = next((one.value for one in node.keywords if one.arg == "id"), None)
    number = node.args[0] if node.args else number
    if number is None and BUSES[name] in _NO_NUMBER and board.port == "rp2":
        number = ast.Constant(value=0)
    for one in module.values(number, scope):
        bus: Mapping[str, str] = board.buses.get(f"{BUSES[name]}{one}", {})
        for signal, pin in bus.items():
            place = board.place(pin)
            if signal not in given and place is not None:
                yield signal, place


def row_length(node: ast.Call, base: str, module: Module) -> int | None:
    """Return how many pins a state machine drives from a base on; None where nothing tells.

    A program that is not found among the module's functions is each of them.
    """
    named = {one.id for one in node.args if isinstance(one, ast.Name)}
    programs = {
        one.name: decorator
        for one, _ in module.nodes
        if isinstance(one, ast.FunctionDef)
        for decorator in one.decorator_list
        if isinstance(decorator, ast.Call) and _last_name(decorator.func) == "asm_pio"
    }
    wanted = [programs[name] for name in named & programs.keys()] or list(programs.values())
    lengths = [
        _length(keyword.value, module)
        for program in wanted
        for keyword in program.keywords
        if keyword.arg == ROWS[base]
    ]
    known = [one for one in lengths if one is not None]
    return None if len(known) < len(lengths) else max(known, default=1)


def _length(node: ast.expr, module: Module) -> int | None:
    """Return how many pins a program's `set_init` is for: one number is for one."""
    lengths = set()
    for one, _ in module.meanings(node, module.nodes[0][1]):
        match one:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                lengths.add(len(elements))
            case ast.BinOp(
                left=ast.Tuple(elts=elements), op=ast.Mult(), right=ast.Constant(value=n)
            ) if isinstance(n, int):
                lengths.add(len(elements) * n)
            case ast.Attribute() | ast.Constant():
                lengths.add(1)
            case _:
                return None
    return max(lengths)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
