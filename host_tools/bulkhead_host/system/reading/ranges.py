"""Addresses that no chip on an I2C bus has, and waves that no pin makes."""

import ast
from collections.abc import Iterator, Mapping

from bulkhead_host.paths import source_root
from bulkhead_host.system.reading.called import values_once
from bulkhead_host.system.reading.source import Finding, Function, Source, inside
from bulkhead_host.system.tree import walk

_ADDRESS_MAX = 0x77
_SHARE_MAX = 0xFFFF
_HZ_MIN, _HZ_MAX = 8, 1_000_000
_ADDRESSED = {"i2c": ("WRITE", "READ", "WRITE_READ", "TRANSFER")}
_OF_BUS = (
    *("writeto", "writevto", "readfrom", "readfrom_into"),
    *("readfrom_mem", "readfrom_mem_into", "writeto_mem"),
)
_WAVES = ("SET", "PULSE")


def wrong_ranges(source: Source) -> Iterator[Finding]:
    """Find what i2c and pwm, as they ship, answer with a refusal whenever they are asked."""
    for scope in walk(source.tree):
        if isinstance(scope, ast.Module | Function):
            once = values_once(scope) if isinstance(scope, Function) else {}
            for node in inside(scope):
                if isinstance(node, ast.Call):
                    yield from _on_bus(source, node)
                    for operation, operands in _asked(source, node, once):
                        yield from _wrong_operands(source, operation, operands)


def _on_bus(source: Source, call: ast.Call) -> Iterator[Finding]:
    """Find the address in a call of a method that `machine.I2C` and `Bus` have."""
    match call:
        case ast.Call(func=ast.Attribute(attr=method), args=[address, *_]) if method in _OF_BUS:
            yield from _wrong_address(source, address)


def _asked(
    source: Source, call: ast.Call, once: Mapping[str, ast.expr]
) -> Iterator[tuple[tuple[str, str], list[ast.expr]]]:
    """Yield each operation of i2c and pwm among the arguments of a call, and what follows it."""
    for operation, given in zip(call.args, call.args[1:], strict=False):
        if not isinstance(operation, ast.Name) or operation.id not in source.imported:
            continue
        module, name = source.imported[operation.id]
        operands = once.get(given.id, given) if isinstance(given, ast.Name) else given
        package = module.split(".")[1]
        folders = [one.folder for one in source.services.values() if one.package == package]
        ships = all(one.resolve().parent == source_root() / "services" for one in folders)
        if module == f"services.{package}.api" and ships and isinstance(operands, ast.Tuple):
            yield (package, name), operands.elts


def _wrong_operands(
    source: Source, operation: tuple[str, str], operands: list[ast.expr]
) -> Iterator[Finding]:
    package, name = operation
    match operands:
        case [address, *_] if name in _ADDRESSED.get(package, ()):
            yield from _wrong_address(source, address)
        case [_, frequency, share] if package == "pwm" and name in _WAVES:
            hertz, high = _number(source, frequency), _number(source, share)
            if hertz is not None and not _HZ_MIN <= hertz <= _HZ_MAX:
                text = f"no wave of {hertz:,} Hz: pwm makes {_HZ_MIN} to {_HZ_MAX:,}"
                yield Finding(line=frequency.lineno, text=text)
            if name == "SET" and high is not None and not 0 <= high <= _SHARE_MAX:
                yield Finding(
                    line=share.lineno,
                    text=f"{high:,} of 65,535 is no share of the time",
                    next_step=f"0 to {_SHARE_MAX:,}, which is high all the time",
                )


def _wrong_address(source: Source, given: ast.expr) -> Iterator[Finding]:
    address = _number(source, given)
    if address is None or 0 <= address <= _ADDRESS_MAX:
        return
    is_shifted = address <= 0xFF and address >> 1 <= _ADDRESS_MAX  # noqa: PLR2004  (a byte)
    yield Finding(
        line=given.lineno,
        text=f"{address:#x} is no address on I2C: they have 7 bits, and end with 0x77",
        next_step=f"{address >> 1:#x}, if the data sheet counts the bit that says who sends"
        if is_shifted
        else "",
    )


def _number(source: Source, node: ast.expr) -> int | None:
    is_known, value = source.value(node)
    return value if is_known and isinstance(value, int) else None
