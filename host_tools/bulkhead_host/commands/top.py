"""`bulkhead top`: watch, sort and control services on a live screen."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from bulkhead_host.commands.monitor import INTERVAL_MS_MAX, INTERVAL_MS_MIN
from bulkhead_host.commands.options import connected, dump_option, for_option, port_option
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.facts import Facts, facts_line, read_facts
from bulkhead_host.link.follow import INTERVAL_MS, Connect, follow
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.view.keys import DOWN, ENTER, UP, Keys
from bulkhead_host.view.services import STOPPED_STATES, as_json, console, cpu_percent, grid, title
from bulkhead_host.view.top import SORTS, TopViewer, ordered

FACTS_EVERY_S = 10.0
"""How often what is in no table is read: the board collects its garbage for that, up to 40 ms."""


class _Leave(Exception):
    """The person has pressed q."""


def two_tables(client: Client, *, interval_ms: int) -> tuple[Hello, Table, Table]:
    """Return who answers, and its table twice, an interval apart."""
    hello = client.hello()
    before = client.table()
    client.listen(interval_ms / 1000)
    return hello, before, client.table()


def top(
    connect: Connect,
    *,
    reconnect: Connect | None = None,
    interval_ms: int = INTERVAL_MS,
    for_s: float | None = None,
    order: str = "cpu",
) -> None:
    """Show the board that `connect` opens on the terminal until q, Ctrl-C or `for_s`."""
    transport = connect()  # what it raises is to be read on a plain terminal
    with suppress(KeyboardInterrupt, _Leave), Keys() as keys, TopViewer(order=order) as viewer:
        facts, facts_s = Facts(), 0.0

        def attend(client: Client) -> None:
            nonlocal facts, facts_s
            for key in keys.pressed():
                press(key, viewer, client)
            table = viewer.table
            if table is not None and client.transport.clock_s() >= facts_s:
                facts_s = client.transport.clock_s() + FACTS_EVERY_S
                facts = read_facts(client, table, facts)
                viewer.show_facts(facts_line(facts))

        follow(
            lambda: transport,
            viewer,
            interval_ms=interval_ms,
            for_s=for_s,
            reconnect=reconnect or connect,
            attend=attend,
        )


def press(key: str, viewer: TopViewer, client: Client) -> None:
    """Do what a key stands for; what fails is said on the screen."""
    if key in ("q", "Q"):
        raise _Leave
    if key in (UP, "k"):
        viewer.choose_next(-1)
    elif key in (DOWN, "j"):
        viewer.choose_next(1)
    elif key == "s":
        viewer.sort_next()
    elif key == "?":
        viewer.turn_help()
    elif key == ENTER and viewer.is_open:
        viewer.close()
    elif key in (ENTER, "h", "r"):
        try:
            _act(key, viewer, client)
        except BulkheadError as error:
            viewer.show_notice(error.cause)


def _act(key: str, viewer: TopViewer, client: Client) -> None:
    """Do what takes a request to the board."""
    service = viewer.chosen
    if service is None:
        return
    if key == ENTER:
        try:
            text = client.fault_text(service.name)
        except NoSuchTarget:
            text = ""
        viewer.open(service, text)
        return
    verb = "restart"
    if key == "h":
        verb = "release" if service.state in STOPPED_STATES else "hold"
    client.control(service.name, verb)
    viewer.show_notice(f"{verb}: {service.name}")


@click.command(
    "top",
    epilog="Examples: bulkhead top;  bulkhead top --sort restarts --interval-ms 500;  "
    "bulkhead top --json;  bulkhead top --dump crash.json",
)
@port_option
@dump_option
@for_option
@click.option(
    "--interval-ms",
    type=click.IntRange(INTERVAL_MS_MIN, INTERVAL_MS_MAX),
    default=INTERVAL_MS,
    show_default=True,
    help="How often the board sends its table.",
)
@click.option("--sort", "order", type=click.Choice(list(SORTS)), default="cpu", show_default=True)
@click.option("--json", "wants_json", is_flag=True, help="Print one table as JSON.")
def command(port: str, dump_file: Path | None, **options: Any) -> None:
    """Watch, sort and control the services of a board on a live screen.

    \b
    up, down  choose a service (also k and j)
    enter     open it: what it waits for and the text of its last fault; again to close
    s         sort by the next of start, cpu, name, priority, restarts, memory and queue
    h         hold it: stopped until h releases it
    r         restart it, which counts as no fault
    ?         say what the keys do
    q         leave; the board goes on

    It fits 80 columns and 24 lines: the table scrolls with the service that is chosen. CPU is the
    share of the time since the last table. What the board has left of heap and flash, its
    temperature and its last reset are read every 10 s. Where there is no terminal, and with
    --json or --dump, one table is printed.
    """
    interval_ms, order = options["interval_ms"], options["order"]
    if dump_file is not None:
        dump = load_dump(dump_file)
        _print(dump.hello, None, dump.table, order, wants_json=options["wants_json"])
        return
    if options["wants_json"] or not (sys.stdout.isatty() and sys.stdin.isatty()):
        with connected(port) as client:
            hello, before, after = two_tables(client, interval_ms=interval_ms)
        _print(hello, before, after, order, wants_json=options["wants_json"])
        return
    address = find_address(port)
    top(
        lambda: open_address(address),
        reconnect=lambda: open_address(find_again(address)),
        interval_ms=interval_ms,
        for_s=options["for_s"],
        order=order,
    )


def _print(
    hello: Hello, before: Table | None, table: Table, order: str, *, wants_json: bool
) -> None:
    table = ordered(table, before, order)
    if wants_json:
        found = as_json(table)
        for row, service in zip(found["services"], table.services, strict=True):
            row["cpu_percent"] = cpu_percent(service, table, before)
        click.echo(json.dumps(found, indent=1))
        return
    out = console()
    out.print(title(hello, table))
    out.print(grid(table, previous=before, width=out.width))
