"""`bulkhead campaign`: many faults on boards, each judged by stated invariants."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from bulkhead_host.campaign.actions import Bench
from bulkhead_host.campaign.judge import Judge, Result
from bulkhead_host.campaign.kinds import KINDS
from bulkhead_host.campaign.plan import Campaign, fitted, load_campaign, planned
from bulkhead_host.campaign.report import Results, junit, line, summary
from bulkhead_host.campaign.workers import Setup, run_campaign, runs_of
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.commands.options import connected
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.files import read_text, write_text
from bulkhead_host.link.client import Client
from bulkhead_host.messages import teller
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

Tell = Callable[[str], None]


def prepared(plan: Campaign, image: Path | None, *, is_emulated: bool = True) -> Setup:
    """Return what the boards of a campaign run; without `image` one is built.

    Raises `UsageError` where the plan has what the application's services cannot do.
    """
    folder = plan.application or source_root() / "services"
    application, description = load_system(folder)
    campaign = fitted(plan, application, is_emulated=is_emulated)
    if image is None and is_emulated:
        options = BuildOptions(application=plan.application)
        image = build(options, progress=teller("build")).path
    return Setup(
        campaign=campaign,
        image=image_content(image) if image is not None else b"",
        application=application,
        description=description,
        desk=desk_text(campaign.desk) if is_emulated else "",
    )


def desk_text(file: Path | None) -> str:
    """Return the text of a desk's file; raise `UsageError` where it cannot be read."""
    try:
        return "" if file is None else read_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the desk {file}: {error}", "mend desk =") from error


def image_content(image: Path) -> bytes:
    """Return a UF2's bytes. Raise `UsageError` where it cannot be read."""
    try:
        return image.read_bytes()
    except OSError as error:
        raise UsageError(f"{image} cannot be read: {error.strerror}", "bulkhead build") from error


def campaign(
    setup: Setup, *, results: Results, tell: Tell, workers: int = 1, scheduler: str = ""
) -> list[Result]:
    """Judge every fault that `results` does not have yet; return all in order."""

    def keep(result: Result) -> None:
        if result.index not in results.done:
            results.add(result)
            tell(line(result))

    runs = _until_time_is_up(setup.campaign, results)
    run_campaign(setup, runs, workers=workers, scheduler=scheduler, keep=keep)
    return results.in_order()


def campaign_on(client: Client, setup: Setup, *, results: Results, tell: Tell) -> list[Result]:
    """Judge them on one real board, that goes on running whatever becomes of it."""
    bench = Bench(client=client, application=setup.application, description=setup.description)
    judge = Judge(bench, setup.campaign)
    for indices in _until_time_is_up(setup.campaign, results):
        for index in indices:
            if index not in results.done:
                result = judge.judge(planned(setup.campaign, index))
                results.add(result)
                tell(line(result))
    return results.in_order()


def check_index(plan: Campaign, index: int) -> None:
    """Raise `UsageError` where a campaign has no fault of that index."""
    if index < 0 or (plan.count and index >= plan.count):
        raise UsageError(f"there is no fault {index}", f"0 to {plan.count - 1}")


def replay(setup: Setup, index: int) -> Result:
    """Judge one fault again, on a board that has taken the faults of its run before it."""
    plan = setup.campaign
    check_index(plan, index)
    found: list[Result] = []
    run = range(index - index % plan.faults_per_boot, index + 1)
    run_campaign(setup, iter([run]), keep=found.append)
    return found[-1]


def _until_time_is_up(plan: Campaign, results: Results) -> Iterator[Sequence[int]]:
    for run in runs_of(plan, set(results.done)):
        took_ms = sum(one.took_ms for one in results.done.values())
        if plan.seconds and took_ms >= plan.seconds * 1000:
            return
        yield run


def _kinds_help() -> str:
    rows = [f"{kind.name:<16} {kind.meaning} ({kind.where})" for kind in KINDS.values()]
    return "\n".join(rows)


_HELP = f"""Inject the faults that FILE plans into boards, and judge each.

FILE names kinds of faults, their targets and rates, a seed, a count or a time, and the
invariants: the target is back in time, no other service is touched, no message is lost silently,
memory is given back. It runs on emulated boards, --workers of them side by side, or those of a
cluster by --scheduler, or with --port on a real one.

Results are kept as they come: started again after an end before time, it goes on. A fault is
what the seed gives for its index, so --replay N does one again, after those before it that its
board had taken. One that had no occasion, as a wrong reply of a service that nobody called, is
skipped and counted. The exit code is 1 when an invariant was violated.

\b
The kinds, and where they work:
{_kinds_help()}
"""


@click.command(
    "campaign",
    help=_HELP,
    epilog="Examples: bulkhead campaign faults.toml --workers 2 --html report.html;  "
    "bulkhead campaign faults.toml --replay 17",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Emulated boards side by side, each in a process of its own.",
)
@click.option(
    "--scheduler",
    default="",
    metavar="ADDRESS",
    help="The scheduler of a dask cluster, whose workers have the boards.",
)
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
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A report for people: one page with plots, that needs no other file.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print the report as JSON.")
@click.option("--replay", "index", type=int, metavar="N", help="Do fault N again.")
@click.option("--port", help="A real board, as for bulkhead ps, and not an emulated one.")
@click.option(
    "--image", type=click.Path(dir_okay=False, path_type=Path), help="A UF2 to run, not built."
)
def command(
    file: Path,
    image: Path | None,
    index: int | None,
    port: str | None,
    **options: Any,
) -> None:
    """Run a campaign, report, and exit."""
    plan = load_campaign(file)
    tell = teller("campaign")
    if index is not None:
        check_index(plan, index)
    crew = {name: options[name] for name in ("workers", "scheduler")}
    setup = prepared(plan, image, is_emulated=port is None)
    if index is not None and port is None:
        found = [replay(setup, index)]
        tell(line(found[0]))
    elif port is None:
        kept = Results(options["results"] or file.with_suffix(".results.jsonl"), plan)
        found = campaign(setup, results=kept, tell=tell, **crew)
    else:
        if index is not None or crew != {"workers": 1, "scheduler": ""}:
            raise UsageError("a real board takes faults one after the other", "leave out --port")
        kept = Results(options["results"] or file.with_suffix(".results.jsonl"), plan)
        with connected(port) as client:
            found = campaign_on(client, setup, results=kept, tell=tell)
    report = summary(plan, found)
    if options["junit_file"] is not None:
        write_text(options["junit_file"], junit(plan, found))
    if options["html_file"] is not None:
        from bulkhead_host.campaign.page import page  # noqa: PLC0415  (takes 0.3 s to load)

        write_text(options["html_file"], page(plan, found))
    if options["wants_json"]:
        click.echo(json.dumps(report, indent=1))
    else:
        skipped = f", {report['skipped']} skipped" if report["skipped"] else ""
        click.echo(
            f"{report['judged']} faults, {report['violated']} violated an invariant{skipped}"
        )
    if report["violated"]:
        raise click.exceptions.Exit(BulkheadError.exit_code)
