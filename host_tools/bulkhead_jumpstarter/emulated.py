"""An emulated board behind an exporter: its power is the process that it runs in."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from jumpstarter.driver import Driver, export
from jumpstarter_driver_power.driver import PowerInterface

from bulkhead_host.errors import BulkheadError
from bulkhead_jumpstarter.driver import BulkheadBoard

_STOP_S = 20
_BULKHEAD = "from bulkhead_host.cli import main; main()"


@dataclass(kw_only=True)
class EmulatedPower(PowerInterface, Driver):
    """Switches a board of `bulkhead sim` on, and off as a cable that is pulled.

    Its flash is a file, so that what was flashed is there when it is switched on again.
    """

    image: str
    link: str
    drive: str
    flash: str
    _process: Any = field(default=None, init=False, repr=False)

    @export
    def on(self) -> None:
        """Switch the board on, and return once it has booted."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [
            *(sys.executable, "-c", _BULKHEAD, "sim", "--pace", "full"),
            *("--image", self.image, "--link", self.link, "--drive", self.drive),
            *("--flash", self.flash),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if not self._process.stdout.readline():
            raise BulkheadError(
                f"the emulated board did not come up: exit code {self._process.wait()}",
                f"bulkhead sim --image {self.image}",
            )

    @export
    def off(self) -> None:
        """Switch the board off."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.communicate(timeout=_STOP_S)
        self._process = None

    @export
    async def read(self) -> AsyncGenerator[None, None]:
        """Refuse: an emulated board draws no current that could be measured."""
        raise BulkheadError("nothing measures the power of an emulated board")
        yield

    def close(self) -> None:
        """Leave no board running when the exporter ends."""
        self.off()
        super().close()


@dataclass(kw_only=True)
class EmulatedBoard(BulkheadBoard):
    """A board that the exporter emulates, off at first: `image` is what it has from the maker.

    `folder` is where its port, its drive and its flash are; a new one, unless it is given.
    """

    image: str
    folder: str = ""
    port: str = ""

    def __post_init__(self) -> None:
        """Give the board its places, and add its power."""
        self.folder = self.folder or mkdtemp(prefix="bulkhead-board-")
        place = Path(self.folder)
        self.port = str(place / "port")
        self.drive = str(place / "drive")
        super().__post_init__()
        self.children["power"] = EmulatedPower(
            image=self.image, link=self.port, drive=self.drive, flash=str(place / "flash.bin")
        )
