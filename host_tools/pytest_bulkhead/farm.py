"""The boards of an inventory, leased to one test at a time, whatever process it runs in.

A board that is not what the inventory says, or that goes away, is left out for the rest of the
run, and the test has another one. What a board *does* is never tried again.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bulkhead_host.errors import BulkheadError, DeviceBusy, DeviceNotFound
from bulkhead_host.image.changes import changed
from bulkhead_host.link.client import Client
from bulkhead_host.link.updater import list_code
from bulkhead_host.system.examine import load_system
from pytest_bulkhead.devices import PortDevice
from pytest_bulkhead.inventory import Entry

_POLL_S = 0.1
_OFF_S = 1.0
_POWER_TIMEOUT_S = 30


@dataclass(kw_only=True)
class Lease:
    """A board while a test has it."""

    entry: Entry
    device: PortDevice


class Farm:
    """The boards that are left of an inventory. `lost` has the others by id, and why."""

    def __init__(
        self, entries: tuple[Entry, ...], *, application: Path | None, wait_s: float
    ) -> None:
        self.entries = entries
        self.lost: dict[str, str] = {}
        self._application = application
        self._wait_s = wait_s
        self._right: set[str] = set()

    @contextmanager
    def lease(self, fixtures: frozenset[str]) -> Iterator[Lease]:
        """Have a board with these fixtures that nobody has, those in quarantine last.

        Raises `DeviceNotFound` when none is left, and `DeviceBusy` when all that are stay taken.
        """
        lease = self._taken(fixtures)
        try:
            yield lease
        finally:
            lease.device.close()

    def lose(self, entry: Entry, reason: str) -> None:
        """Leave a board out from now on."""
        self.lost.setdefault(entry.id, reason)

    def _taken(self, fixtures: frozenset[str]) -> Lease:
        deadline_s = time.monotonic() + self._wait_s
        while True:
            candidates = self._left(fixtures)
            for entry in candidates:
                device = self._opened(entry)
                if device is not None and self._is_right(entry, device):
                    return Lease(entry=entry, device=device)
            if candidates and time.monotonic() >= deadline_s:
                raise DeviceBusy(
                    f"all boards are in use: {', '.join(entry.id for entry in candidates)}",
                    "run fewer workers, or give it longer: --bulkhead-wait SECONDS",
                )
            time.sleep(_POLL_S)

    def _left(self, fixtures: frozenset[str]) -> list[Entry]:
        fitting = [entry for entry in self.entries if fixtures <= entry.fixtures]
        left = [entry for entry in fitting if entry.id not in self.lost]
        if not left:
            what = f" with {', '.join(sorted(fixtures))}" if fixtures else ""
            lost = "; ".join(f"{one}: {why}" for one, why in self.lost.items())
            raise DeviceNotFound(
                f"no board{what} is left of the inventory" + (f" ({lost})" if lost else ""),
                "see what bulkhead doctor says of its port",
            )
        return sorted(left, key=lambda entry: entry.quarantine is not None)

    def _opened(self, entry: Entry) -> PortDevice | None:
        try:
            return _patient(lambda: PortDevice(entry.port, wait_s=0), entry)
        except DeviceBusy:
            return None
        except DeviceNotFound as error:
            self.lose(entry, error.cause)
            return None

    def _is_right(self, entry: Entry, device: PortDevice) -> bool:
        """Tell whether a board is of the kind that is listed, and has the application's code."""
        if entry.id in self._right:
            return True
        try:
            reason = _difference(Client(device.transport), entry, self._application)
        except BulkheadError as error:
            reason = error.cause
        if reason:
            device.close()
            self.lose(entry, reason)
            return False
        self._right.add(entry.id)
        return True


def _patient(open_it: Callable[[], PortDevice], entry: Entry) -> PortDevice:
    """Open a board, the second time after its power was off, where that can be."""
    try:
        return open_it()
    except DeviceBusy:
        raise
    except DeviceNotFound:
        if not entry.power:
            raise
    _switch(entry, "off")
    time.sleep(_OFF_S)
    _switch(entry, "on")
    time.sleep(_OFF_S)
    return open_it()


def _switch(entry: Entry, action: str) -> None:
    command = [word.replace("{action}", action) for word in entry.power]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_POWER_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceNotFound(f"the power of {entry.id} was not switched: {error}") from error


def _difference(client: Client, entry: Entry, application: Path | None) -> str:
    """Return in what a board is not what a test wants, by what is flashed; nothing if it is."""
    hello = client.hello()
    if hello.board != entry.board:
        return f"it says that it is a {hello.board}, and the inventory {entry.board}"
    if application is None:
        return ""
    wanted, _ = load_system(application, entry.board)
    if hello.application != wanted.name:
        return f"it runs {hello.application}, not {wanted.name}"
    known = {service.name for service in wanted.services}
    present = [name for name in client.table().names if name in known]
    others = changed(wanted, list_code(client, present))
    return f"it has other code of {', '.join(others)}: bulkhead update" if others else ""
