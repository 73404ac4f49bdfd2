"""`bulkhead qualify`: find out what a board does, beside what the emulated one does."""

from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from bulkhead_host.campaign.plan import ALL, Campaign, FaultKind
from bulkhead_host.campaign.report import Results
from bulkhead_host.commands.campaign import campaign_on, prepared
from bulkhead_host.commands.sim import parse_wire
from bulkhead_host.emulator.board import NO_FAULTS
from bulkhead_host.emulator.pins import pin_number
from bulkhead_host.emulator.planted import FORMS, Planted, parse_faults
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import write_text
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import ENVIRONMENT_VARIABLE
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.messages import teller
from bulkhead_host.qualify.desks import Desk, EmulatedDesk, PortDesk
from bulkhead_host.qualify.reference import reference
from bulkhead_host.qualify.report import (
    FILES,
    Report,
    line,
    line_to_send,
    to_html,
    to_json,
    to_junit,
)
from bulkhead_host.qualify.run import PARTS, Images, Plan, beside, built_images, qualify
from bulkhead_host.qualify.verdicts import Row, failed, passed, skipped

OUTPUT = Path("build/qualify")
SOAK = "soak"
EVERYTHING = Plan()
_HOUR_S = 3600
_WHO = """
import machine, os, sys
print(sys.implementation._machine)
print(machine.unique_id().hex())
print("MicroPython", os.uname().release)
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at, on which board; without `port` on an emulated one, with `faults`."""

    plan: Plan = EVERYTHING
    port: str = ""
    drive: Path | None = None
    faults: Planted = NO_FAULTS
    output: Path = OUTPUT
    soak_hours: float = 0.0
    is_compared: bool = True


def qualify_board(
    options: Options,
    *,
    tell: Callable[[str], None] = lambda _line: None,
    images: Images | None = None,
) -> Report:
    """Look at a board, write the report's files and return it."""
    plan = options.plan
    is_own_reference = not options.port and options.faults == NO_FAULTS
    desk: Desk = (
        PortDesk(options.port, drive=options.drive, progress=tell)
        if options.port
        else EmulatedDesk(faults=options.faults, wires=plan.wires)
    )
    desk.check()
    found = images or built_images(tell)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        other: Future[list[Row]] | None = None
        if options.is_compared and not is_own_reference:
            other = pool.submit(reference, plan, found)
        try:
            began_s = desk.clock_s()
            rows = _looked(desk, options, found, tell)
            rows += _soaked(desk, options, tell)
            seconds = desk.clock_s() - began_s
            board = _who(desk)
        finally:
            desk.close()
        if other is not None:
            rows = beside(rows, other.result())
    report = Report(board=board, rows=rows, seconds=seconds)
    _write(report, options.output)
    return report


def _looked(
    desk: Desk, options: Options, images: Images, tell: Callable[[str], None]
) -> list[Row]:
    """Return all rows; a Ctrl-C leaves a report of those that there are."""
    seen: list[Row] = []

    def on_row(row: Row) -> None:
        seen.append(row)
        tell(line(row))

    began_s = desk.clock_s()
    try:
        return qualify(desk, options.plan, images, on_row=on_row)
    except KeyboardInterrupt:
        rows = [*seen, skipped("the rest", "all", "ended by Ctrl-C")]
        board = {"board": "not asked", "at": desk.port or "emulator"}
        report = Report(board=board, rows=rows, seconds=desk.clock_s() - began_s)
        _write(report, options.output)
        raise


def _who(desk: Desk) -> dict[str, str]:
    """Return what the board says of itself."""
    names = ("board", "serial", "interpreter")
    with suppress(BulkheadError):
        repl = RawRepl(desk.line)
        repl.enter()
        said = repl.execute(_WHO, timeout_s=desk.limit_s).splitlines()
        repl.leave()
        return {**dict(zip(names, said, strict=True)), "at": desk.port or "emulator"}
    return {"board": "unknown", "at": desk.port or "emulator"}


def _soaked(desk: Desk, options: Options, tell: Callable[[str], None]) -> list[Row]:
    """Have the board take faults for hours, each judged as `bulkhead campaign` does."""
    if not options.soak_hours:
        return []
    seconds = round(options.soak_hours * _HOUR_S)
    plan = Campaign(
        faults=(FaultKind(kind=ALL),), seconds=seconds, name=SOAK, digest=f"{SOAK}-{seconds}"
    )
    path = options.output / "soak.jsonl"
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    setup = prepared(plan, None, is_emulated=False)
    results = Results(path, setup.campaign)
    found = campaign_on(Client(desk.line), setup, results=results, tell=tell)
    wrong = [one for one in found if not one.holds]
    rows = [
        failed(SOAK, f"{one.index} {one.kind} of {one.target}", "; ".join(one.violations))
        for one in wrong
    ]
    return [*rows, passed(SOAK, f"{len(found) - len(wrong)} faults held", f"{seconds} s")]


def _write(report: Report, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in zip(FILES, (to_html, to_json, to_junit), strict=True):
        write_text(folder / name, make(report))


@click.command(
    "qualify",
    epilog="Examples: bulkhead qualify --port a0;  bulkhead qualify --port a0 --wire GP2-GP3;  "
    "bulkhead qualify --port a0 --only benchmark;  bulkhead qualify --fault clock:+3%",
)
@click.option(
    "--port",
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    default="",
    help="The board; without it an emulated one is looked at.",
)
@click.option(
    "--drive",
    type=click.Path(path_type=Path),
    help="The bootloader's drive, where it is not found by itself.",
)
@click.option("--pin", "pins", multiple=True, metavar="PIN", help="A free pin, to be driven.")
@click.option(
    "--wire", "wires", multiple=True, metavar="PIN-PIN", help="A loop-back wire, as GP2-GP3."
)
@click.option("--only", "parts", multiple=True, type=click.Choice(PARTS), help="Look at these.")
@click.option(
    "-k", "pattern", default="*", metavar="PATTERN", help="Cases, attacks and programs to run."
)
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help=f"Plant a fault: {FORMS}.")
@click.option(
    "--soak",
    "soak_hours",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="HOURS",
    help="Then have it take faults of every kind for hours.",
)
@click.option("--no-compare", is_flag=True, help="Leave the emulated board's figures out.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUTPUT,
    show_default=True,
    help="The folder of the report.",
)
def command(port: str, faults: tuple[str, ...], parts: tuple[str, ...], **given: Any) -> None:
    """Find out what a Pico does: on it, and beside the emulated board.

    Three images are flashed in turn: the kernel's cases with the corpus of attacks, the
    benchmarks, and the application that ships, which stays. Files of the board are left alone.
    That erases each sector of the firmware three times, and some 60 of the file system, of about
    100,000 times that a flash takes. Only pins that are named are driven; with none, what takes
    pins is skipped and told. It is bounded to ten minutes. The report is report.html, report.json
    and report.xml, for JUnit; the line on standard output is for who asked. The exit code is 1
    when anything failed.
    """
    if port and faults:
        raise UsageError("a fault is planted in an emulated board", "leave --port out")
    plan = Plan(
        parts=tuple(part for part in PARTS if part in parts) or PARTS,
        pattern=given["pattern"],
        pins=tuple(pin_number(pin) for pin in given["pins"]),
        wires=tuple(parse_wire(wire) for wire in given["wires"]),
    )
    options = Options(
        plan=plan,
        port=port,
        drive=given["drive"],
        faults=parse_faults(faults),
        output=given["output"],
        soak_hours=given["soak_hours"],
        is_compared=not given["no_compare"],
    )
    report = qualify_board(options, tell=teller("qualify"))
    click.echo(line_to_send(report))
    if not report.is_good:
        raise click.exceptions.Exit(1)
