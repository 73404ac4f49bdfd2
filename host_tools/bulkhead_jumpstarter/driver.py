"""What an exporter has of a board: its line, its flash, and what its services say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anyio import to_thread
from anyio.streams.file import FileWriteStream
from jumpstarter.driver import Driver, export
from jumpstarter_driver_composite.driver import Composite
from jumpstarter_driver_opendal.driver import FlasherInterface
from jumpstarter_driver_pyserial.driver import PySerial

from bulkhead_host.commands.inject import inject
from bulkhead_host.commands.reset import reset
from bulkhead_host.errors import BulkheadError
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import find_address, open_port


@dataclass(kw_only=True)
class BulkheadFlasher(FlasherInterface, Driver):
    """Flashes a UF2 as `bulkhead flash` does: by the board's bootloader, whatever it runs.

    `drive` is the bootloader's drive where it is not found by itself.
    """

    port: str
    drive: str = ""

    @export
    async def flash(self, source: Any, target: str | None = None) -> str:
        """Put an image on the board, and return where it is then, once it is back."""
        if target is not None:
            raise ValueError(f"a Pico has one flash, and no target {target!r}")
        with TemporaryDirectory(prefix="bulkhead-") as folder:
            image = Path(folder) / "image.uf2"
            async with (
                await FileWriteStream.from_path(image) as file,
                self.resource(source) as data,
            ):
                async for chunk in data:
                    await file.send(chunk)
            return str(await to_thread.run_sync(self._flash, image))

    @export
    async def dump(self, target: Any, partition: str | None = None) -> None:
        """Refuse: nothing here reads a flash back."""
        raise BulkheadError("a board's flash is not read back")

    def _flash(self, image: Path) -> str:
        drive = Path(self.drive) if self.drive else None
        return flash_image(image, port=self.port, drive=drive).port


@dataclass(kw_only=True)
class BulkheadBoard(Composite):
    """A board at a port in any of the forms of `bulkhead --port`; `drive` as the flasher's.

    What is asked here opens the port for as long as the answer takes, so the stream of the child
    `serial` has to be closed meanwhile: `DeviceBusy` says so. Orders take the device key that the
    exporter's user has.
    """

    port: str
    drive: str = ""
    children: dict[str, Driver] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the children."""
        super().__post_init__()
        self.children["serial"] = PySerial(url=self._serial_url(), check_present=False)
        self.children["flasher"] = BulkheadFlasher(port=self.port, drive=self.drive)

    @classmethod
    def client(cls) -> str:
        """Return the name of the class that speaks for this one at the other end."""
        return "bulkhead_jumpstarter.client.BulkheadClient"

    @export
    def hello(self) -> dict[str, Any]:
        """Return who answers: board, application, version."""
        with self._asked() as client:
            found = client.hello()
            return {
                "board": found.board,
                "application": found.application,
                "version": found.version,
                "uptime_ms": found.uptime_ms,
            }

    @export
    def services(self) -> list[dict[str, Any]]:
        """Return all services: name, state, generation, fault."""
        with self._asked() as client:
            return [
                {name: value for name, value in asdict(one).items() if _is_plain(value)}
                for one in client.table().services
            ]

    @export
    def fault(self, name: str) -> str:
        """Return the traceback of a service's newest fault."""
        with self._asked() as client:
            return client.fault_text(name)

    @export
    def inject(self, kind: str, target: str) -> None:
        """Make a service fail in a way of `bulkhead inject`."""
        with self._asked() as client:
            inject(client, kind, target)

    @export
    def reset_board(self) -> float:
        """Reset the board; return after how many seconds it answers again."""
        return reset(self.port).seconds

    @contextmanager
    def _asked(self) -> Iterator[Client]:
        line = open_port(self.port)
        try:
            yield Client(line)
        finally:
            line.close()

    def _serial_url(self) -> str:
        return self.port if self.port.startswith(("/", "socket:")) else find_address(self.port).url


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
