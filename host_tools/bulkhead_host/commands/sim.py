"""`bulkhead sim`: serve an emulated board on a serial port.

Standard output carries one line, the port: a path or a URL. All else goes to standard error.
"""

import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from bulkhead_host.commands.options import (
    around,
    desk_options,
    network_of,
    network_options,
)
from bulkhead_host.emulator.board import NO_FAULTS, EmulatedBoard, Pace
from bulkhead_host.emulator.bootloader import report_on_stderr
from bulkhead_host.emulator.net.conditions import Plan
from bulkhead_host.emulator.net.network import networked
from bulkhead_host.emulator.pins import pin_number
from bulkhead_host.emulator.planted import FORMS, Planted, parse_faults
from bulkhead_host.emulator.ports import Port, PtyPort, TcpPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.errors import UsageError
from bulkhead_host.messages import teller

PRESS_AT_MS = 2000
PRESS_HOLD_MS = 100
TCP_PORT_MAX = 65535
CYCLES_IN_MS = 125_000
BOARDS = ("pico", "pico_ppp")
"""Those that the emulator is; the second has a network in its image."""

_PRESS = re.compile(r"(?P<pin>[^@:]+)(@(?P<at>\d+)(:(?P<hold>\d+))?)?")


@dataclass(frozen=True, kw_only=True)
class Press:
    """A button to push: the pin, when after power-on, and for how long, in device time."""

    pin: int
    at_ms: int = PRESS_AT_MS
    hold_ms: int = PRESS_HOLD_MS


@dataclass(frozen=True, kw_only=True)
class SimOptions:
    """How to serve a board.

    `image` None starts what the flash holds. `flash` is a file that keeps the flash memory;
    without it every start is from a new board. `tcp` is `[HOST:]PORT`; without it a
    pseudo-terminal is served. With `net` its UART 0 has a network. `wires` join pins. `desk` is a
    file that puts things around the board, and `pictures` the folder that shows them.
    """

    image: Path | None
    flash: Path | None = None
    tcp: str | None = None
    link: Path | None = None
    drive: Path | None = None
    presses: tuple[Press, ...] = ()
    wires: tuple[tuple[int, int], ...] = ()
    faults: Planted = NO_FAULTS
    pace: Pace = "full"
    net: Plan | None = None
    desk: Path | None = None
    pictures: Path | None = None


def sim(
    options: SimOptions,
    *,
    on_ready: Callable[[BoardServer], None],
    on_up: Callable[[Port], None] | None = None,
    report: Callable[[str], None] = report_on_stderr,
) -> None:
    """Serve a board until `BoardServer.stop` is called.

    `on_ready` gets the server first, `on_up` the port when the board has booted.
    """
    port = _open_port(options)
    try:
        board = EmulatedBoard(
            image=options.image,
            flash=options.flash,
            drive=options.drive,
            report=report,
            faults=options.faults,
        )
        for pin, other in options.wires:
            board.pin(pin).wire_to(board.pin(other))
    except BaseException:
        port.close()
        raise
    up = partial(on_up, port) if on_up is not None else None
    server = BoardServer(board, port, pace=options.pace, report=report, on_up=up)
    try:
        around(board, options.desk, options.pictures)
        board.start()
        for press in options.presses:
            schedule(board, press)
        with networked(board, options.net):
            on_ready(server)
            server.run()
    finally:
        server.close()


def schedule(board: EmulatedBoard, press: Press) -> None:
    """Have a button pushed, counted from when the board was made."""
    pin = board.pin(press.pin)
    pin.drive_at(0, cycle=press.at_ms * CYCLES_IN_MS)
    pin.drive_at(None, cycle=(press.at_ms + press.hold_ms) * CYCLES_IN_MS)


def parse_press(text: str) -> Press:
    """Read `GP15`, `GP15@3000` or `GP15@3000:200`: pin, milliseconds of device time, hold."""
    match = _PRESS.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no button press", "write GP15@3000:200")
    return Press(
        pin=pin_number(match["pin"]),
        at_ms=int(match["at"] or PRESS_AT_MS),
        hold_ms=int(match["hold"] or PRESS_HOLD_MS),
    )


def parse_wire(text: str) -> tuple[int, int]:
    """Read `GP2-GP3`: a wire from one pin to the other."""
    first, _, second = text.partition("-")
    if not second:
        raise UsageError(f"{text!r} is no wire", "write GP2-GP3")
    ends = pin_number(first), pin_number(second)
    if ends[0] == ends[1]:
        raise UsageError(f"the wire {text} has both its ends at one pin", "write GP2-GP3")
    return ends


def parse_tcp(text: str) -> tuple[str, int]:
    """Read `[HOST:]PORT`; the host is this machine alone when not given."""
    host, _, number = text.rpartition(":")
    if not number.isdecimal() or int(number) > TCP_PORT_MAX:
        raise UsageError(f"{text!r} is no TCP address", "write 8266 or 127.0.0.1:8266")
    return host or "127.0.0.1", int(number)


def _open_port(options: SimOptions) -> Port:
    if options.tcp is None:
        return PtyPort(link=options.link)
    if options.link is not None:
        raise UsageError("--link names a pseudo-terminal, which --tcp replaces", "leave one out")
    host, number = parse_tcp(options.tcp)
    return TcpPort(host=host, port=number)


def _built_image(board: str) -> Path:
    from bulkhead_host.commands.build import BuildOptions, build  # noqa: PLC0415  (only here)

    return build(
        BuildOptions(board=board),
        progress=teller("build"),
    ).path


@click.command(
    "sim",
    epilog="Examples: bulkhead sim;  bulkhead sim --tcp 8266 --flash pico.bin;  "
    "bulkhead sim --link /tmp/board --press GP15@3000;  bulkhead sim --desk desk.py",
)
@click.option(
    "--board",
    type=click.Choice(BOARDS),
    help="The board; pico, or with --net pico_ppp. A given image decides by itself.",
)
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="The UF2 to run; the default is the one that `bulkhead build` makes.",
)
@click.option(
    "--flash", type=click.Path(path_type=Path), help="A file that keeps the flash between runs."
)
@click.option("--tcp", metavar="[HOST:]PORT", help="Serve a TCP port, not a pseudo-terminal.")
@click.option(
    "--link", type=click.Path(path_type=Path), help="A symbolic link to make to the port."
)
@click.option(
    "--drive",
    type=click.Path(path_type=Path),
    help="The folder that appears while the board is in its bootloader.",
)
@click.option(
    "--press",
    "presses",
    multiple=True,
    metavar="PIN[@MS[:HOLD_MS]]",
    help=f"Push a button, e.g. GP15@{PRESS_AT_MS}:{PRESS_HOLD_MS} (the default times).",
)
@click.option(
    "--wire", "wires", multiple=True, metavar="PIN-PIN", help="Join two pins, e.g. GP2-GP3."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help=f"Plant a fault in the board: {FORMS}.",
)
@click.option(
    "--pace",
    type=click.Choice(["real", "full"]),
    help="`real` says so when the board is slower than real time; the default on a terminal.",
)
@desk_options
@network_options
def command(
    board: str | None, image: Path | None, presses: tuple[str, ...], **options: Any
) -> None:
    """Serve an emulated board on a serial port until Ctrl-C.

    The first line on standard output, once the board has booted, is the port; give it to bulkhead,
    mpremote or ampy. Device time never runs ahead of the wall clock.
    """
    net = network_of(options)
    sim(
        SimOptions(
            image=image or _built_image(board or BOARDS[net is not None]),
            net=net,
            presses=tuple(parse_press(text) for text in presses),
            wires=tuple(parse_wire(text) for text in options.pop("wires")),
            faults=parse_faults(options.pop("faults")),
            pace=options.pop("pace") or ("real" if sys.stdout.isatty() else "full"),
            **options,
        ),
        on_ready=_mind_signals,
        on_up=_announce,
    )


def _mind_signals(server: BoardServer) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: server.stop())


def _announce(port: Port) -> None:
    print(port.name, flush=True)
    if sys.stdout.isatty():
        report_on_stderr("the board is on that port; Ctrl-C ends it")
