"""`bulkhead explore`: visit the states that an application's services can bring the kernel to."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from bulkhead_host.errors import BulkheadError
from bulkhead_host.explore.application import Explored, Reach, authority, explore
from bulkhead_host.explore.traces import replay
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system


@click.command(
    "explore", epilog="Examples: bulkhead explore .;  bulkhead explore my_robot --seconds 300"
)
@click.argument(
    "application", metavar="APP", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=20.0,
    show_default=True,
    help="Processor time for all worlds together.",
)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(application: Path, seconds: float, wants_json: bool) -> None:
    """Visit the states that the services in the folder APP can bring the kernel to.

    For each service a small world: the service, whom it reaches, who reaches it. There every
    service may do at any time all that its manifest lets it, while time goes by and its lines
    fire. The real kernel makes each step. Each state and step is checked: no message or
    notification is lost, waits end as they must, nobody holds a right that no manifest lets it
    have. Where all states were visited, no call waits for ever and nothing that is ready starves
    below its equals. Then prints who can ever reach what, by manifests and by grants.

    Exits with 1 where something does not hold.
    """
    loaded, _ = load_system(application)
    root = source_root()
    worlds = []
    for explored in explore(loaded, root, seconds=seconds):
        worlds.append(explored)
        if not wants_json:
            _print_world(explored)
    reaches = authority(loaded, root)
    if wants_json:
        described = {
            "worlds": [_described(one) for one in worlds],
            "reach": [asdict(reach) for reach in reaches],
        }
        click.echo(json.dumps(described, indent=1))
    else:
        _print_reach(reaches)
    if any(one.result.found or one.lassos for one in worlds):
        raise click.exceptions.Exit(BulkheadError.exit_code)


def _described(explored: Explored) -> dict[str, object]:
    return {
        "world": explored.name,
        "services": explored.services,
        "states": explored.result.states,
        "steps": explored.result.steps,
        "is_exhausted": explored.result.is_exhausted,
        "violated": [found.wrong[0] for found in explored.result.found.values()],
        "for_ever": [lasso.text for lasso in explored.lassos],
    }


def _print_world(explored: Explored) -> None:
    result = explored.result
    end = "all states" if result.is_exhausted else "cut: more with --seconds"
    others = ", ".join(name for name in explored.services if name != explored.name)
    click.echo(
        f"{explored.name:14} {result.states:8} states {result.steps:9} steps, {end}; with {others}"
    )
    for found in result.found.values():
        steps, _ = replay(explored.explorer, found)
        click.echo(f"  does not hold: {found.wrong[0]}, after")
        for step in steps:
            click.echo(f"    {step}")
    for lasso in explored.lassos:
        click.echo(f"  for ever: {lasso.text}")


def _print_reach(reaches: list[Reach]) -> None:
    click.echo("\nWho can ever reach what:")
    for reach in reaches:
        granted = f" (by a grant: {', '.join(reach.granted)})" if reach.granted else ""
        click.echo(f"  {reach.service:14} {reach.target:14} {', '.join(reach.rights)}{granted}")
