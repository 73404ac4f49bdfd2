"""`bulkhead graph`: draw who calls whom, how often, and how long it took."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from bulkhead_host.commands.options import (
    STDOUT,
    connected,
    dump_option,
    output_option,
    port_option,
)
from bulkhead_host.files import write_text
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.trace import Trace, collect
from bulkhead_host.view.graph import edges, svg


def graph(client: Client, *, seconds: float) -> tuple[Hello, Table, Trace]:
    """Return who answers, what runs there, and who reached whom; calls are timed for a while."""
    return client.hello(), client.table(), collect(client, seconds=seconds)


@click.command(
    "graph",
    epilog="Examples: bulkhead graph -o demo.svg --seconds 2;  "
    "bulkhead graph -o demo.svg --dump crash.json;  bulkhead graph --json",
)
@output_option
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How long to look at calls for their latencies.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
@dump_option
def command(
    output: Path, seconds: float, wants_json: bool, port: str, dump_file: Path | None
) -> None:
    """Draw who calls whom on a board, as SVG.

    An edge for each capability that reaches another service: what it may do, how often it did,
    and the median time from call to reply of the calls that were seen. An edge that was never
    used is pale, one that only notifies is dashed, a service that has failed is red. Counts are
    since the board has booted.
    """
    if dump_file is not None:
        dump = load_dump(dump_file)
        hello, table, trace = dump.hello, dump.table, dump.trace
    else:
        with connected(port) as client:
            hello, table, trace = graph(client, seconds=seconds)
    found = edges(trace)
    if wants_json:
        text = json.dumps([asdict(edge) for edge in found], indent=1) + "\n"
    else:
        text = svg(table, found, title=f"{hello.application} on {hello.board}")
    if str(output) == STDOUT:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
