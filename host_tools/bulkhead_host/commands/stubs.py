"""`bulkhead stubs`: tell an editor of what services import."""

from pathlib import Path

import click

from bulkhead_host.scaffold.typings import write_typings


@click.command("stubs", epilog="Example: cd demo && bulkhead stubs && mypy")
@click.argument("application", metavar="[APP]", type=click.Path(path_type=Path), default=Path())
def command(application: Path) -> None:
    """Write what an editor, pyright or mypy has to know of what the services of APP import.

    That is the user library, the operations of all services, the pins, and MicroPython's modules
    of the board, in APP/build. An api.py that changes is seen at once; a service more, or another
    board, takes this command again.
    """
    click.echo(f"wrote {write_typings(application)}")
