"""`bulkhead new-service`: make a service in an application."""

from pathlib import Path

import click

from bulkhead_host.scaffold.service import new_service


@click.command("new-service", epilog="Example: cd demo && bulkhead new-service greeter")
@click.argument("name")
@click.option(
    "--app",
    "application",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The application's folder; the default is the working folder.",
)
def command(name: str, application: Path) -> None:
    """Make the service NAME in the application here, with a test, and let it be started.

    It is a copy of services/template: a server that greets. system.toml keeps its comments.
    """
    *made, changed = new_service(application, name)
    for path in made:
        click.echo(f"made {path}")
    click.echo(f"added {name} to {changed}")
