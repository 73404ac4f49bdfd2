"""`bulkhead log`: print the log of a board."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from bulkhead_host.commands.options import dump_option, for_option, port_option
from bulkhead_host.errors import DeviceBusy, DeviceTimeout
from bulkhead_host.files import check_reader
from bulkhead_host.link.client import Client
from bulkhead_host.link.dump import load_dump
from bulkhead_host.link.follow import Connect, await_return
from bulkhead_host.link.log import LEVELS, LogFilter, parse_line
from bulkhead_host.link.ports import find_address, find_again, open_address
from bulkhead_host.link.services import Table
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.messages import teller
from bulkhead_host.view.monitor import log_text
from bulkhead_host.view.services import console

QUIET_S = 1.0
"""A board that says nothing for this long has no more to say for now."""

_LEVEL_NAMES = {"debug": "D", "info": "I", "warning": "W", "error": "E"}
_LISTEN_S = 1.0
LAST_MAX = 64
"""As many records as a board keeps (services/logger/ring.py)."""


def log(  # noqa: PLR0913  (most by keyword)
    connect: Connect,
    show: Callable[[str], None],
    *,
    is_following: bool,
    for_s: float | None = None,
    reconnect: Connect | None = None,
    notice: Callable[[str], None] = lambda text: None,
    begin: Callable[[Client], None] = lambda client: None,
    attend: Callable[[], None] = lambda: None,
) -> None:
    """Give each line of output to `show`; nothing is sent to the board, but by `begin`.

    That ends after `for_s` of the line's clock, or when nothing comes for `QUIET_S` unless
    `is_following`; then a line that is lost is waited for. `begin` is called once, first, and
    `attend` each second.
    """
    transport = connect()
    until_s = None if for_s is None else transport.clock_s() + for_s
    while True:
        try:
            client = Client(transport, on_output=show)
            begin(client)
            begin = _begun
            _listen(client, until_s, attend, is_following=is_following)
            return
        except (LinkLost, DeviceBusy) as error:
            if not is_following:
                raise
            notice(f"{error.cause}: waiting for it")
        finally:
            transport.close()
        returned = await_return(reconnect or connect, transport.clock_s, until_s)
        if returned is None:
            return
        transport = returned
        notice(f"{transport.name} is back")


def _begun(_client: Client) -> None:
    """Do nothing: what was to be done first is done."""


def _listen(
    client: Client, until_s: float | None, attend: Callable[[], None], *, is_following: bool
) -> None:
    clock_s = client.transport.clock_s
    while until_s is None or clock_s() < until_s:
        attend()
        left_s = _LISTEN_S if until_s is None else until_s - clock_s()
        if is_following:
            client.listen(min(left_s, _LISTEN_S))
        elif not client.listen_once(min(left_s, QUIET_S)) and until_s is None:
            return


def kept(client: Client, wanted: LogFilter, count: int) -> list[str]:
    """Return the last `count` lines that the board keeps of what is wanted. Raises as the link."""
    return [line for line in client.kept_log() if wanted.wants(line)][-count:]


@click.command(
    "log",
    epilog="Examples: bulkhead log --last 20;  bulkhead log -f --service blink --level warning;  "
    "bulkhead log --for 10 --json;  bulkhead log --dump crash.json",
)
@port_option
@dump_option
@for_option
@click.option(
    "--last",
    type=click.IntRange(1, LAST_MAX),
    metavar="N",
    help="Print the last N lines that the board keeps first, seen or not.",
)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on, through resets too.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only of this service.")
@click.option(
    "--level",
    type=click.Choice(sorted(_LEVEL_NAMES, key=lambda name: LEVELS.index(_LEVEL_NAMES[name]))),
    default="debug",
    show_default=True,
    help="The least important level to print.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object a line.")
def command(
    port: str, dump_file: Path | None, for_s: float | None, is_following: bool, **options: object
) -> None:
    """Print the log of a board: the lines of its services, with its time and level.

    The board sends its log as it comes, and keeps a little for a program that opens its port.
    Without -f or --for this prints what comes until nothing does for a second; nothing is sent to
    the board. `--last` asks it for the newest lines, also such as were printed long ago, and ends
    unless -f or --for is given. `--service` may be given several times; the supervisor's lines
    about a service count as its own, and a traceback goes with the line above it.
    """
    services, level, last = options["services"], options["level"], options["last"]
    wanted = LogFilter(services=tuple(services), level=_LEVEL_NAMES[str(level)])  # type: ignore[arg-type]
    show = _printer(wants_json=bool(options["wants_json"]))

    def show_wanted(line: str) -> None:
        if wanted.wants(line):
            show(line)

    if dump_file is not None:
        dump = load_dump(dump_file)
        lines = [line for line in dump.log if wanted.wants(line)]
        if not lines:
            _find(wanted.services, dump.table)
        for line in lines[-last:] if isinstance(last, int) else lines:
            show(line)
        return
    address = find_address(port)
    if isinstance(last, int):
        transport = open_address(address)
        try:
            client = Client(transport)
            lines = kept(client, wanted, last)
            if not lines and wanted.services:
                _find(wanted.services, client.table())
        finally:
            transport.close()
        for line in lines:
            show(line)
        if not is_following and for_s is None:
            return
    with suppress(KeyboardInterrupt):
        log(
            lambda: open_address(address),
            show_wanted,
            is_following=is_following,
            for_s=for_s,
            reconnect=lambda: open_address(find_again(address)),
            notice=teller("bulkhead"),
            begin=lambda client: _find_on(client, wanted.services),
            attend=lambda: check_reader(sys.stdout),
        )


def _find_on(client: Client, services: Sequence[str]) -> None:
    """Raise `UsageError` where a board that answers has no service of such a name."""
    if services:
        with suppress(DeviceTimeout):  # a program, or the prompt, has it: what it says is shown
            _find(services, client.table())


def _find(services: Sequence[str], table: Table) -> None:
    """Raise `UsageError` that lists what there is when the board has none of such a name."""
    for name in services:
        table.find(name)


def _printer(*, wants_json: bool) -> Callable[[str], None]:
    out = console()

    def print_text(line: str) -> None:
        out.print(log_text(line), soft_wrap=True)

    def print_json(line: str) -> None:
        record = parse_line(line)
        click.echo(json.dumps(asdict(record) if record else {"text": line}))

    return print_json if wants_json else print_text
