"""`bulkhead check`: say what is wrong with an application, before anything is built."""

import json
from pathlib import Path

import click
from rich.text import Text

from bulkhead_host.errors import BulkheadError
from bulkhead_host.problem import Problem
from bulkhead_host.system.examine import Examined, examine
from bulkhead_host.view.services import console


def check(application: Path, *, board: str | None = None) -> Examined:
    """Return all that is wrong with an application, with paths from the working folder."""
    found = examine(application, board=board)
    problems = sorted(problem.from_here() for problem in found.problems)
    return Examined(application=found.application, board=found.board, problems=problems)


@click.command("check", epilog="Examples: bulkhead check .;  bulkhead check my_robot --json")
@click.argument(
    "application", metavar="APP", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--board", help="Check it for this board, and not for the one it names.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(application: Path, board: str | None, wants_json: bool) -> None:
    """Say what is wrong with the application in the folder APP: file, line and reason.

    Manifests and system.toml, the services' calls, rights, pins, interrupt lines and budgets
    together, and what each service's code imports and asks for. `build` and `run` make the same
    checks, and go on with mistakes: a service that fails harms itself alone. Exits with 1 when
    anything is wrong; a warning is about what works and is likely not meant.
    """
    found = check(application, board=board)
    if wants_json:
        click.echo(json.dumps(_described(found), indent=1))
    else:
        _print(found, application)
    if found.mistakes:
        raise click.exceptions.Exit(BulkheadError.exit_code)


def _described(found: Examined) -> dict[str, object]:
    return {
        "is_right": not found.mistakes,
        "application": found.application and found.application.name,
        "board": found.board and found.board.name,
        "services": [service.name for service in found.application.services]
        if found.application
        else [],
        "problems": [
            {
                "file": problem.path.as_posix(),
                "line": problem.line,
                "severity": _severity(problem),
                "text": problem.text,
                "next_step": problem.next_step,
            }
            for problem in found.problems
        ],
    }


def _severity(problem: Problem) -> str:
    if problem.is_mistake:
        return "mistake"
    return "warning" if problem.is_warning else "error"


def _print(found: Examined, folder: Path) -> None:
    out = console()
    for problem in found.problems:
        place, _, text = str(problem).partition(": ")
        style = "yellow" if problem.is_warning else "bold red"
        line = Text.assemble((place, "bold"), ": ", (_severity(problem), style), f": {text}")
        out.print(line, soft_wrap=True)
        if problem.next_step:
            out.print(f"  try: {problem.next_step}", soft_wrap=True, markup=False)
    counts = {"problem": len(found.mistakes)}
    counts["warning"] = len(found.problems) - counts["problem"]
    words = [f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items() if n]
    verdict = ", ".join(words) or "nothing wrong"
    name = found.application.name if found.application else str(folder)
    where = f", for {found.board.name}" if found.board else ""
    application = found.application
    started = len(application.services) + len(application.missing) if application else 0
    out.print(f"{name}: {started} services{where}: {verdict}", soft_wrap=True, markup=False)
