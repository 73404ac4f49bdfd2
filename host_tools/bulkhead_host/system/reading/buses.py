"""Pins of a bus, a wave or an input that the chip cannot make of them."""

import ast
from collections.abc import Iterator

from bulkhead_host.system.boards import Board
from bulkhead_host.system.driven import Signal, signals
from bulkhead_host.system.manifest import Service
from bulkhead_host.system.reading.source import Finding, Source, parsed
from bulkhead_host.system.tree import walk

_BUSES = {"I2C": "i2c", "SPI": "spi", "UART": "uart"}
_NAMES = (*_BUSES, "ADC", "PWM")
_CHANNELS = 5  # `ADC(0)` to `ADC(4)` are inputs by their own numbers


def wrong_buses(source: Source) -> Iterator[Finding]:
    """Find pins without the function that the code wants of them, and waves that share a slice."""
    board = source.board
    if board is None or board.port != "rp2" or not _may_make(source.tree):
        return
    waves: dict[str, Signal] = {}
    for one in signals(source.tree, board, source.service.folder):
        pin = _pin_at(board, one.place)
        if not pin:
            continue
        if one.driver in _BUSES:
            yield from _wrong_signal(one, pin, board)
        elif one.driver == "ADC" and not any(f.startswith("adc") for f in board.functions(pin)):
            is_channel = one.is_number and isinstance(one.place, int) and one.place < _CHANNELS
            if not is_channel:
                yield Finding(
                    line=one.line,
                    text=f"{pin} has no ADC",
                    next_step=f"use one of {', '.join(_with_adc(board))}",
                )
        elif one.driver == "PWM" and (wave := _wave(board, pin)):
            other = waves.setdefault(wave, one)
            if other.place != one.place:
                yield _shared(one.line, pin, f"{_pin_at(board, other.place)} here", wave)
            yield from _shared_with_others(source, one.line, pin, wave)


def _may_make(tree: ast.Module) -> bool:
    """Tell whether a file names what makes a bus, a wave or an input: most do not."""
    return any(
        (isinstance(node, ast.alias) and node.name in _NAMES)
        or (isinstance(node, ast.Attribute) and node.attr in _NAMES)
        for node in walk(tree)
    )


def _pin_at(board: Board, place: int | str | None) -> str:
    return next((name for name in board.pins if board.place(name) == place), "")


def _wrong_signal(one: Signal, pin: str, board: Board) -> Iterator[Finding]:
    bus = f"{_BUSES[one.driver]}{one.number}"
    functions = board.functions(pin)
    if one.number is None or f"{bus}.{one.name}" in functions:
        return
    can = [name for name in functions if name.startswith(_BUSES[one.driver])]
    good = [name for name in board.pins if f"{bus}.{one.name}" in board.functions(name)]
    told = f"{pin} is not {one.name} of {bus}" + (f": it is {', '.join(can)}" if can else "")
    if good:  # another number of a bus is for MicroPython to refuse
        yield Finding(line=one.line, text=told, next_step=f"use one of {', '.join(good)}")


def _with_adc(board: Board) -> list[str]:
    return [name for name in board.pins if any(f.startswith("adc") for f in board.functions(name))]


def _wave(board: Board, pin: str) -> str:
    """Return the slice that makes a pin's wave: its two channels have one frequency."""
    found = (name.partition(".")[0] for name in board.functions(pin) if name.startswith("pwm"))
    return next(found, "")


def _shared(line: int, pin: str, other: str, wave: str) -> Finding:
    return Finding(
        line=line,
        text=f"{pin} and {other} are of one slice, {wave}: they have one frequency",
        next_step="use a pin of another slice",
    )


def _shared_with_others(source: Source, line: int, pin: str, wave: str) -> Iterator[Finding]:
    board = source.board
    for other in source.services.values() if board is not None else ():
        if other.name == source.service.name or board is None:
            continue
        for taken in _waves_of(other, board):
            if taken != pin and _wave(board, taken) == wave:
                yield _shared(line, pin, f"{taken} of {other.name}", wave)


def _waves_of(service: Service, board: Board) -> Iterator[str]:
    """Yield the pins on which another service makes waves."""
    if service.package == "pwm":
        yield from service.pins
        return
    tree = parsed(service.folder / "service.py")
    if tree is not None and _may_make(tree):
        for one in signals(tree, board, service.folder):
            if one.driver == "PWM":
                yield _pin_at(board, one.place)
