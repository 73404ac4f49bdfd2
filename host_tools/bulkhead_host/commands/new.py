"""`bulkhead new`: make the folder of an application."""

from pathlib import Path

import click

from bulkhead_host.scaffold.application import new_application


@click.command("new", epilog="Example: bulkhead new demo && cd demo && bulkhead run .")
@click.argument("folder", metavar="APP", type=click.Path(path_type=Path))
@click.option("--board", default="pico", show_default=True, help="The board that it is for.")
def command(folder: Path, board: str) -> None:
    """Make the folder APP of a new application, anywhere: board, services, README.

    The folder's name is the application's. Nothing that exists is touched.
    """
    for path in new_application(folder, board=board):
        click.echo(f"made {path}")
