"""`bulkhead trace`: record who runs when on a board, for Perfetto or a waveform viewer."""

import json
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
from bulkhead_host.link.services import Hello
from bulkhead_host.link.trace import Trace, check_not_empty, collect
from bulkhead_host.messages import teller
from bulkhead_host.view.chrome import chrome_trace
from bulkhead_host.view.timeline import Timeline, timeline
from bulkhead_host.view.vcd import vcd

FORMATS = ("chrome", "vcd")


def trace(client: Client, *, seconds: float) -> tuple[Hello, Trace]:
    """Return who answers, and what its ring holds and what comes in a time."""
    return client.hello(), collect(client, seconds=seconds)


def export(found: Trace, hello: Hello, *, form: str) -> tuple[str, Timeline]:
    """Return the text of a trace's file in one of `FORMATS`, and what it shows.

    Raises `BulkheadError` when there are no records.
    """
    check_not_empty(found)
    shown = timeline(found)
    if form == "vcd":
        return vcd(shown), shown
    title = f"{hello.application} on {hello.board}"
    return json.dumps(chrome_trace(shown, title=title)) + "\n", shown


def summary(found: Trace, shown: Timeline) -> str:
    """Return in words what was recorded."""
    length_ms = (found.records[-1].time_us - found.records[0].time_us) / 1000
    return (
        f"{len(found.records)} records in {length_ms:.0f} ms, {found.lost} lost; "
        f"{len(shown.slices)} slices, {len(shown.arrows)} calls answered, "
        f"{shown.unanswered} not seen answered"
    )


@click.command(
    "trace",
    epilog="Examples: bulkhead trace -o t.json --seconds 2;  bulkhead trace -o t.vcd --format vcd;"
    "  bulkhead trace -o t.json --dump crash.json",
)
@output_option
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How long to record; 0 takes what the board's ring holds.",
)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True
)
@port_option
@dump_option
def command(output: Path, seconds: float, form: str, port: str, dump_file: Path | None) -> None:
    """Record which service runs when, on whose call.

    The Chrome trace opens in Perfetto (https://ui.perfetto.dev): a track for each service, a
    slice for each step, named by the trap that ended it, an arrow from each call to its reply,
    faults and interrupts as instants. VCD is for waveform viewers. The board records all the
    time; what it had to give up before it was read is counted as lost.
    """
    if dump_file is not None:
        dump = load_dump(dump_file)
        hello, found = dump.hello, dump.trace
    else:
        with connected(port) as client:
            hello, found = trace(client, seconds=seconds)
    text, shown = export(found, hello, form=form)
    if str(output) == STDOUT:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
    teller("trace")(summary(found, shown))
