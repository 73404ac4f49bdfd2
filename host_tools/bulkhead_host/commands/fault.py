"""`bulkhead fault`: what is kept of a service's newest fault, or of the board's last reset."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from bulkhead_host import abi
from bulkhead_host.commands.options import connected, dump_option, port_option
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.dump import Dump, load_dump
from bulkhead_host.link.services import Fault, Table

BOARD = ""
"""Stands for the board instead of a service's name."""


def fault(client: Client, name: str) -> tuple[Fault | None, str, Table]:
    """Return the newest fault of a service, its whole traceback, and the board's table.

    The fault is None when none is kept. `BOARD` instead of a name asks for what ended the board's
    last run. Raises `UsageError` that lists what there is when the name is unknown.
    """
    client.hello()
    table = client.table()
    if name != BOARD:
        table.find(name)
    try:
        return client.fault(name), client.fault_text(name), table
    except NoSuchTarget:
        return None, "", table


def dumped_fault(dump: Dump, name: str) -> tuple[Fault | None, str, Table]:
    """Return the same from a dump."""
    if name != BOARD:
        dump.table.find(name)
    kept = dump.faults.get(name)
    return (kept.record, kept.text, dump.table) if kept else (None, "", dump.table)


def summary(found: Fault, name: str, table: Table) -> str:
    """Return a fault in words: what, when, what the service was doing, and for whom."""
    at = f"at {found.uptime_ms / 1000:.3f} s"
    if name == BOARD:
        causes = abi.CRASH_NAMES
        when = f"{at}, generation {found.generation}"
        cause = causes[found.kind] if found.kind < len(causes) else f"cause {found.kind}"
        return f"the board was reset: {_name(found.task, table) or 'the kernel'} {cause}, {when}"
    kinds = abi.FAULT_NAMES
    kind = kinds[found.kind] if found.kind < len(kinds) else str(found.kind)
    doing = f"it was {found.state}, its last trap gave {_given(found.operation)}"
    client = _name(found.client, table)
    peer = _name(found.peer, table)
    served = f", serving {client}" if client else ""
    waited = f", waiting for {peer}" if peer else ""
    when = f"{at}, generation {found.generation}, and the log names the next"
    return f"{name} faulted: {kind} {when}; {doing}{served}{waited}"


def _given(operation: int) -> str:
    named = operation == abi.OK or operation >= abi.TIMEOUT
    return abi.status_name(operation) if named else f"operation {operation}"


def _name(number: int, table: Table) -> str:
    if not number:
        return ""
    return table.names[number - 1] if number <= len(table.names) else f"task {number}"


@click.command(
    "fault",
    epilog="Examples: bulkhead fault blink --port a0;  bulkhead fault blink --dump crash.json",
)
@click.argument("name", required=False, default=BOARD)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
@dump_option
def command(name: str, port: str, dump_file: Path | None, wants_json: bool) -> None:
    """Show the newest fault of the service NAME with its whole traceback.

    Without NAME, show what ended the board's last run, if that was the kernel or the watchdog.
    The board keeps its four newest faults.
    """
    if dump_file is not None:
        found, text, table = dumped_fault(load_dump(dump_file), name)
    else:
        with connected(port) as client:
            found, text, table = fault(client, name)
    if wants_json:
        record = asdict(found) if found else None
        click.echo(json.dumps({"fault": record, "text": text}, indent=1))
    elif found is None:
        click.echo(f"nothing is kept of {name or 'a reset'}", err=True)
    else:
        click.echo(summary(found, name, table))
        if name != BOARD and text:
            click.echo(text.rstrip())
