"""`bulkhead devs`: list the boards and what runs on them."""

import json
import os
from contextlib import suppress
from dataclasses import asdict

import click
from rich.table import Table as Grid

from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.boards import Found, find_boards
from bulkhead_host.link.ports import AUTO, ENVIRONMENT_VARIABLE, find_address
from bulkhead_host.view.services import console

_HEAD = ("PORT", "SERIAL", "BOARD", "VERSION", "APPLICATION", "ACCESS", "SERVICES")
_NOTHING = "there is no serial port on USB; an emulated board: bulkhead sim"


@click.command(
    "devs",
    epilog="Examples: bulkhead devs;  bulkhead devs --json;  bulkhead devs socket://127.0.0.1:8266",
)
@click.argument("ports", nargs=-1, metavar="[PORT]...")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(ports: tuple[str, ...], wants_json: bool) -> None:
    """List the USB serial ports and what runs there, and so each PORT that is named.

    Only MicroPython's own USB ports are asked, and those named, by BULKHEAD_PORT where no PORT
    is; the others are listed. Where no
    answer comes, the line says why. ACCESS says who may change what runs there: with `your key`
    it is you, with `another key` who has that; `open` is a board without one, which obeys
    everybody. Nothing is disturbed: no board is stopped or reset.
    """
    found = list(find_boards(ports or _from_environment()))
    if wants_json:
        click.echo(json.dumps([_described(one) for one in found], indent=1))
        return
    if not found:
        click.echo(_NOTHING, err=True)
        return
    grid = Grid(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in _HEAD:
        grid.add_column(name, no_wrap=name != _HEAD[-1])
    for one in found:
        grid.add_row(*_cells(one))
    console().print(grid)


def _from_environment() -> tuple[str, ...]:
    """Return the port that other commands take by themselves, where a person has named one."""
    name = os.environ.get(ENVIRONMENT_VARIABLE, AUTO)
    if name == AUTO:
        return ()
    with suppress(BulkheadError):
        return (find_address(name).url,)  # as the list has it
    return (name,)


def _described(found: Found) -> dict[str, object]:
    return {**asdict(found), "services": list(found.services), "access": found.access}


def _cells(found: Found) -> tuple[str, ...]:
    if found.hello is None:
        nothing = ("", "", "", "")
        return (*(found.port, found.serial_number), *nothing, found.problem or found.description)
    hello = found.hello
    names = found.problem or " ".join(found.services)
    place = (found.port, found.serial_number)
    return (*place, hello.board, hello.version, hello.application, found.access or "", names)
