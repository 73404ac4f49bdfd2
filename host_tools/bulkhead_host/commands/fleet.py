"""`bulkhead fleet`: many boards at a broker, and new code for them in waves."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.table import Table as Grid

from bulkhead_host.commands.options import probation_option
from bulkhead_host.errors import BulkheadError, DeviceTimeout, UsageError
from bulkhead_host.fleet.files import FILE, Fleet, Rollout, load_fleet, load_rollout
from bulkhead_host.fleet.hub import Hub
from bulkhead_host.fleet.presence import SAID, Presence
from bulkhead_host.fleet.rollout import Outcome, Report, roll_out, totals
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.key import device_key
from bulkhead_host.link.network import is_network, parse_place
from bulkhead_host.messages import teller
from bulkhead_host.view.services import console

_TIMEOUT_S = 5.0
_POLL_S = 1.0


@click.group(
    "fleet",
    epilog="Examples: bulkhead fleet ps;  bulkhead fleet log outdoor --last 5;  "
    "bulkhead fleet update soil --on canary;  bulkhead fleet rollout spring.toml",
)
def command() -> None:
    """See and change many boards at a broker, by a file that names them.

    The file, fleet.toml, has the broker's URL, the boards with their tags, and groups. WORDs are
    boards, groups and tags; without one all boards are meant.
    """


def fleet_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command of a fleet has."""
    function = click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0.1),
        default=_TIMEOUT_S,
        show_default=True,
        help="Seconds after which a board that does not answer is away.",
    )(function)
    return click.option(
        "--fleet",
        "fleet_file",
        type=click.Path(path_type=Path),
        default=Path(FILE),
        show_default=True,
        help="The fleet's file.",
    )(function)


json_option = click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")


@contextmanager
def _hub(fleet: Fleet, timeout_s: float) -> Iterator[Hub]:
    hub = Hub(fleet.broker, key=device_key(), timeout_s=timeout_s)
    try:
        yield hub
    finally:
        hub.close()


@command.command("ps")
@click.argument("words", nargs=-1, metavar="[WORD | URL]...")
@fleet_option
@json_option
def ps(words: tuple[str, ...], fleet_file: Path, timeout_s: float, wants_json: bool) -> None:
    """List boards as they have last said they are; they are not asked.

    A WORD may be the URL of one board instead, for which no file is needed. STATE is `said`,
    `gone` where the broker has lost the board, `never` where it has no status, and `forged` where
    that is not of the board, or not of this user's.
    """
    if len(words) == 1 and is_network(words[0]):
        place = parse_place(words[0])
        fleet = Fleet(broker=words[0].rpartition("/")[0], boards={place.board: ()}, groups={})
        words = ()
    else:
        fleet = load_fleet(fleet_file)
    boards = fleet.chosen(words)
    with _hub(fleet, timeout_s) as hub:
        found = hub.presences(boards)
    if wants_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
        return
    console().print(_grid(found))


def _grid(found: Sequence[Presence]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("BOARD", "STATE", "APPLICATION", "IMAGE", "UP", "FAULTS", "BOOT", "CODE"):
        grid.add_column(name, justify="right" if name in ("UP", "FAULTS") else "left")
    for one in found:
        code = " ".join(f"{name}:{version}" for name, version in sorted(one.services.items()))
        told = (
            (one.application, one.image, f"{one.uptime_s} s", str(one.faults), one.boot, code)
            if one.state == SAID
            else ("",) * 6
        )
        grid.add_row(one.board, one.state, *told)
    return grid


@command.command("log")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@fleet_option
@click.option(
    "--last", type=click.IntRange(1, 64), default=10, show_default=True, help="Lines of each."
)
@click.option("-f", "--follow", "is_following", is_flag=True, help="Go on, until Ctrl-C.")
def log(
    words: tuple[str, ...], fleet_file: Path, timeout_s: float, last: int, is_following: bool
) -> None:
    """Print the newest lines that boards keep of their logs, each behind the board's name.

    A WORD is a board, a tag or a group; without one all boards are meant.
    """
    fleet = load_fleet(fleet_file)
    boards = fleet.chosen(words)
    width = max(map(len, boards))
    seen: dict[str, int] = {}

    def newest(board: str) -> list[str]:
        number = seen.get(board, 0)
        found = _asked(hub, board, lambda client: client.log_after(number))
        if isinstance(found, str):
            return [f"({found})"] if number == 0 else []
        seen[board] = found[-1][0] if found else number
        return [line for _, line in (found if number else found[-last:])]

    with _hub(fleet, timeout_s) as hub, suppress(KeyboardInterrupt):
        while True:
            for board, lines in zip(boards, hub.each(boards, newest), strict=True):
                for line in lines:
                    click.echo(f"{board:<{width}}  {line}")
            if not is_following:
                return
            time.sleep(_POLL_S)


@command.command("fault")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@fleet_option
def fault(words: tuple[str, ...], fleet_file: Path, timeout_s: float) -> None:
    """Print the newest fault of each service of boards that has failed, with its last words.

    A WORD is a board, a tag or a group; without one all boards are meant.
    """
    fleet = load_fleet(fleet_file)
    boards = fleet.chosen(words)
    with _hub(fleet, timeout_s) as hub:
        found = hub.each(boards, lambda board: _asked(hub, board, _faults))
    for board, faults in zip(boards, found, strict=True):
        if isinstance(faults, str):
            click.echo(f"{board}: {faults}")
            continue
        for name, kind, text in faults:
            last = text.strip().splitlines()[-1:] or ["no text is kept"]
            click.echo(f"{board}: {name} {kind}: {last[0]}")
        if not faults:
            click.echo(f"{board}: no fault")


def _faults(client: Client) -> list[tuple[str, str, str]]:
    found = []
    for service in client.table().services:
        if service.fault is None:
            continue
        try:
            text = client.fault_text(service.name)
        except NoSuchTarget:
            text = ""
        found.append((service.name, service.fault, text))
    return found


def _asked(hub: Hub, board: str, ask: Callable[[Client], Any]) -> Any:
    """Return what a board answers, or in a word why it does not."""
    try:
        with hub.client(board) as client:
            return ask(client)
    except DeviceTimeout:
        return "away"
    except BulkheadError as error:
        return error.cause


@command.command("update")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@fleet_option
@click.option("--on", "words", multiple=True, metavar="WORD", help="Boards; without it all.")
@click.option(
    "--app",
    "application",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default="this folder",
    help="The application whose code is sent.",
)
@probation_option
@json_option
def update(services: tuple[str, ...], fleet_file: Path, **options: Any) -> None:
    """Replace the code of services on boards, all at once: a rollout of one wave.

    Without SERVICE it is what differs from the code that each board has.
    """
    fleet = load_fleet(fleet_file)
    rollout = Rollout(
        name="update",
        file=fleet_file,
        fleet=fleet,
        application=options["application"],
        services=services,
        soak_s=0,
        probation_s=options["probation_s"],
        back="none",
        waves=(tuple(fleet.chosen(options["words"])),),
    )
    _run(rollout, options["timeout_s"], None, wants_json=options["wants_json"])


@command.command("rollout")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.1),
    default=_TIMEOUT_S,
    show_default=True,
    help="Seconds after which a board that does not answer is away.",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Print the waves, and ask no board.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what each board came to, as JSON.",
)
@json_option
def rollout(
    file: Path, timeout_s: float, is_dry: bool, report_file: Path | None, wants_json: bool
) -> None:
    """Take new code to a fleet in waves, as FILE says; stop, and go back, where it is no good.

    Run it again to go on with what was broken off or stopped: boards that have the code keep it.
    The exit code is 1 when a wave was stopped.
    """
    plan = load_rollout(file)
    if is_dry:
        for number, wave in enumerate(plan.waves, 1):
            click.echo(f"wave {number}: {' '.join(wave) or 'nobody is left'}")
        return
    _run(plan, timeout_s, report_file, wants_json=wants_json)


def _run(plan: Rollout, timeout_s: float, file: Path | None, *, wants_json: bool) -> None:
    if not (plan.application / "system.toml").is_file():
        raise UsageError(
            f"{plan.application} holds no system.toml", "name the application whose code is sent"
        )
    with _hub(plan.fleet, timeout_s) as hub:
        report = roll_out(plan, hub, key=device_key(), tell=teller("fleet"))
    text = json.dumps(report.as_json(), indent=1)
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")
    if wants_json:
        click.echo(text)
    else:
        _print(report)
    if not report.is_good:
        raise BulkheadError(report.ended, "bulkhead fleet fault; then run it again")


def _print(report: Report) -> None:
    for number, wave in enumerate(report.waves, 1):
        click.echo(f"wave {number} of {report.waves_planned}: {_totals(wave)}")
    if report.went_back:
        click.echo(f"went back: {_totals(report.went_back)}")
    click.echo(f"{report.name}: {report.ended}, {report.seconds:.1f} s")


def _totals(outcomes: Sequence[Outcome]) -> str:
    counts = totals(outcomes)
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nobody"
