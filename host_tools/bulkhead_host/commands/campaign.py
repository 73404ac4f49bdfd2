"""`bulkhead campaign`: many faults on an emulated board, each judged by stated invariants."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bulkhead_host.campaign.judge import Result, judge
from bulkhead_host.campaign.plan import Campaign, load_campaign, planned
from bulkhead_host.campaign.report import Results, junit, line, summary
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.emulated import BoardTransport
from bulkhead_host.messages import teller

BOOT_S = 1.0
"""Device time that a board gets before its first fault."""

_ANSWER_S = 0.5  # device time; the answer is lost where the target is what answers


def campaign(
    plan: Campaign,
    image: Path,
    *,
    results: Results,
    tell: Callable[[str], None],
    boot_s: float = BOOT_S,
) -> list[Result]:
    """Judge every fault that `results` does not have yet; return all in order.

    After a violation the board is a new one, so that one fault is not blamed for another's.
    """
    left = [index for index in range(plan.count) if index not in results.done]
    while left:
        with EmulatedBoard(image=image) as board:
            client = _client(board)
            client.listen(boot_s)
            holds = True
            while left and holds:
                result = judge(client, plan, planned(plan, left.pop(0)))
                results.add(result)
                tell(line(result))
                holds = result.holds
    return [results.done[index] for index in range(plan.count)]


def replay(plan: Campaign, image: Path, index: int) -> Result:
    """Judge one fault of a campaign on a new board."""
    if not 0 <= index < plan.count:
        raise UsageError(f"there is no fault {index}", f"0 to {plan.count - 1}")
    with EmulatedBoard(image=image) as board:
        client = _client(board)
        client.listen(BOOT_S)
        return judge(client, plan, planned(plan, index))


def _client(board: EmulatedBoard) -> Client:
    """Return a client that does the same each time."""
    return Client(BoardTransport(board), timeout_s=_ANSWER_S, first_sequence=0)


def _image(plan: Campaign) -> Path:
    options = BuildOptions(application=plan.application) if plan.application else BuildOptions()
    return build(options, progress=teller("build")).path


@click.command(
    "campaign",
    epilog="Examples: bulkhead campaign faults.toml --junit report.xml;  "
    "bulkhead campaign faults.toml --replay 17",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where results are kept as they come; the default is FILE with .results.jsonl.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A JUnit report.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print the report as JSON.")
@click.option("--replay", "index", type=int, metavar="N", help="Do fault N alone, again.")
@click.option(
    "--image", type=click.Path(dir_okay=False, path_type=Path), help="A UF2 to run, not built."
)
def command(file: Path, image: Path | None, index: int | None, **reports: Any) -> None:
    """Inject the faults that FILE plans into services of an emulated board, and judge each.

    FILE names kinds of faults, their targets and rates, a seed, a count, and the invariants: the
    target is back in time, and no other service is touched. Seed and index make a fault, so
    --replay N does one again. Started again after an end before time, it goes on with the faults
    that have no result. The exit code is 1 when an invariant was violated.
    """
    plan = load_campaign(file)
    tell = teller("campaign")
    if index is not None:
        found = [replay(plan, image or _image(plan), index)]
        tell(line(found[0]))
    else:
        kept = Results(reports["results"] or file.with_suffix(".results.jsonl"), plan)
        found = campaign(plan, image or _image(plan), results=kept, tell=tell)
    report = summary(plan, found)
    if reports["junit_file"] is not None:
        reports["junit_file"].write_text(junit(plan, found))
    if reports["wants_json"]:
        click.echo(json.dumps(report, indent=1))
    else:
        click.echo(f"{report['judged']} faults, {report['violated']} violated an invariant")
    if report["violated"]:
        raise click.exceptions.Exit(BulkheadError.exit_code)
