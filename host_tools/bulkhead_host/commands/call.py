"""`bulkhead call`: call any operation of any service."""

import ast
import json
import os
from typing import Any

import click

from bulkhead_host import abi
from bulkhead_host.commands.options import app_option, connected, folders_of, port_option
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import printable
from bulkhead_host.system.operations import Interface, Operation, load_interface

TIMEOUT_MS = 1000
_TIMEOUT_MS_MAX = 60_000


def call(
    client: Client,
    interface: Interface,
    operation: Operation,
    value: object = None,
    *,
    timeout_ms: int = TIMEOUT_MS,
) -> tuple[str, object]:
    """Call an operation; return the word for the service's status, and what came with it.

    Raises `NotPermitted` when the board has another key, `UsageError` when it has no such
    service, `DeviceTimeout` when that does not answer, and `BulkheadError` when it is down.
    """
    name = interface.service
    try:
        status, answer = client.call(name, operation.number, value, timeout_ms=timeout_ms)
    except NoSuchTarget:
        known = ", ".join(client.table().names)
        raise UsageError(
            f"the board has no service {name!r} that takes calls", f"one of: {known}"
        ) from None
    words = f"{name}.{operation.name}"
    if status == abi.TIMEOUT:
        service = client.table().named(name)
        if service is not None and service.state == "held":
            raise DeviceTimeout(
                f"{words} was not answered within {timeout_ms} ms: {name} is held, as it was "
                "stopped on purpose",
                "release it, and call again: bulkhead top, key h",
            )
        raise DeviceTimeout(
            f"{words} was not answered within {timeout_ms} ms: whether it was done is not known",
            f"bulkhead why {name}, or give it longer: --timeout-ms",
        )
    if status == abi.DEAD:
        raise BulkheadError(f"{name} is down, or failed meanwhile", f"bulkhead fault {name}")
    is_kernels = status == abi.OK or status >= abi.REFUSED
    word = abi.status_name(status) if is_kernels else interface.status_name(status, operation)
    return word, answer


def value_of(operation: Operation, given: list[str], *, service: str) -> object:
    """Return the value that the words of a command line make: `3`, `pin=3`, `name=led`.

    A word is a Python literal, or else text. Raises `UsageError` when some are missing, too many
    or unknown.
    """
    parameters = operation.parameters
    placed: dict[int, object] = {}
    for word in given:
        key, equals, text = word.partition("=")
        if equals and key.isidentifier():
            placed[_place(operation, key, service)] = _literal(text)
        else:
            placed[min(set(range(len(placed) + 1)) - placed.keys())] = _literal(word)
    values = [placed[index] for index in sorted(placed)]
    if parameters is None:
        return _as_value(values, is_tuple=len(values) > 1)
    fits = len(values) == len(parameters) and sorted(placed) == list(range(len(values)))
    if operation.takes_more and values:
        fits = len(values) % (len(set(parameters))) == 0
    if not fits:
        raise UsageError(
            f"{service}.{operation.name} takes {', '.join(parameters) or 'nothing'}, "
            f"and was given {len(given)}",
            f"{operation.name}: {operation.words}",
        )
    return _as_value(values, is_tuple=operation.is_tuple)


def _as_value(values: list[object], *, is_tuple: bool) -> object:
    if is_tuple:
        return tuple(values)
    return values[0] if values else None


def _place(operation: Operation, key: str, service: str) -> int:
    """Return the place of a parameter by its name, or the beginning of it."""
    parameters = operation.parameters or ()
    if key in parameters:
        return parameters.index(key)
    if len(parameters) == 1 and key == "value":
        return 0
    fitting = [name for name in parameters if name.startswith(key)]
    if len(set(fitting)) != 1:
        raise UsageError(
            f"{service}.{operation.name} takes no {key}",
            f"it takes: {', '.join(parameters) or 'nothing that has a name'}",
        )
    return parameters.index(fitting[0])


def _literal(word: str) -> object:
    try:
        text = os.fsencode(word).decode()  # what was typed, under any locale
    except UnicodeError:
        raise UsageError(f"{word!r} is not text in UTF-8", "bytes are given as b'...'") from None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, int | float | str | bytes | None) else text


def _json(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [_json(item) for item in value] if isinstance(value, tuple) else value


@click.command(
    "call",
    epilog="Examples: bulkhead call led.SET 1;  bulkhead call thermometer.READ --json;  "
    "bulkhead call gpio.WRITE pin=0 level=1;  bulkhead call led",
)
@click.argument("target", metavar="SERVICE[.OPERATION]")
@click.argument("values", nargs=-1, metavar="[VALUE | KEY=VALUE]...")
@app_option
@click.option(
    "--timeout-ms",
    type=click.IntRange(1, _TIMEOUT_MS_MAX),
    default=TIMEOUT_MS,
    show_default=True,
    help="How long the service may take.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
def command(target: str, values: tuple[str, ...], port: str, **options: Any) -> None:
    """Call OPERATION of SERVICE on a board, and print what it answers.

    What there is to call stands in the service's api.py; without an operation it is listed, and no
    board is asked. A VALUE is a number, True, None, b'bytes', or else text; KEY is a word that
    api.py has for the value, or the beginning of one. The exit code is 1 when the service answers
    anything but OK.
    """
    service, dot, name = target.partition(".")
    interface = load_interface(service, folders_of(options["application"]))
    if not dot:
        _list(interface, wants_json=options["wants_json"])
        return
    operation = interface.named(name)
    value = value_of(operation, list(values), service=service)
    with connected(port) as client:
        client.hello()
        status, answer = call(
            client, interface, operation, value, timeout_ms=options["timeout_ms"]
        )
    if options["wants_json"]:
        found = {"service": service, "operation": operation.name, "status": status}
        click.echo(json.dumps({**found, "value": _json(answer)}))
    elif status == "OK" and answer is not None:
        click.echo(printable(answer) if isinstance(answer, str) else repr(answer))
    if status != "OK":
        detail = "" if answer is None else f", {answer!r}"
        meaning = f"its meaning is in {service}/api.py: bulkhead call {service}"
        is_bad_value = status == abi.status_name(abi.REFUSED) and operation.words
        raise BulkheadError(
            f"{service}.{operation.name} answered {status}{detail}",
            f"what it takes: {operation.words}" if is_bad_value else meaning,
        )


def _list(interface: Interface, *, wants_json: bool) -> None:
    if wants_json:
        rows = [
            {"name": one.name, "number": one.number, "parameters": one.parameters}
            for one in interface.operations
        ]
        click.echo(json.dumps({"service": interface.service, "operations": rows}, indent=1))
        return
    for one in interface.operations:
        click.echo(f"{interface.service}.{one.name}  {one.words}".rstrip())
