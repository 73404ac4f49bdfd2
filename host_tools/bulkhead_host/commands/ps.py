"""`bulkhead ps`: list the services on a board."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from bulkhead_host.commands.options import connected, dump_option, port_option
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.facts import Facts, facts_line, read_facts
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.view.services import as_json, console, grid, title


def ps(client: Client) -> tuple[Hello, Table, Facts]:
    """Return who answers, what runs there, and what the board has left."""
    hello, table = client.hello(), client.table()
    return hello, table, read_facts(client, table)


@click.command(
    "ps", epilog="Examples: bulkhead ps --port /dev/ttyACM0 --json;  bulkhead ps --dump crash.json"
)
@port_option
@dump_option
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(port: str, dump_file: Path | None, wants_json: bool) -> None:
    """List the services on a board.

    PRIORITY 0 is the most important; in parentheses the one it runs at while a more important
    caller waits. GEN counts the incarnations of a service, FAULT is the kind of its last fault.
    CPU ms is how long it has run, STEPS how often, MEMORY the bytes of the heap that it is charged
    with. CLIENTS wait for its answer, QUEUE messages wait in its mailbox, DROPPED ones found it
    full. A narrow terminal gets fewer columns; PRI is PRIORITY there, and RST is RESTARTS.

    The line below the title is the board's: its heap, after a collection, its file system in the
    flash, the chip's temperature where a service tells it, and what ended the run before.
    """
    if dump_file is not None:
        dump = load_dump(dump_file)
        hello, table, facts = dump.hello, dump.table, dump.facts
    else:
        with connected(port) as client:
            hello, table, facts = ps(client)
    if wants_json:
        click.echo(json.dumps(as_json(table) | {"board": asdict(facts)}, indent=1))
        return
    out = console()
    out.print(title(hello, table))
    if line := facts_line(facts):
        out.print(line)
    out.print(grid(table, width=out.width))
