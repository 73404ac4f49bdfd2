"""`bulkhead doctor`: say what is missing on this machine or port, and what mends it."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.text import Text

from bulkhead_host.doctor import Check
from bulkhead_host.doctor.board import board_checks
from bulkhead_host.doctor.machine import machine_checks
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.ports import ENVIRONMENT_VARIABLE
from bulkhead_host.view.services import console

_STYLES = {"ok": "green", "missing": "bold red", "note": "yellow"}
_NAME_WIDTH = 20


def doctor(port: str | None = None) -> Iterator[Check]:
    """Give the findings one after the other, as each is made."""
    yield from machine_checks()
    yield from board_checks(port)


@click.command("doctor", epilog="Example: bulkhead doctor --port /dev/ttyACM0")
@click.option(
    "--port",
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    help="Look at this port too; without it, at a board that is plugged in.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(port: str | None, wants_json: bool) -> None:
    """Say what is missing on this machine or port, and what mends it.

    Exits with 1 when something is missing; a note is about what things work without.
    """
    checks = []
    for check in doctor(port):
        checks.append(check)
        if not wants_json:
            _print(check)
    is_well = all(check.is_ok or not check.is_needed for check in checks)
    if wants_json:
        found = [asdict(check) for check in checks]
        click.echo(json.dumps({"is_well": is_well, "checks": found}, indent=1))
    if not is_well:
        raise click.exceptions.Exit(BulkheadError.exit_code)


def _print(check: Check) -> None:
    out = console()
    line = Text.assemble(
        (f"{check.word:<8}", _STYLES[check.word]), f"{check.name:<{_NAME_WIDTH}} {check.detail}"
    )
    out.print(line, soft_wrap=True)
    if not check.is_ok:
        for way in check.mend:
            out.print(Text(f"{'':8}{'':{_NAME_WIDTH}} try: {way}"), soft_wrap=True)
