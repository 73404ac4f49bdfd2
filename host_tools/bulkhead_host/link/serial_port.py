"""A serial port, pseudo-terminal or socket as a line to a board; pyserial does the work.

Opening disturbs nothing on the board: no byte is sent, and DTR and RTS are raised together, as
every terminal program does. MicroPython drops USB output while DTR is low, and the reset circuit
of ESP32 boards acts only while the two differ; on closing RTS falls first, for their sake.
"""

import errno
import io
import os
import select
import time
from contextlib import suppress
from pathlib import Path

import serial

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    UsageError,
)
from bulkhead_host.link.transport import LinkLost

BAUD_RATE = 115_200
"""Without meaning on USB; what MicroPython's serial consoles use elsewhere."""

NO_BOARD = "plug a board in, or serve an emulated one: bulkhead sim"

_SERIAL_GROUP = "dialout"
_READ_SIZE = 4096
_WRITE_TIMEOUT_S = 2.0
_POLL_S = 0.005
_NO_SERVER = "start what serves it, such as bulkhead sim --tcp 8266"
_NOT_THERE = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO})


class SerialTransport:
    """A serial port, pseudo-terminal or socket as pyserial opens it; see `Transport`."""

    def __init__(self, port: serial.Serial, *, name: str) -> None:
        self._port = port
        self._name = name
        try:
            self._descriptor: int | None = port.fileno()
        except (io.UnsupportedOperation, AttributeError):
            self._descriptor = None
        self._has_heard = False

    @property
    def name(self) -> str:
        """The path or URL."""
        return self._name

    @property
    def descriptor(self) -> int | None:
        """What select can wait for; None where the system has none for this port."""
        return self._descriptor

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        try:
            if not self._wait(timeout_s):
                return b""
            data: bytes = self._port.read(_READ_SIZE)
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            raise self._lost() from error
        self._has_heard = self._has_heard or bool(data)
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise DeviceTimeout(
                f"the board at {self._name} takes no input",
                f"reset it: mpremote connect {self._name} reset",
            ) from error
        except (OSError, ValueError) as error:
            raise self._lost() from error

    def clock_s(self) -> float:
        """Return the computer's monotonic clock."""
        return time.monotonic()

    def close(self) -> None:
        """Close the port, RTS before DTR."""
        if self._port.is_open:
            with suppress(OSError):
                self._port.rts = False
                self._port.dtr = False
            with suppress(OSError):
                self._port.close()

    def _wait(self, timeout_s: float) -> bool:
        if self._descriptor is not None:
            return bool(select.select([self._descriptor], [], [], max(timeout_s, 0))[0])
        deadline_s = time.monotonic() + timeout_s
        while not self._port.in_waiting:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(_POLL_S)
        return True

    def _lost(self) -> BulkheadError:
        if "://" in self._name and not self._has_heard:
            return DeviceBusy(
                f"{self._name} hung up at once: another program may be using it",
                "close that program, or end it and try again",
            )
        return LinkLost(
            f"the port {self._name} went away",
            "see that the board is plugged in, and that no other program has taken the port",
        )


def open_serial(url: str) -> SerialTransport:
    """Open a port for this program alone.

    Raises `DeviceNotFound` when nothing is there, `DeviceBusy` when another program has it or
    the system does not permit it, and `UsageError` when it is no serial port.
    """
    try:
        port = serial.serial_for_url(
            url,
            baudrate=BAUD_RATE,
            timeout=0,
            write_timeout=_WRITE_TIMEOUT_S,
            exclusive=True,
        )
    except (OSError, ValueError) as error:
        raise _why_not(url, error) from error
    return SerialTransport(port, name=url)


def _why_not(url: str, error: Exception) -> BulkheadError:
    origin = _system_error(error)
    number = origin.errno if origin else None
    if number in (errno.EAGAIN, errno.EBUSY):
        holder = _holder(url)
        return DeviceBusy(
            f"{url} is in use by {holder or 'another program'}",
            "close that program, or end it and try again",
        )
    if number in (errno.EACCES, errno.EPERM):
        return DeviceBusy(
            f"this user may not open {url}",
            f"{permission_hint(url)}; or a udev rule, as bulkhead doctor prints it",
        )
    if "://" in url and not isinstance(error, serial.SerialException):
        return UsageError(f"{url}: {error}", "write socket://HOST:PORT")
    reason = origin.strerror if origin else error
    if "://" in url:
        return DeviceNotFound(f"nothing answers at {url}: {reason}", _NO_SERVER)
    if number in _NOT_THERE or os.name == "nt":
        return DeviceNotFound(f"nothing answers at {url}: {reason}", NO_BOARD)
    return UsageError(f"{url} is no serial port", "see which there are: mpremote devs")


def _system_error(error: Exception) -> OSError | None:
    """Return the system's own error, which pyserial wraps in one of its own."""
    for exception in (error.__context__, error.__cause__, error):
        if isinstance(exception, OSError) and isinstance(exception.errno, int):
            return exception
    return None


def permission_hint(device: str) -> str:
    """Return the line that lets this user open a serial port."""
    try:
        import grp  # noqa: PLC0415  (absent on Windows)

        group = grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (ImportError, KeyError, OSError):
        group = _SERIAL_GROUP
    if group == "root":  # nobody should join that
        group = _SERIAL_GROUP
    return f"sudo usermod -aG {group} $USER, then log in again"


def _holder(device: str) -> str:
    """Return the name and number of the process that has a device, where Linux tells.

    That is the one that has locked it, else any that has it open.
    """
    try:
        found = _processes_with(Path(device).resolve())
        inode = Path(device).stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        lockers = {lock[4] for lock in locks if lock[5].endswith(f":{inode}")}
        for process in sorted(found, key=lambda process: process not in lockers):
            name = Path("/proc", process, "comm").read_text().strip()
            return f"{name} (process {process})"
    except (OSError, IndexError):
        pass
    return ""


def _processes_with(device: Path) -> list[str]:
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if link.readlink() == device and link.parts[2] != str(os.getpid()):
                found.append(link.parts[2])
    return found
