"""`bulkhead serve`: let several tools share one board."""

import ipaddress
import os
import signal
from pathlib import Path

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.commands.sim import parse_tcp
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.share_server import ShareServer
from bulkhead_host.messages import teller


def serve(port: str, listen: str | None = None) -> ShareServer:
    """Return a server of the board at `port`, ready to run.

    It listens at `listen`: `[HOST:]PORT` or the path of a Unix socket. Without it that is a Unix
    socket in a folder of its own, or a free TCP port where the system has none.
    """
    address = find_address(port)
    return ShareServer(
        lambda: open_address(address),
        reconnect=lambda: open_address(find_again(address)),
        where=_where(listen),
        report=teller("serve"),
    )


def _where(listen: str | None) -> Path | tuple[str, int] | None:
    if listen is None:
        return None
    return Path(listen) if os.sep in listen else parse_tcp(listen)


@click.command(
    "serve",
    epilog="Examples: bulkhead serve;  bulkhead serve --port a0 --listen 8266;  "
    "bulkhead top --port serve://TOKEN@127.0.0.1:8266",
)
@port_option
@click.option(
    "--listen",
    metavar="[HOST:]PORT or PATH",
    help="Where the tools connect: a TCP port, 0 for a free one, or the path of a Unix socket; "
    "the default is a Unix socket in a folder of this user alone.",
)
def command(port: str, listen: str | None) -> None:
    """Let several tools share one board until Ctrl-C.

    The line on standard output is the URL for their --port; it has the token that lets them in,
    and is another each time. Output goes to all of them, an answer to who asked. While one types
    at the prompt the others wait; when it has gone the prompt is left. When the board is reset, it
    is found again by its USB serial number and the tools stay connected. Standard error says who
    joins, and when one leaves what it has lost by reading too slowly.
    """
    server = serve(port, listen)
    if server.door.host and not _is_loopback(server.door.host):
        teller("serve")(f"the token and all else goes to {server.door.host} unencrypted")
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: server.stop())
    click.echo(server.door.url)
    server.run()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
