"""One board: its console, its reset, its flash, and the kernel that tests talk to."""

import time
from pathlib import Path
from typing import Any, ClassVar

import attr
from labgrid.driver import Driver
from labgrid.driver.consoleexpectmixin import ConsoleExpectMixin
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import BootstrapProtocol, ConsoleProtocol, ResetProtocol
from labgrid.step import step
from labgrid.util.proxy import proxymanager
from pexpect import TIMEOUT

from bulkhead_host.commands.reset import reset
from bulkhead_host.errors import DeviceTimeout
from bulkhead_host.image.flash import flash_image
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import open_port
from bulkhead_host.link.transport import Transport
from pytest_bulkhead.kernel import Kernel

BOOT_S = 30.0
"""How long a board may take to boot before its services answer."""


@target_factory.reg_driver
@attr.s(eq=False)
class BulkheadDriver(
    ConsoleExpectMixin, Driver, ConsoleProtocol, ResetProtocol, BootstrapProtocol
):
    """A board at a serial port, local or an exporter's.

    The console is what services print; the frames of the link go to `kernel`, which is what the
    fixture of that name is in tests without labgrid. `image` is a key of the environment's
    images, which `load` flashes; `drive` is the bootloader's drive where it is not found by
    itself. Errors are those of `bulkhead_host.errors`.
    """

    bindings: ClassVar = {"port": {"SerialPort", "NetworkSerialPort"}}

    image = attr.ib(default="", validator=attr.validators.instance_of(str))
    drive = attr.ib(default="", validator=attr.validators.instance_of(str))
    txdelay = attr.ib(default=0.0, validator=attr.validators.instance_of(float))
    txchunk = attr.ib(default=1, validator=attr.validators.instance_of(int))

    def __attrs_post_init__(self) -> None:
        """Start with nothing open; labgrid calls this."""
        super().__attrs_post_init__()
        self._line: Transport | None = None
        self._kernel: Kernel | None = None
        self._printed = b""

    def on_activate(self) -> None:
        """Open the port."""
        self._line = open_port(self.url)
        self._kernel = Kernel(Client(self._line, on_output=self._on_line), [])

    def on_deactivate(self) -> None:
        """Close the port, so that another program can have it."""
        if self._line is not None:
            self._line.close()
        self._line = self._kernel = None

    @property
    def url(self) -> str:
        """The port as `bulkhead --port` takes it."""
        if not hasattr(self.port, "protocol"):
            return str(self.port.port)
        host, port = proxymanager.get_host_and_port(self.port)
        scheme = {"rfc2217": "rfc2217", "raw": "socket"}[self.port.protocol]
        return f"{scheme}://{host}:{port}"

    @property
    def kernel(self) -> Kernel:
        """Services, faults, restarts and the log of the board. Raise when it is not active."""
        if self._kernel is None:
            raise ExecutionError("the driver is not active: the strategy's `running` does it")
        return self._kernel

    def await_answer(self, timeout_s: float = BOOT_S) -> None:
        """Wait until the board's services answer; raise `DeviceTimeout` if they do not."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                self.kernel.hello()
                return
            except DeviceTimeout:
                if time.monotonic() >= until_s:
                    raise

    @step()
    def reset(self) -> None:
        """Reset the board, and return once it answers again."""
        with _Closed(self):
            reset(self.url)

    @step(args=["filename"])
    def load(self, filename: str | None = None) -> None:
        """Flash a UF2, the environment's `image` if none is named, and wait for the board."""
        if filename is None:
            if not self.image:
                raise ExecutionError("no image: give the driver one, a key of `images`")
            filename = self.target.env.config.get_image_path(self.image)
        with _Closed(self):
            flash_image(
                Path(filename), port=self.url, drive=Path(self.drive) if self.drive else None
            )

    def _on_line(self, line: str) -> None:
        self.kernel.log.append(line)
        self._printed += line.encode() + b"\n"

    def _read(self, size: int = 1, timeout: float = 0.0, max_size: int | None = None) -> bytes:
        """Return what was printed, at least `size` bytes of it, or raise pexpect's TIMEOUT."""
        clock_s = self.kernel.client.transport.clock_s
        until_s = clock_s() + timeout
        while len(self._printed) < size and clock_s() < until_s:
            self.kernel.client.listen(min(0.05, max(0.0, until_s - clock_s())))
        if not self._printed:
            raise TIMEOUT(f"the board printed nothing for {timeout:.2f} s")
        most = max_size or len(self._printed)
        taken, self._printed = self._printed[:most], self._printed[most:]
        return taken

    def _write(self, data: bytes) -> int:
        self.kernel.client.transport.write(data)
        return len(data)


class _Closed:
    """While another part of the tools has the port, the driver has not."""

    def __init__(self, driver: BulkheadDriver) -> None:
        self._driver = driver
        self._was_open = driver._line is not None

    def __enter__(self) -> None:
        if self._was_open:
            self._driver.on_deactivate()

    def __exit__(self, *_error: Any) -> None:
        if self._was_open:
            self._driver.on_activate()
