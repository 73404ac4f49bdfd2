"""`bulkhead build`: make the firmware image of an application."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bulkhead_host.errors import UsageError
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import Image, build_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.deploy import TOOLS, deploy
from bulkhead_host.image.guest import read_guest
from bulkhead_host.image.official import OfficialImage, official_image
from bulkhead_host.image.recipe import board_named, official_board
from bulkhead_host.messages import teller
from bulkhead_host.paths import source_root
from bulkhead_host.system.examine import load_system

SHIPPED_IMAGE = "build/bulkhead-{board}.uf2"
APPLICATION_IMAGE = "build/{name}-{board}.uf2"
"""In the application's own folder."""

BOARDS_OWN = "the board's own"
"""What `--official` takes when it is given nothing: the image that board.toml names."""


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What to build.

    `application` is the folder of a `system.toml`; without one it is the application that ships.
    `board` takes the place of the one that the application names.
    `official` is a file or URL of MicroPython's own image, to be taken instead of building one;
    its modules are then copied to the board at `deploy_port`, where that is given, with `via`.
    `guest` is a program that has the main level, with the services above it.
    """

    board: str | None = None
    application: Path | None = None
    output: Path | None = None
    official: str | None = None
    deploy_port: str | None = None
    via: str = "mpremote"
    may_install: bool = True
    guest: Path | None = None


def build(options: BuildOptions, *, progress: Progress = quiet) -> Image | OfficialImage:
    """Build an application's image, or with `official` the modules that go beside one."""
    if options.deploy_port and not options.official:
        raise UsageError("--deploy copies modules, which only --official makes", "add --official")
    folder = options.application or source_root() / "services"
    can_be_made = official_board if options.official else board_named
    if options.board:  # before what the application says of a board that is refused anyway
        can_be_made(options.board)
    application, board = load_system(folder, options.board)
    target = can_be_made(board.name)
    guest = read_guest(options.guest, architecture=target.architecture) if options.guest else None
    output = options.output or Path(SHIPPED_IMAGE.format(board=board.name))
    if options.application and not options.output:
        name = APPLICATION_IMAGE.format(name=application.name, board=board.name)
        output = options.application / name
    if board.method == "esptool" and not options.output:
        output = output.with_suffix(".bin")
    files = system_files(folder, board=board.name, guest=guest, loaded=(application, board))
    image: Image | OfficialImage
    if options.official:
        given = board.image.official if options.official == BOARDS_OWN else options.official
        image = official_image(
            given, board=board.name, files=files, output=output, progress=progress
        )
    else:
        image = build_image(
            board=board.name,
            files=files,
            output=output,
            may_install=options.may_install,
            progress=progress,
        )
    if not image.hard_timers:
        progress(weak_kill_note(image.micropython_version))
    if isinstance(image, OfficialImage) and options.deploy_port:
        deploy(options.deploy_port, image.modules, options.via, progress=progress)
    return image


@click.command("build", epilog="Examples: bulkhead build;  bulkhead build my_robot -o robot.uf2")
@click.argument(
    "application",
    metavar="[APP]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--board", help="Build for this board, and not for the one that APP names.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The default is APP/build/NAME-BOARD.uf2; without APP, build/bulkhead-BOARD.uf2.",
)
@click.option(
    "--official",
    metavar="[FILE|URL]",
    is_flag=False,
    flag_value=BOARDS_OWN,
    help="Take MicroPython's own image, and make the modules to copy beside it.",
)
@click.option(
    "--guest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A MicroPython program to run, as it is, below the services.",
)
@click.option("--deploy", "deploy_port", metavar="PORT", help="Copy the modules to this board.")
@click.option("--via", type=click.Choice(TOOLS), default="mpremote", show_default=True)
@click.option(
    "--install/--no-install", "may_install", default=True, help="Let apt install what is missing."
)
def command(**options: Any) -> None:
    """Build one UF2 file: MicroPython with the kernel and an application's services frozen in.

    APP is the folder of a system.toml; the default is the application that ships. What an image
    needs is fetched and kept outside the source tree; the same inputs give the same bytes.
    """
    image = build(
        BuildOptions(**options),
        progress=teller("build"),
    )
    for name, value in _rows(image):
        print(f"{name:<8} {value}")


def weak_kill_note(version: str) -> str:
    """Return what a person must know of a MicroPython without hard timers."""
    return (
        f"note: MicroPython {version} has no hard timers, so the kill is weaker: a service that "
        "hogs the interrupt level is stopped by the watchdog alone (1.26 or later has them)"
    )


def _rows(image: Image | OfficialImage) -> list[tuple[str, str]]:
    rows = [
        ("image", str(image.path)),
        ("size", f"{image.path.stat().st_size} bytes"),
        ("sha256", image.sha256),
    ]
    if isinstance(image, OfficialImage):
        return [*rows, ("modules", str(image.modules))]
    share = 100 * image.flash_used // image.flash_available
    used = f"{image.flash_used} of {image.flash_available} bytes ({share} %)"
    return [*rows, ("flash", used)]
