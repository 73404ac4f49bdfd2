"""`bulkhead run`: boot an application and show it working.

Three ways: a real board gets the application, if one is given, and is watched; on a terminal an
emulated one runs at real pace and is watched; without a terminal the emulated board shows a crash
and the restart, in device time and as fast as it can, and the exit code tells whether it was as
promised.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.inject import inject
from bulkhead_host.commands.monitor import Attendant, monitor, watch
from bulkhead_host.commands.options import (
    around,
    desk_options,
    network_of,
    network_options,
    probation_option,
)
from bulkhead_host.commands.update import find_targets
from bulkhead_host.commands.watch import Watcher, watched_folders
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.net.conditions import Plan
from bulkhead_host.emulator.net.network import networked
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.link.services import Table
from bulkhead_host.messages import teller
from bulkhead_host.paths import source_root
from bulkhead_host.view.monitor import log_text
from bulkhead_host.view.services import PLAIN_WIDTH, STOPPED_STATES, console, grid, title

DEMONSTRATION_S = 10.0
"""Device seconds before the crash."""

RESTART_TIMEOUT_S = 5.0
"""Device seconds that a restart may take: the supervisor's longest pause."""

PREFERRED_TARGET = "blink"
TELLERS = ("supervisor", "console", "logger")

GUEST_IMAGE = "build/guest-pico.uf2"
"""The application that ships with a guest; its own image stays without."""

_INJECTION = "crash"
_POLL_S = 0.25
_BOOT_TIMEOUT_MS = 5000


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The command line."""

    application: Path | None
    port: str | None
    for_s: float | None
    guest: Path | None
    drive: Path | None
    wants_watch: bool
    probation_s: float
    net: Plan | None = None
    desk: Path | None = None
    pictures: Path | None = None

    def around(self, board: EmulatedBoard) -> None:
        """Put the desk that is named around an emulated board."""
        around(board, self.desk, self.pictures)


Furnish = Callable[[EmulatedBoard], None]
"""Puts things around a board that has not been switched on."""


def _nothing(_board: EmulatedBoard) -> None:
    """Leave a board bare."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What was seen: the tables around the crash of `target`."""

    target: str
    before: Table
    after: Table

    @property
    def problems(self) -> list[str]:
        """What was not as promised: the target's generation one up, and no other's."""
        found = []
        for old in self.before.services:
            new = self.after.named(old.name)
            generation = new.generation if new is not None else None
            expected = old.generation + (old.name == self.target)
            if generation != expected:
                found.append(f"{old.name} is at generation {generation}, not {expected}")
            elif new is not None and new.state in STOPPED_STATES and new.state != old.state:
                found.append(f"{old.name} is {new.state}")
        return found


def demonstrate(
    client: Client,
    *,
    for_s: float = DEMONSTRATION_S,
    show: Callable[[object], None],
    width: int = PLAIN_WIDTH,
) -> Demonstration:
    """Let a fresh board run `for_s`, crash a service, and wait for its restart.

    `show` takes what a person is to see, in order, and has `width` columns. Time is the client's
    transport's. Log lines come by the client's own `on_output`.
    """
    clock_s = client.transport.clock_s
    client.listen(for_s - clock_s())
    hello = client.hello()
    before = client.table()
    show(title(hello, before))
    show(grid(before, width=width))
    target = _target(before)
    show(f"injecting {_INJECTION} into {target}")
    inject(client, _INJECTION, target)
    until_s = clock_s() + RESTART_TIMEOUT_S
    while True:
        client.listen(_POLL_S)
        demonstration = Demonstration(target=target, before=before, after=client.table())
        if not demonstration.problems or clock_s() >= until_s:
            break
    show(grid(demonstration.after, width=width))
    return demonstration


def run_without_terminal(
    image: Path,
    *,
    for_s: float = DEMONSTRATION_S,
    net: Plan | None = None,
    furnish: Furnish = _nothing,
) -> None:
    """Boot an image on an emulated board, show a crash and the restart, and check them.

    With `net` the board has a network; `furnish` puts things around it. Raises `BulkheadError`
    when another service was harmed or the target did not come back.
    """
    out = console()
    board = EmulatedBoard(image=image)
    furnish(board)
    with board, networked(board, net):
        client = Client(
            BoardTransport(board),
            on_output=lambda line: out.print(log_text(line), soft_wrap=True),
        )
        seen = demonstrate(client, for_s=for_s, show=out.print, width=out.width)
    if seen.problems:
        raise BulkheadError("; ".join(seen.problems), "read the log above")
    old, new = seen.before.named(seen.target), seen.after.named(seen.target)
    if old is not None and new is not None:
        out.print(
            f"{seen.target} crashed and is back: generation {old.generation} -> "
            f"{new.generation}, no other service's changed"
        )


def run_at_pace(  # noqa: PLR0913  (all but one by keyword)
    image: Path,
    *,
    for_s: float | None = None,
    target: str = PREFERRED_TARGET,
    attendant: Attendant | None = None,
    net: Plan | None = None,
    furnish: Furnish = _nothing,
) -> None:
    """Boot an image on an emulated board at real pace, and watch it until Ctrl-C.

    `target` is the service that the person is told how to crash; `attendant` as for `monitor`,
    `furnish` as for `run_without_terminal`.

    The board is there for other programs too, on a pseudo-terminal.
    """
    port = PtyPort()
    try:
        board = EmulatedBoard(image=image, pace="real")
        furnish(board)
        with board, networked(board, net):
            transport = BoardTransport(board, guest=port)
            board.run_until(lambda: board.console.is_configured, timeout_ms=_BOOT_TIMEOUT_MS)
            hint = (
                f"make it fail: bulkhead inject crash --target {target} "
                f"--port {port.name}    Ctrl-C leaves"
            )
            watch(lambda: transport, for_s=for_s, hint=hint, attendant=attendant)
    finally:
        port.close()


def run_on_board(
    image: Path,
    port: str,
    *,
    drive: Path | None = None,
    for_s: float | None = None,
    attendant: Attendant | None = None,
) -> None:
    """Put an image on the board at `port`, and watch it for a time or until Ctrl-C."""
    flashed = flash_image(image, port=port, drive=drive, progress=_report("flash"))
    monitor(flashed.port or port, for_s=for_s, attendant=attendant)


def updating(application: Path, *, probation_s: float) -> Attendant:
    """Return what replaces the services of an application as they are saved.

    Raises `UsageError` when nothing of it can be replaced: see `Watcher`.
    """
    watched_folders(application)
    probation_ms = round(probation_s * 1000)
    return lambda tell: Watcher(application, tell=tell, probation_ms=probation_ms).look


def _target(table: Table) -> str:
    """Return the service to crash: the preferred one, else the last of the least important.

    Those that tell of it are left alone where there is another.
    """
    if table.named(PREFERRED_TARGET) is not None:
        return PREFERRED_TARGET
    if not table.services:
        raise BulkheadError("the board runs no services", "name some in system.toml")
    others = [service for service in table.services if service.name not in TELLERS]
    return max(reversed(others or table.services), key=lambda service: service.priority).name


def _attendant(options: RunOptions) -> Attendant:
    is_there = options.port is not None and options.guest is None
    application = options.application
    if application is None:  # what runs on a board is that of the present folder
        shipped = source_root() / "services"
        application = find_targets((), None).application if is_there else shipped
    return updating(application, probation_s=options.probation_s)


def _image(application: Path | None, guest: Path | None) -> Path:
    output = Path(GUEST_IMAGE) if guest is not None and application is None else None
    options = BuildOptions(application=application, output=output, guest=guest)
    return build(options, progress=_report("build")).path


def _report(what: str) -> Callable[[str], None]:
    return teller(what)


@click.command(
    "run",
    epilog="Examples: bulkhead run;  bulkhead run my_robot --watch;  bulkhead run --guest main.py",
)
@click.argument(
    "application",
    metavar="[APP]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--port",  # not from the environment: without it, an emulated board is what is asked for
    help="Put APP on this board and watch it; without APP, watch what runs there.",
)
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Leave after a time. Without a terminal: device seconds before the crash "
    f"(default {DEMONSTRATION_S:g}).",
)
@click.option(
    "--guest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A MicroPython program that runs, as it is, below the services.",
)
@click.option(
    "--drive",
    type=click.Path(path_type=Path),
    help="The bootloader's drive of the board at --port, where it is not found by itself.",
)
@click.option(
    "--watch",
    "wants_watch",
    is_flag=True,
    help="Replace each service on the board whose files are saved.",
)
@probation_option
@desk_options
@network_options
def command(**options: Any) -> None:
    """Boot an application on a board and show it working.

    APP is the folder of a system.toml; the default is the application that ships. Without --port
    the board is an emulated one. On a terminal it runs at real pace and is watched until Ctrl-C.
    Without a terminal it runs ten device seconds, crashes a service and shows it come back; the
    exit code is 1 when any other service was harmed.

    With --guest an old, blocking main.py keeps working: it has the main level until it ends, and
    the services run above it.

    With --watch you save a file of a service, and the service on the board is replaced while it
    runs: it keeps its messages and the state that it hands over. What does not compile, or does
    not start, is told, and the code that the board had goes on. With --port and without APP,
    nothing is flashed: what is saved in the present folder is put on the board that runs it.

    With --net the emulated board has a network, which ends at this machine's loopback: APP is then
    one for the board pico_ppp. With --desk it has chips on its buses, and things on its pins.
    """
    net = network_of(options)
    _do(RunOptions(net=net, **options))


def _do(options: RunOptions) -> None:
    if options.port is not None and options.net is not None:
        raise UsageError("--net is the network of an emulated board", "leave out --port or --net")
    if options.port is not None and (options.desk or options.pictures):
        raise UsageError("--desk is around an emulated board", "leave out --port or --desk")
    attendant = _attendant(options) if options.wants_watch else None
    if options.port is not None and options.application is None and options.guest is None:
        monitor(options.port, for_s=options.for_s, attendant=attendant)
        return
    image = _image(options.application, options.guest)
    if options.port is not None:
        run_on_board(
            image,
            options.port,
            drive=options.drive,
            for_s=options.for_s,
            attendant=attendant,
        )
    elif options.wants_watch or (sys.stdout.isatty() and sys.stdin.isatty()):
        target = PREFERRED_TARGET if options.application is None else "NAME"
        run_at_pace(
            image,
            for_s=options.for_s,
            target=target,
            attendant=attendant,
            net=options.net,
            furnish=options.around,
        )
    else:
        run_without_terminal(
            image,
            for_s=options.for_s or DEMONSTRATION_S,
            net=options.net,
            furnish=options.around,
        )
