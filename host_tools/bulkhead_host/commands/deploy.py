"""`bulkhead deploy`: put an application beside MicroPython's own image, what has changed of it."""

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bulkhead_host.commands.options import port_option
from bulkhead_host.image.application import system_files
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.deploy import TOOLS, Deployed
from bulkhead_host.image.deploy import deploy as deploy_modules
from bulkhead_host.image.official import write_modules
from bulkhead_host.image.recipe import official_board
from bulkhead_host.messages import teller
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system


def deploy(
    application: Path | None,
    port: str,
    *,
    board: str | None = None,
    via: str = "mpremote",
    progress: Progress = quiet,
) -> Deployed:
    """Compile an application's modules and put those that have changed on the board at `port`.

    Without an application it is the one that ships; `board` takes the place of the one that it
    names. Raises `SystemRefused` for an application that cannot work, and what
    `image.deploy.deploy` raises.
    """
    folder = application or source_root() / "services"
    _, config = load_system(folder, board)
    target = official_board(config.name)
    files = system_files(folder, board=config.name)
    with TemporaryDirectory() as made:
        modules = Path(made) / "modules"
        write_modules(files, modules, architecture=target.architecture)
        return deploy_modules(port, modules, via, progress=progress)


@click.command(
    "deploy",
    epilog="Examples: bulkhead deploy my_robot --port a0;  "
    "bulkhead deploy my_robot --board esp32 --port u0 --via ampy",
)
@click.argument(
    "application",
    metavar="[APP]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@port_option
@click.option("--board", help="Compile for this board, and not for the one that APP names.")
@click.option("--via", type=click.Choice(TOOLS), default=TOOLS[0], show_default=True)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON, for programs.")
def command(application: Path | None, port: str, **options: Any) -> None:
    """Put an application on a board that runs MicroPython's own image.

    APP is the folder of a system.toml; the default is the application that ships.
    Kernel and services are compiled and copied to the board's file system: those whose SHA-256
    there is another. What an earlier version has left in their folders is removed, and the board
    reset when anything was done. This is for boards for which `bulkhead build` makes no image:
    services that are loaded from the file system take more memory and more stack.
    """
    done = deploy(
        application,
        port,
        board=options["board"],
        via=options["via"],
        progress=teller("deploy"),
    )
    if options["wants_json"]:
        click.echo(json.dumps(asdict(done), indent=1))
        return
    click.echo(
        f"{len(done.copied)} files copied, {len(done.removed)} removed, {done.same} as they were"
    )
