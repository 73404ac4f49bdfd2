"""Finds and opens the port a person names, in the words of mpremote.

    auto              the only USB board there is
    id:SERIAL         the USB board with this serial number
    a0 u0 c0          /dev/ttyACM0, /dev/ttyUSB0, COM0, and so on to 3
    port:/dev/tty...  a device, or plainly its path; also a pseudo-terminal's
    socket://H:P      a TCP port, or any other URL pyserial knows

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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from bulkhead_host.errors import DeviceBusy, DeviceNotFound, DeviceTimeout, UsageError
from bulkhead_host.link.transport import LinkLost

ENVIRONMENT_VARIABLE = "BULKHEAD_PORT"
AUTO = "auto"

BAUD_RATE = 115_200
"""Without meaning on USB; what MicroPython's serial consoles use elsewhere."""

MICROPYTHON_USB_IDS = frozenset({(0x2E8A, 0x0005), (0xF055, 0x9800), (0x303A, 0x4001)})
"""Vendor and product of MicroPython's own USB port on the RP2040, STM32 and ESP32-S2/S3."""

_SHORTCUT_PREFIXES = {"a": "/dev/ttyACM", "u": "/dev/ttyUSB", "c": "COM"}
_SHORTCUT = re.compile(r"([auc])([0-3])")
_READ_SIZE = 4096
_WRITE_TIMEOUT_S = 2.0
_POLL_S = 0.005
_NO_BOARD = "plug a board in, or serve an emulated one: bulkhead sim"
_NO_SERVER = "start what serves it, such as bulkhead sim --tcp 8266"
_NOT_THERE = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO})


@dataclass(frozen=True, kw_only=True)
class UsbPort:
    """A serial port that is a USB device. `serial_number` is empty where it tells none."""

    device: str
    serial_number: str
    is_micropython: bool
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a board is. With a `serial_number` it can be found again under another name."""

    url: str
    serial_number: str = ""


def usb_ports() -> list[UsbPort]:
    """Return the serial ports that are USB devices, in order of their names."""
    return [
        UsbPort(
            device=info.device,
            serial_number=info.serial_number or "",
            is_micropython=(info.vid, info.pid) in MICROPYTHON_USB_IDS,
            description=info.description or "",
        )
        for info in sorted(list_ports.comports())
        if info.vid is not None
    ]


def find_address(
    name: str = AUTO, *, list_usb: Callable[[], Sequence[UsbPort]] = usb_ports
) -> Address:
    """Return where the board is that a person means by `name`.

    Raises `DeviceNotFound` when there is none, or several where one is needed, and `UsageError`
    when `name` cannot name a board.
    """
    if not name:
        raise UsageError("the port's name is empty", "bulkhead ps --port auto")
    if name == AUTO:
        return _only_board(list_usb())
    if name.startswith("id:"):
        return _board_with(name.removeprefix("id:"), list_usb())
    shortcut = _SHORTCUT.fullmatch(name)
    url = _SHORTCUT_PREFIXES[shortcut[1]] + shortcut[2] if shortcut else name
    url = url.removeprefix("port:")
    if "://" in url:
        _check_url(url)
    elif (port := _named(url, list_usb())) is not None:
        return Address(url=url, serial_number=port.serial_number)
    elif os.name != "nt" and not Path(url).exists():
        raise DeviceNotFound(f"there is no port {url}", _choice(list_usb()) or _NO_BOARD)
    return Address(url=url)


def find_again(address: Address) -> Address:
    """Return where a board is that was at `address` and may have got another name since.

    Raises `DeviceNotFound` while it is away.
    """
    if address.serial_number:
        return _board_with(address.serial_number, usb_ports())
    return find_address(address.url)


class SerialTransport:
    """A serial port, pseudo-terminal or socket as pyserial opens it; see `Transport`."""

    def __init__(self, port: serial.Serial, *, name: str) -> None:
        self._port = port
        self._name = name
        try:
            self._descriptor: int | None = port.fileno()
        except (io.UnsupportedOperation, AttributeError):
            self._descriptor = None

    @property
    def name(self) -> str:
        """The path or URL."""
        return self._name

    def read(self, timeout_s: float) -> bytes:
        """Return what has come; wait up to `timeout_s` for something."""
        try:
            if not self._wait(timeout_s):
                return b""
            data: bytes = self._port.read(_READ_SIZE)
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            raise self._lost() from error
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

    def _lost(self) -> LinkLost:
        return LinkLost(
            f"the port {self._name} went away",
            "see that the board is plugged in, and that no other program has taken the port",
        )


def open_address(address: Address) -> SerialTransport:
    """Open a port for this program alone.

    Raises `DeviceNotFound` when nothing is there, `DeviceBusy` when another program has it or
    the system does not permit it, and `UsageError` when it is no serial port.
    """
    try:
        port = serial.serial_for_url(
            address.url,
            baudrate=BAUD_RATE,
            timeout=0,
            write_timeout=_WRITE_TIMEOUT_S,
            exclusive=True,
        )
    except (OSError, ValueError) as error:
        raise _why_not(address.url, error) from error
    return SerialTransport(port, name=address.url)


def open_port(name: str = AUTO) -> SerialTransport:
    """Open the port a person names: `find_address` and `open_address` in one."""
    return open_address(find_address(name))


# Choosing


def _only_board(ports: Sequence[UsbPort]) -> Address:
    candidates = [port for port in ports if port.is_micropython] or list(ports)
    if not candidates:
        raise DeviceNotFound("there is no board: no USB serial port", _NO_BOARD)
    if len(candidates) > 1:
        raise DeviceNotFound(f"there are {len(candidates)} boards", _choice(candidates))
    return Address(url=candidates[0].device, serial_number=candidates[0].serial_number)


def _board_with(serial_number: str, ports: Sequence[UsbPort]) -> Address:
    for port in ports:
        if port.serial_number == serial_number:
            return Address(url=port.device, serial_number=serial_number)
    raise DeviceNotFound(
        f"no board has the serial number {serial_number}", _choice(ports) or _NO_BOARD
    )


def _named(device: str, ports: Sequence[UsbPort]) -> UsbPort | None:
    return next((port for port in ports if port.device == device), None)


def _choice(ports: Sequence[UsbPort]) -> str:
    """Return how to name each port there is; empty when there is none."""
    names = (
        f"--port id:{port.serial_number} ({port.device})"
        if port.serial_number
        else f"--port {port.device}"
        for port in ports
    )
    return " or ".join(names)


def _check_url(url: str) -> None:
    if not url.startswith("socket://"):
        return
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and parts.port)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise UsageError(f"{url} names no TCP port", "write socket://HOST:PORT")


# Why a port does not open


def _why_not(url: str, error: Exception) -> Exception:
    origin = _system_error(error)
    number = origin.errno if origin else None
    if number in (errno.EAGAIN, errno.EBUSY):
        holder = _holder(url)
        return DeviceBusy(
            f"{url} is in use by {holder or 'another program'}",
            "close that program, or end it and try again",
        )
    if number in (errno.EACCES, errno.EPERM):
        return DeviceBusy(f"this user may not open {url}", permission_hint(url))
    if "://" in url and not isinstance(error, serial.SerialException):
        return UsageError(f"{url}: {error}", "write socket://HOST:PORT")
    reason = origin.strerror if origin else error
    if "://" in url:
        return DeviceNotFound(f"nothing answers at {url}: {reason}", _NO_SERVER)
    if number in _NOT_THERE or os.name == "nt":
        return DeviceNotFound(f"nothing answers at {url}: {reason}", _NO_BOARD)
    return UsageError(f"{url} is no serial port", "bulkhead doctor")


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
        group = "dialout"
    if group == "root":
        return "a udev rule that lets you use the board; bulkhead doctor prints it"
    return f"sudo usermod -aG {group} $USER, then log in again (or a udev rule: bulkhead doctor)"


def _holder(device: str) -> str:
    """Return the name and number of the process that has a device open, where Linux tells."""
    try:
        target = Path(device).resolve()
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                process = link.parts[2]
                if process != str(os.getpid()) and link.readlink() == target:
                    name = Path("/proc", process, "comm").read_text().strip()
                    return f"{name} (process {process})"
    except OSError:
        pass
    return ""
