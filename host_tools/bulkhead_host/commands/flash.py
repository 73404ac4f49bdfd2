"""`bulkhead flash`: put an image on a board."""

from pathlib import Path

import click

from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.ports import ENVIRONMENT_VARIABLE
from bulkhead_host.messages import teller


@click.command(
    "flash",
    epilog="Examples: bulkhead flash build/bulkhead-pico.uf2;  "
    "bulkhead flash build/bulkhead-pico.uf2 --port a0",
)
@click.argument("image", type=click.Path(path_type=Path))
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
def command(image: Path, port: str | None, drive: Path | None) -> None:
    """Put the UF2 file IMAGE on a board and wait until the board is back."""
    flashed = flash_image(
        image,
        port=port,
        drive=drive,
        progress=teller("flash"),
    )
    print(f"image    {image}")
    print(f"drive    {flashed.volume}")
    print(f"written  {flashed.bytes_written} bytes in {flashed.seconds:.1f} s")
    if flashed.port:
        print(f"port     {flashed.port}")
