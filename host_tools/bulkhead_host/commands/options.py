"""Options that several commands share, and what stands behind them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bulkhead_host.errors import UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import AUTO, ENVIRONMENT_VARIABLE, open_port, usb_ports
from bulkhead_host.link.updater import PROBATION_MS, PROBATION_MS_MAX
from bulkhead_host.paths import source_root
from bulkhead_host.problem import Report
from bulkhead_host.system.distributions import folders_brought
from bulkhead_host.system.document import read_document
from bulkhead_host.system.operations import load_interface

if TYPE_CHECKING:
    from bulkhead_host.emulator.board import EmulatedBoard
    from bulkhead_host.emulator.net.conditions import Plan

STDOUT = "-"
_Command = TypeVar("_Command", bound=Callable[..., Any])


def port_option(command: _Command) -> _Command:
    """Add `--port`, which also comes from the environment."""
    return click.option(
        "--port",
        envvar=ENVIRONMENT_VARIABLE,
        default=AUTO,
        show_default=True,
        show_envvar=True,
        shell_complete=_complete_port,
        help="The board: auto, id:SERIAL, a0, u0, a path, a pseudo-terminal, or a URL.",
    )(command)


def output_option(command: _Command) -> _Command:
    """Add `--output FILE`; STDOUT, the default, is standard output."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default=STDOUT,
        help="The file to write; the default is standard output.",
    )(command)


def dump_option(command: _Command) -> _Command:
    """Add `--dump FILE`, which takes the place of a board."""
    return click.option(
        "--dump",
        "dump_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Look at a file of `bulkhead dump` instead of a board.",
    )(command)


def for_option(command: _Command) -> _Command:
    """Add `--for SECONDS`, after which a command leaves."""
    return click.option(
        "--for",
        "for_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Leave after a time; the default is at Ctrl-C.",
    )(command)


def probation_option(command: _Command) -> _Command:
    """Add `--probation SECONDS`, for which new code is watched."""
    return click.option(
        "--probation",
        "probation_s",
        type=click.FloatRange(0, PROBATION_MS_MAX / 1000),
        default=PROBATION_MS / 1000,
        show_default=True,
        metavar="SECONDS",
        help="How long new code is watched before it is kept.",
    )(command)


def network_options(command: _Command) -> _Command:
    """Add `--net`, `--net-conditions` and `--net-forward`; see `network_of`."""
    command = click.option(
        "--net-forward",
        "net_forwards",
        multiple=True,
        metavar="PORT:HOST_PORT",
        help="Let a port of 10.0.2.2 be another port of this machine.",
    )(command)
    command = click.option(
        "--net-conditions",
        metavar="KEY=VALUE,...",
        help="What is wrong with that network, as loss=0.05,delay_ms=80,jitter_ms=40,"
        "cut=5000:2000,seed=1.",
    )(command)
    return click.option(
        "--net",
        "has_net",
        is_flag=True,
        help="Connect the board's UART 0 to a gateway, by PPP: 10.0.2.2 is this machine's "
        "loopback. The other two options do it too.",
    )(command)


def network_of(options: dict[str, Any]) -> "Plan | None":
    """Take what `network_options` has added; return None where no network is asked for."""
    # The emulator takes longer to load than most commands take to run.
    from bulkhead_host.emulator.net.conditions import (  # noqa: PLC0415  (only here)
        Plan,
        parse_conditions,
        parse_forward,
    )

    has_net, text = options.pop("has_net"), options.pop("net_conditions")
    forwards = tuple(parse_forward(forward) for forward in options.pop("net_forwards"))
    if not (has_net or text or forwards):
        return None
    plan = Plan(forwards=forwards)
    return plan if text is None else replace(plan, conditions=parse_conditions(text))


def desk_options(command: _Command) -> _Command:
    """Add `--desk` and `--pictures`; see `around`."""
    command = click.option(
        "--pictures",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="Keep a picture, NAME.svg, of each thing on the desk that has a name and one.",
    )(command)
    return click.option(
        "--desk",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A file with a function furnish(desk): what is on the board's buses and pins.",
    )(command)


def around(board: "EmulatedBoard", desk: Path | None, pictures: Path | None) -> None:
    """Put what `desk_options` has named around an emulated board.

    Raises `UsageError` where the desk cannot be had, or where there is nothing to take pictures
    of.
    """
    from bulkhead_host.desk.desk import furnish  # noqa: PLC0415  (loads the emulator)

    if desk is None:
        if pictures is not None:
            raise UsageError("--pictures are those of a desk", "name one: --desk desk.py")
        return
    made, _ = furnish(desk, board)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        made.save_pictures(pictures)


def app_option(command: _Command) -> _Command:
    """Add `--app FOLDER`; see `folders_of`."""
    return click.option(
        "--app",
        "application",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="The application's folder; the default is this one, where it is one.",
    )(command)


def folders_of(application: Path | None) -> list[Path]:
    """Return where services are looked for: the application, then those that ship."""
    base = application or Path()
    has_one = (base / "system.toml").is_file()
    if application is not None and not has_one:
        raise UsageError(f"{application} holds no system.toml", "name an application's folder")
    shipped = source_root() / "services"
    document = read_document(base / "system.toml", Report()) if has_one else None
    brought = folders_brought(document) if document is not None else []
    return [*([base, base / "services"] if has_one else []), *brought, shipped]


def operations_of(
    names: Sequence[str], application: Path | None = None
) -> dict[str, dict[int, str]]:
    """Return the names of each service's operations, for those whose `api.py` is found."""
    folders = folders_of(application)
    found = {}
    for name in names:
        with suppress(UsageError):
            interface = load_interface(name, folders)
            found[name] = {one.number: one.name for one in interface.operations}
    return found


@contextmanager
def connected(port: str, *, on_output: Callable[[str], None] | None = None) -> Iterator[Client]:
    """Give a client of the board at `port`, whose port is closed in the end."""
    transport = open_port(port)
    try:
        yield Client(transport, on_output=on_output)
    finally:
        transport.close()


def _complete_port(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the words for `--port` that start like what is typed."""
    ports = usb_ports()
    words = [AUTO, *(port.device for port in ports)]
    words += [f"id:{port.serial_number}" for port in ports if port.serial_number]
    return [word for word in words if word.startswith(begun)]
