"""`bulkhead dashboard`: a board on a page, live."""

import webbrowser
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from bulkhead_host.commands.options import app_option, operations_of, port_option
from bulkhead_host.dashboard.hub import Hub
from bulkhead_host.dashboard.server import DashboardServer
from bulkhead_host.link.ports import find_address, find_again, open_address


def hub_at(port: str) -> Hub:
    """Return a hub of the board at `port`, which is found again after a reset."""
    address = find_address(port)
    return Hub(lambda: open_address(address), reconnect=lambda: open_address(find_again(address)))


@click.command(
    "dashboard",
    epilog="Examples: bulkhead dashboard;  bulkhead dashboard --port a0 --listen 8080;  "
    "bulkhead dashboard --open",
)
@port_option
@click.option(
    "--listen",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=0,
    help="The loopback port of the page; the default, 0, takes a free one.",
)
@app_option
@click.option("--open", "opens", is_flag=True, help="Open the page in this machine's browser.")
def command(port: str, listen: int, opens: bool, application: Path | None) -> None:
    """Show a board on a local page, live, until Ctrl-C.

    Uptime, heap and load with their history, services and who waits for whom, outputs that are in
    their safe state, faults with their texts, the log, a trace of who runs when, and behind a
    question what makes a service fail, holds or restarts it. The page fits a phone too. The line
    on standard output is the page's address. It is served on the loopback interface alone, to
    those who have the token in that address; the token is new each time.
    """
    with hub_at(port) as hub:
        names = partial(operations_of, application=application)
        server = DashboardServer(hub, port=listen, operations=names)
        with suppress(KeyboardInterrupt):  # how it is ended
            click.echo(server.url)
            if opens:
                webbrowser.open(server.url)
            server.run()
