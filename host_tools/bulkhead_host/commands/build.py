"""`bulkhead build`: make the firmware image of an application."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from bulkhead_host.errors import UsageError
from bulkhead_host.image.application import system_files
from bulkhead_host.image.build import Image, build_image
from bulkhead_host.image.cache import Progress, quiet
from bulkhead_host.image.deploy import TOOLS, deploy
from bulkhead_host.image.official import OfficialImage, official_image
from bulkhead_host.image.recipe import BOARDS, OFFICIAL_IMAGE_URL
from bulkhead_host.paths import source_root

DEFAULT_IMAGE = "build/bulkhead-{board}.uf2"


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What to build.

    `application` is the folder of a `system.toml`; without one it is the application that ships.
    `official` is a file or URL of MicroPython's own image, to be taken instead of building one;
    its modules are then copied to the board at `deploy_port`, where that is given, with `via`.
    """

    board: str = "pico"
    application: Path | None = None
    output: Path | None = None
    official: str | None = None
    deploy_port: str | None = None
    via: str = "mpremote"
    may_install: bool = True


def build(options: BuildOptions, *, progress: Progress = quiet) -> Image | OfficialImage:
    """Build an application's image, or with `official` the modules that go beside one."""
    if options.deploy_port and not options.official:
        raise UsageError("--deploy copies modules, which only --official makes", "add --official")
    output = options.output or Path(DEFAULT_IMAGE.format(board=options.board))
    application = options.application or source_root() / "services"
    files = system_files(application, board=options.board)
    image: Image | OfficialImage
    if options.official:
        image = official_image(
            options.official, board=options.board, files=files, output=output, progress=progress
        )
    else:
        image = build_image(
            board=options.board,
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


@click.command("build")
@click.option("--board", type=click.Choice(sorted(BOARDS)), default="pico", show_default=True)
@click.option(
    "--application",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of a system.toml; the default is the application that ships.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help=f"The default is {DEFAULT_IMAGE}."
)
@click.option(
    "--official",
    metavar="[FILE|URL]",
    is_flag=False,
    flag_value=OFFICIAL_IMAGE_URL,
    help="Take MicroPython's own image, and make the modules to copy beside it.",
)
@click.option("--deploy", "deploy_port", metavar="PORT", help="Copy the modules to this board.")
@click.option("--via", type=click.Choice(TOOLS), default="mpremote", show_default=True)
@click.option(
    "--install/--no-install", "may_install", default=True, help="Let apt install what is missing."
)
def command(**options: Any) -> None:
    """Build the firmware image with the kernel and services frozen in.

    What an image needs is fetched and kept outside the source tree; the same inputs give the
    same bytes.
    """
    image = build(
        BuildOptions(**options),
        progress=lambda line: print(f"build: {line}", file=sys.stderr, flush=True),
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
