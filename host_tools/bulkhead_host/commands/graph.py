"""`bulkhead graph`: draw who calls whom, how often, and how long it took."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bulkhead_host.commands.options import (
    STDOUT,
    connected,
    dump_option,
    output_option,
    port_option,
)
from bulkhead_host.errors import BulkheadError
from bulkhead_host.files import write_text
from bulkhead_host.image.packages import Purpose, has_program, install_missing
from bulkhead_host.image.process import ProgramFailed, run
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.trace import Trace, collect
from bulkhead_host.messages import teller
from bulkhead_host.view.graph import dot, edges

FORMATS = ("svg", "dot")

_GRAPHVIZ = {"graphviz": has_program("dot")}
_PURPOSE = Purpose(
    what="drawing a graph",
    instead="install Graphviz, or take the graph itself: bulkhead graph --format dot",
)


def drawing(text: str) -> str:
    """Return what Graphviz draws of a graph in its language, as SVG.

    Installs it where that is allowed; otherwise raises `BulkheadError` that says how.
    """
    install_missing(_GRAPHVIZ, purpose=_PURPOSE, progress=teller("graph"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.dot"
        write_text(file, text)
        try:
            return run(["dot", "-Tsvg", str(file)])
        except ProgramFailed as error:
            raise BulkheadError(
                f"Graphviz failed: {error.last_line}", "bulkhead graph --format dot"
            ) from error


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
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="A drawing, or the graph in Graphviz's language.",
)
@click.option("--all", "has_all", is_flag=True, help="Draw every edge, those of hubs too.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
@port_option
@dump_option
def command(output: Path, seconds: float, form: str, port: str, **options: Any) -> None:
    """Draw who calls whom on a board.

    An edge for each capability that reaches another service: what it may do, how often it did,
    and the median time from call to reply of the calls that were seen. An edge that was never
    used is pale, one that only notifies is dashed, a service that has failed is red, a hard driver
    green. Counts are since the board has booted. A service that half of all reach, or that may
    reach half of all, says so in words and not by lines, unless --all is given. Graphviz draws it,
    which is installed when it is missing and that is allowed.
    """
    dump_file = options["dump_file"]
    if dump_file is not None:
        dump = load_dump(dump_file)
        hello, table, trace = dump.hello, dump.table, dump.trace
    else:
        with connected(port) as client:
            hello, table, trace = graph(client, seconds=seconds)
    found = edges(trace)
    if options["wants_json"]:
        text = json.dumps([asdict(edge) for edge in found], indent=1) + "\n"
    else:
        title = f"{hello.application} on {hello.board}"
        text = dot(table, found, title=title, has_all=options["has_all"])
        text = drawing(text) if form == "svg" else text
    if str(output) == STDOUT:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
