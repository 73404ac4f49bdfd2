"""`bulkhead dump`: save the state of a board to a file, for every view to look at later."""

from pathlib import Path

import click

from bulkhead_host.commands.options import STDOUT, port_option
from bulkhead_host.files import write_text
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import Dump, take_dump, to_json
from bulkhead_host.link.ports import open_port
from bulkhead_host.messages import teller


def dump(port: str, *, listen_s: float = 0) -> Dump:
    """Return all that can be read of the board at `port`, after listening to it for a time."""
    transport = open_port(port)
    log: list[str] = []
    try:
        return take_dump(Client(transport, on_output=log.append), log=log, listen_s=listen_s)
    finally:
        transport.close()


@click.command(
    "dump",
    epilog="Examples: bulkhead dump crash.json;  bulkhead dump --listen 5 crash.json;  "
    "bulkhead dump --port a0 | gzip > crash.json.gz",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=STDOUT)
@port_option
@click.option(
    "--listen",
    "listen_s",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Listen to the log for a time before.",
)
def command(file: Path, port: str, listen_s: float) -> None:
    """Save the state of a board to FILE, by default to standard output.

    That is who it is, every service, the texts of the last faults, who may reach whom, the
    trace that the board holds, and the lines of the log that come meanwhile: JSON. `ps`, `top`,
    `log`, `fault`, `postmortem`, `trace`, `graph`
    and `why` take the file by --dump, without a board.
    """
    text = to_json(dump(port, listen_s=listen_s))
    if str(file) == STDOUT:
        click.echo(text, nl=False)
        return
    write_text(file, text)
    teller("dump")(f"wrote {file}")
