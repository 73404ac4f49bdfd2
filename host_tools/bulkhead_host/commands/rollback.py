"""`bulkhead rollback`: put the code back that services had before."""

import click

from bulkhead_host.commands.options import connected, port_option, probation_option
from bulkhead_host.link.updater import take_back
from bulkhead_host.messages import teller

_HELP = """Put the code back that services on a board had before their newest update.

It is put in place as an update is: state handed over, messages kept, watched for a while. Each
SERVICE that is named goes back, or none does. A second rollback undoes the first.
"""


@click.command("rollback", help=_HELP, epilog="Example: bulkhead rollback blink --port a0")
@click.argument("services", metavar="SERVICE...", nargs=-1, required=True)
@port_option
@probation_option
def command(services: tuple[str, ...], port: str, probation_s: float) -> None:
    """Take services back, and say so."""
    tell = teller("rollback")
    with connected(port) as client:
        take_back(
            client,
            services,
            probation_ms=round(probation_s * 1000),
            on_phase=lambda phase: tell(phase) if phase == "probation" else None,
        )
    for name in services:
        click.echo(f"{name}: has the code that it had before")
