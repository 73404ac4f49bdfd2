"""A serial port, pseudo-terminal or socket as a line to a board; pyserial does the work.

Opening disturbs nothing on the board: no byte is sent, and DTR and RTS are raised together, as
every terminal program does. MicroPython drops USB output while DTR is low, and the reset circuit
of ESP32 boards acts only while the two differ; on closing RTS falls first, for their sake.
"""

import errno
import io
import os
import re
import select
import time
import warnings
from contextlib import suppress
from pathlib import Path

import serial
import serial.rfc2217
from serial.tools import list_ports

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceNotFound,
    DeviceTimeout,
    NotPermitted,
    UsageError,
)
from bulkhead_host.files import NotText, read_text
from bulkhead_host.link.pace import SLOWEST
from bulkhead_host.link.transport import LinkLost
from bulkhead_host.link.urls import add_schemes

BAUD_RATE = 115_200
"""Without meaning on USB; what MicroPython's serial consoles use elsewhere."""

NO_BOARD = "plug a board in, or serve an emulated one: bulkhead sim"

_SERIAL_GROUP = "dialout"
_READ_SIZE = 4096
_WRITE_TIMEOUT_S = 2.0
_POLL_S = 0.01  # of a port that the system cannot wait for
_SERVERS = {
    "socket": "start what serves it, such as bulkhead sim --tcp 8266",
    "rfc2217": "start a server that speaks RFC 2217; one of plain bytes is socket://HOST:PORT",
    "serve": "start it, and take the URL that it prints: bulkhead serve",
}
_TOKEN = re.compile(r"(?<=^serve://)[^@]*@", re.IGNORECASE)  # which nobody is to read in a message
_SPY_RAW = re.compile(r"spy://.*[?&]raw\b", re.IGNORECASE)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_THERE = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO})
# What pyserial raises where a URL is not what its scheme takes; OSError where nothing answers.
_REFUSALS = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, ImportError),
    RuntimeError,
    re.error,
)
_URL_FORMS = {
    "socket": "socket://HOST:PORT",
    "rfc2217": "rfc2217://HOST:PORT",
    "serve": "the URL that bulkhead serve has printed",
    "loop": "loop://",
    "spy": "spy://PORT",
    "hwgrep": "hwgrep://WORDS, of a port that bulkhead devs shows",
    "cp2110": "cp2110://VID:PID:SERIAL, after pip install hidapi",
    "alt": "alt://PORT?class=PosixPollSerial",
}


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
    def pace_min(self) -> float:
        """Return 1 for a USB port, whose board is no emulated one, and else SLOWEST."""
        if "://" in self._name:
            return SLOWEST
        device = str(Path(self._name).resolve())
        usb = {info.device for info in list_ports.comports() if info.vid is not None}
        return 1.0 if usb & {self._name, device} else SLOWEST

    @property
    def descriptor(self) -> int | None:
        """What select can wait for; None where the system has none for this port."""
        return self._descriptor

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        try:
            if self._descriptor is None:
                data = self._polled(timeout_s)
            elif select.select([self._descriptor], [], [], max(timeout_s, 0))[0]:
                data = self._port.read(_READ_SIZE)
            else:
                return b""
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            raise self._lost(error) from error
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
            raise self._lost(error) from error

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

    def _polled(self, timeout_s: float) -> bytes:
        """Read where pyserial waits itself, at most `_POLL_S`: only so does it tell of an end."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            data: bytes = self._port.read(1)
            if data:
                more: bytes = self._port.read(self._port.in_waiting)
                return data + more
            if time.monotonic() >= deadline_s:
                return b""

    def _lost(self, error: Exception) -> Exception:
        if isinstance(error, OSError) and error.errno in _FULL:  # what spy:// writes to
            return OSError(error.errno, error.strerror)
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
    add_schemes()
    name = _TOKEN.sub("", url)
    try:
        return SerialTransport(_opened(url), name=name)
    except _REFUSALS as error:
        raise _why_not(name, error) from error


def _opened(url: str) -> serial.Serial:
    if _SPY_RAW.match(url):
        raise ValueError("pyserial cannot write what it shows raw")
    port = serial.serial_for_url(
        url,
        do_not_open=True,
        baudrate=BAUD_RATE,
        timeout=0,
        write_timeout=_WRITE_TIMEOUT_S,
        exclusive=True,
    )
    if isinstance(port, serial.rfc2217.Serial):  # it knows no such limit, and has one of its own
        port.write_timeout = None
    if not hasattr(port, "fileno"):
        port.timeout = _POLL_S
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyserial's own, of its threads
        port.open()
    return port


def _why_not(url: str, error: Exception) -> BulkheadError:
    origin = _system_error(error)
    number = origin.errno if origin else None
    if number in (errno.EAGAIN, errno.EBUSY):
        holder = _holder(url)
        return DeviceBusy(
            f"{url} is in use by {holder or 'another program'}",
            "close that program, or end it and try again",
        )
    if number in (errno.EACCES, errno.EPERM) and url.lower().startswith("serve://"):
        return NotPermitted(f"{url} is not open to this token", "take the URL that it has printed")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceBusy(
            f"this user may not open {url}",
            f"{permission_hint(url)}; or a udev rule, as bulkhead doctor prints it",
        )
    reason = origin.strerror if origin else " ".join(str(error).split())
    if "://" in url:
        return _no_url(url, error, reason)
    if number in _NOT_THERE or os.name == "nt":
        return DeviceNotFound(f"nothing answers at {url}: {reason}", NO_BOARD)
    return UsageError(f"{url} is no serial port", "see which there are: bulkhead devs")


def _no_url(url: str, error: Exception, reason: object) -> BulkheadError:
    scheme = url.partition("://")[0].lower()
    if scheme in _SERVERS and isinstance(error, OSError):
        cause = "nothing answers at {}: {}" if _system_error(error) else "{} cannot be opened: {}"
        return DeviceNotFound(cause.format(url, reason), _SERVERS[scheme])
    form = _URL_FORMS.get(scheme, f"one of: {', '.join(_URL_FORMS.values())}")
    kind = DeviceNotFound if isinstance(error, OSError) else UsageError
    return kind(f"{url} cannot be opened: {reason}", f"give {form}")


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
        locks = [line.split() for line in read_text(Path("/proc/locks")).splitlines()]
        lockers = {lock[4] for lock in locks if lock[5].endswith(f":{inode}")}
        for process in sorted(found, key=lambda process: process not in lockers):
            name = read_text(Path("/proc", process, "comm")).strip()
            return f"{name} (process {process})"
    except (OSError, IndexError, NotText):
        pass
    return ""


def _processes_with(device: Path) -> list[str]:
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if link.readlink() == device and link.parts[2] != str(os.getpid()):
                found.append(link.parts[2])
    return found
