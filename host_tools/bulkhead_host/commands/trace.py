"""`bulkhead trace`: record who runs when on a board, for Perfetto or a waveform viewer."""

import json
from pathlib import Path
from typing import Any

import click

from bulkhead_host.commands.options import (
    STDOUT,
    app_option,
    connected,
    dump_option,
    operations_of,
    output_option,
    port_option,
)
from bulkhead_host.files import write_text
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.log import parse_line
from bulkhead_host.link.recording import Recording, record
from bulkhead_host.link.trace import Trace, check_not_empty
from bulkhead_host.messages import teller
from bulkhead_host.view.chrome import chrome_trace
from bulkhead_host.view.story import Operations, Story, story
from bulkhead_host.view.vcd import vcd

FORMATS = ("chrome", "vcd")


def export(
    found: Recording,
    *,
    form: str,
    operations: Operations | None = None,
    has_observer: bool = False,
) -> tuple[str, Story]:
    """Return the text of a recording's file in one of `FORMATS`, and what it shows.

    Raises `BulkheadError` when there are no records.
    """
    check_not_empty(found.trace)
    told = story(found, operations=operations, has_observer=has_observer)
    if form == "vcd":
        return vcd(told.shown), told
    title = f"{found.hello.application} on {found.hello.board}"
    return json.dumps(chrome_trace(told, title=title)) + "\n", told


def summary(found: Trace, told: Story) -> str:
    """Return in words what was recorded."""
    shown = told.shown
    left_out = f", {told.left_out} of the observer left out" if told.left_out else ""
    length_ms = (found.records[-1].time_us - found.records[0].time_us) / 1000
    return (
        f"{len(found.records)} records in {length_ms:.0f} ms, {found.lost} lost; "
        f"{len(shown.slices)} slices{left_out}, {len(shown.arrows)} calls answered, "
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
@click.option(
    "--observer",
    "has_observer",
    is_flag=True,
    help="Show the console and the supervisor at answering, too.",
)
@app_option
@port_option
@dump_option
def command(output: Path, seconds: float, form: str, port: str, **options: Any) -> None:
    """Record which service runs when, on whose call.

    The Chrome trace opens in Perfetto (https://ui.perfetto.dev): a track for each service by its
    priority, a slice for each step, as `soil.READ -> adc.MILLIVOLTS`, an arrow from each call to
    its reply, and what a service waits for in between. Faults, interrupts and lines of the log are
    instants; queues, waiting clients, heap and the interrupts of hard drivers are counters. VCD is
    for waveform viewers, and has who runs. The board records all the time; what it had to give up
    before it was read is counted as lost.

    Operations are named where the application's api.py are: in this folder, or that of --app.
    """
    dump_file = options["dump_file"]
    if dump_file is not None:
        dump = load_dump(dump_file)
        lines = tuple(line for text in dump.log if (line := parse_line(text)) is not None)
        found = Recording(hello=dump.hello, trace=dump.trace, tables=(dump.table,), lines=lines)
    else:
        said: list[str] = []
        with connected(port, on_output=said.append) as client:
            found = record(client, seconds=seconds, said=said)
    text, told = export(
        found,
        form=form,
        operations=operations_of(found.trace.names, options["application"]),
        has_observer=options["has_observer"],
    )
    if str(output) == STDOUT:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
    teller("trace")(summary(found.trace, told))
