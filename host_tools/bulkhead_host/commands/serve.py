"""`bulkhead serve`: let several tools share one board."""

import ipaddress
import signal

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.commands.sim import parse_tcp
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.share_server import ShareServer
from bulkhead_host.messages import teller

LISTEN = "127.0.0.1:0"


def serve(port: str, listen: str) -> ShareServer:
    """Return a server of the board at `port`, listening at `[HOST:]PORT`, ready to run."""
    host, number = parse_tcp(listen)
    address = find_address(port)
    return ShareServer(
        lambda: open_address(address),
        reconnect=lambda: open_address(find_again(address)),
        host=host,
        port=number,
        report=teller("serve"),
    )


@click.command(
    "serve",
    epilog="Examples: bulkhead serve;  bulkhead serve --port a0 --listen 8266;  "
    "bulkhead top --port socket://127.0.0.1:8266",
)
@port_option
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    default=LISTEN,
    show_default=True,
    help="Where the tools connect; port 0 takes a free one.",
)
def command(port: str, listen: str) -> None:
    """Let several tools share one board until Ctrl-C.

    The line on standard output is the URL for their --port; mpremote takes it too. Output goes to
    all of them, an answer to who asked. While one types at the prompt the others wait. When the
    board is reset, it is found again by its USB serial number and the tools stay connected.
    Standard error says who joins, and when one leaves what it has lost by reading too slowly.
    """
    server = serve(port, listen)
    host = parse_tcp(listen)[0]
    if not _is_loopback(host):
        teller("serve")(f"everybody who reaches {host} can change the board")
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: server.stop())
    click.echo(server.name)
    server.run()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
