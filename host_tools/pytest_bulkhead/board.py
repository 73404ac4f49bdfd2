"""The board as a test sees it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from bulkhead_host.commands.options import operations_of
from bulkhead_host.emulator.board import EmulatedBoard
from bulkhead_host.emulator.pins import Pin
from bulkhead_host.errors import BulkheadError, UsageError
from bulkhead_host.link.client import Client
from bulkhead_host.link.recording import Recording
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.link.trace import collect
from bulkhead_host.view.story import story, told_lines
from pytest_bulkhead.devices import Device
from pytest_bulkhead.kernel import Clock, Kernel
from pytest_bulkhead.targets import Target

_LAST_WORDS_S = 0.2
"""How long a board is listened to after a failure: what has happened takes a moment to be said."""


class Board:
    """One board during one test.

    `hello` and `before` are what it said of itself and its services when the test began, `log`
    the lines that it has written since; those of its boot too, where that was for this test.
    `application` is the folder whose `api.py` name its operations, None for the present one.
    """

    def __init__(self, device: Device, target: Target, *, is_fresh: bool = False) -> None:
        self.target = target
        self.application: Path | None = None
        self.log: list[str] = []
        self._device = device
        self._used_pins: dict[int, Pin] = {}
        while not is_fresh and device.transport.read(0):
            pass  # written before this test
        self._connect()
        self.hello: Hello = self.kernel.hello()
        self.before: Table = self.kernel.services()

    @property
    def emulator(self) -> EmulatedBoard:
        """The emulated board itself, to the cycle. Raise `UsageError` when it is a real one."""
        if self._device.emulated is None:
            raise UsageError(
                f"{self.target.name} is no emulated board",
                'mark the test: @pytest.mark.bulkhead_needs("emulator")',
            )
        return self._device.emulated

    def pin(self, number: int) -> Pin:
        """Return a pin of an emulated board; what drives it from outside ends with the test."""
        return self._used_pins.setdefault(number, self.emulator.pin(number))

    def reset(self) -> None:
        """Boot the board afresh; the log goes on."""
        self._device.restart()
        self._used_pins.clear()
        self._connect()

    def furnish(self, desk: Path) -> Any:
        """Boot a board with a desk around it; return what the file's `furnish` has returned."""
        things = self._device.restart(desk)
        self._used_pins.clear()
        self._connect()
        self.before = self.kernel.services()
        return things

    def reboot(self) -> Kernel:
        """Boot the board with what its flash holds; return the kernel, which is another now.

        Power that has failed on an emulated board is back.
        """
        self._device.reboot()
        self._connect()
        return self.kernel

    def release(self) -> None:
        """Take the test's hands off the board."""
        for pin in self._used_pins.values():
            pin.release()

    def evidence(self) -> list[tuple[str, str]]:
        """Return what explains a failure: title and text of log, faults, services and trace."""
        with suppress(BulkheadError):
            self.kernel.client.listen(_LAST_WORDS_S)
        found = [("bulkhead console", "\n".join(self.log) or "nothing was written")]
        try:
            happened = self._happened()  # first: the ring forgets it over the other questions
            table = self.kernel.services()
            found += [
                (f"bulkhead fault of {service.name}", self._fault(service.name))
                for service in table.services
                if service.fault and service != self.before.named(service.name)
            ]
            lines = "\n".join(
                f"{one.name}: {one.state}, generation {one.generation}, fault {one.fault}"
                for one in table.services
            )
            found.append(("bulkhead services", lines))
            found.append(("bulkhead trace", "\n".join(happened)))
        except BulkheadError as error:
            found.append(("bulkhead services", f"not known: {error.cause}"))
        return found

    def _happened(self) -> list[str]:
        trace = collect(self.kernel.client, seconds=0)
        operations = operations_of(trace.names, self.application)
        return told_lines(story(Recording(hello=self.hello, trace=trace), operations=operations))

    def _fault(self, name: str) -> str:
        return self.kernel.fault_text(name) or "it left no text"

    def _connect(self) -> None:
        is_emulated = self._device.emulated is not None
        client = Client(self._device.transport, on_output=self.log.append)
        self.kernel = Kernel(client, self.log)
        self.clock = Clock(client, is_exact=is_emulated)
