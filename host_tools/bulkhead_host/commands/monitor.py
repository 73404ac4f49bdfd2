"""`bulkhead monitor`: watch services and log."""

import sys
from collections.abc import Callable
from contextlib import suppress

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.link.client import Client
from bulkhead_host.link.follow import INTERVAL_MS, Connect, follow
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.view.monitor import LiveViewer, PlainViewer

INTERVAL_MS_MIN = 100
INTERVAL_MS_MAX = 20_000


Attendant = Callable[[Callable[[str], None]], Callable[[Client], None]]
"""Makes what `follow` calls often while there is a line, out of how it may tell the person."""


def monitor(
    port: str,
    *,
    interval_ms: int = INTERVAL_MS,
    for_s: float | None = None,
    attendant: Attendant | None = None,
) -> None:
    """Watch the board at `port` for a time, or until interrupted.

    On a terminal that is a live table below the log; elsewhere a table, then lines.
    """
    address = find_address(port)
    watch(
        lambda: open_address(address),
        reconnect=lambda: open_address(find_again(address)),
        interval_ms=interval_ms,
        for_s=for_s,
        attendant=attendant,
    )


def watch(  # noqa: PLR0913  (all but one by keyword)
    connect: Connect,
    *,
    reconnect: Connect | None = None,
    interval_ms: int = INTERVAL_MS,
    for_s: float | None = None,
    hint: str = "Ctrl-C leaves; the board goes on",
    attendant: Attendant | None = None,
) -> None:
    """Watch what `connect` opens; `KeyboardInterrupt` ends it like `for_s` does."""
    with suppress(KeyboardInterrupt):
        if not sys.stdout.isatty():
            viewer = PlainViewer()
            follow(
                connect,
                viewer,
                interval_ms=interval_ms,
                for_s=for_s,
                reconnect=reconnect,
                attend=attendant and attendant(viewer.show_notice),
            )
            return
        transport = connect()  # what it raises is to be read on a plain terminal
        with LiveViewer(hint=hint) as live:
            follow(
                lambda: transport,
                live,
                interval_ms=interval_ms,
                for_s=for_s,
                reconnect=reconnect or connect,
                attend=attendant and attendant(live.show_notice),
            )


@click.command("monitor", epilog="Example: bulkhead monitor --port id:e66058388357392e --for 60")
@port_option
@click.option(
    "--interval-ms",
    type=click.IntRange(INTERVAL_MS_MIN, INTERVAL_MS_MAX),
    default=INTERVAL_MS,
    show_default=True,
    help="How often the board sends its table.",
)
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Leave after a time; the default is at Ctrl-C.",
)
def command(port: str, interval_ms: int, for_s: float | None) -> None:
    """Watch services and log, without disturbing them.

    The board is sent link frames only, never Ctrl-C; its program goes on. When the board is
    reset or unplugged, the monitor waits for it, a USB board by its serial number.
    """
    monitor(port, interval_ms=interval_ms, for_s=for_s)
