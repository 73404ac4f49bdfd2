"""`bulkhead flash`: put an image on a board."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bulkhead_host.errors import UsageError
from bulkhead_host.image.esptool import flash_esp
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.ports import ENVIRONMENT_VARIABLE
from bulkhead_host.messages import teller
from bulkhead_host.system.boards import Board, board_named
from bulkhead_host.view.services import console


def flash_by_esptool(image: Path, board: Board, port: str | None) -> None:
    """Write an image to an ESP32, with a bar on a terminal, and print what was done."""
    with _bar() as on_share:
        done = flash_esp(image, board, port=port, progress=teller("flash"), on_share=on_share)
    print(f"image    {image}")
    print(f"port     {done.port}")
    print(f"written  {done.bytes_written} bytes in {done.seconds:.1f} s, and verified")


def flash_by_drive(image: Path, port: str | None, drive: Path | None) -> None:
    """Copy a UF2 to a bootloader's drive, and print what was done."""
    flashed = flash_image(image, port=port, drive=drive, progress=teller("flash"))
    print(f"image    {image}")
    print(f"drive    {flashed.volume}")
    print(f"written  {flashed.bytes_written} bytes in {flashed.seconds:.1f} s")
    if flashed.port:
        print(f"port     {flashed.port}")


@contextmanager
def _bar() -> Iterator[Callable[[float], None]]:
    """Give what shows a share of the work, from 0 to 1, on a terminal."""
    columns = TextColumn("flash"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    out = console(error=True)
    with Progress(*columns, console=out, disable=not out.is_terminal) as progress:
        task = progress.add_task("flash", total=1.0)
        yield lambda share: progress.update(task, completed=share)


@click.command(
    "flash",
    epilog="Examples: bulkhead flash build/bulkhead-pico.uf2;  "
    "bulkhead flash build/bulkhead-pico.uf2 --port a0;  "
    "bulkhead flash ESP32_GENERIC.bin --board esp32 --port u0",
)
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--board",
    metavar="NAME",
    help="What board it is, of board_configs: an ESP32 has to be named.",
)
@click.option(
    "--port",
    envvar=ENVIRONMENT_VARIABLE,
    show_envvar=True,
    help="The board: auto, id:SERIAL, a0, a path or a pseudo-terminal.",
)
@click.option(
    "--drive",
    type=click.Path(path_type=Path),
    help="The bootloader's drive, where it is not found by itself.",
)
def command(image: Path, board: str | None, port: str | None, drive: Path | None) -> None:
    """Put the file IMAGE on a board: a UF2 on a Pico, a .bin on an ESP32.

    A Pico is sent to its bootloader over its port, with no button to hold, and waited for until
    it is back. An ESP32 is written by esptool, from the offset that its board's file tells, and
    what was written is verified; the image is checked first, so that none for another chip and no
    half of one is written. esptool comes with pip install "bulkhead[esp32]".
    """
    known = board_named(board) if board is not None else None
    method = known.method if known is not None else "uf2"
    if known is None and image.suffix == ".bin":
        raise UsageError(f"{image} is no UF2", "name the board of a .bin: --board esp32")
    if method == "none":
        raise UsageError(f"{board} is not flashed", "bulkhead run")
    if known is not None and method == "esptool":
        if drive is not None:
            raise UsageError("an ESP32 has no bootloader's drive", "leave --drive out")
        flash_by_esptool(image, known, port)
    else:
        flash_by_drive(image, port, drive)
