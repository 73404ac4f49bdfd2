"""Finds and opens the port a person names, in the words of mpremote.

auto              the only USB board there is
id:SERIAL         the USB board with this serial number
a0 u0 c0          /dev/ttyACM0, /dev/ttyUSB0, COM0, and so on to 3
port:/dev/tty...  a device, or plainly its path; also a pseudo-terminal's
socket://H:P      a TCP port; rfc2217://H:P one of a serial server, or any URL pyserial knows
mqtt://B/NAME     the board NAME by the broker B; tcp://H:P/NAME straight: see `network`
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serial.tools import list_ports

from bulkhead_host.errors import DeviceNotFound, UsageError
from bulkhead_host.link.network import is_network, open_network, parse_place
from bulkhead_host.link.serial_port import NO_BOARD, open_serial
from bulkhead_host.link.transport import Transport

ENVIRONMENT_VARIABLE = "BULKHEAD_PORT"
AUTO = "auto"

MICROPYTHON_USB_IDS = frozenset({(0x2E8A, 0x0005), (0xF055, 0x9800), (0x303A, 0x4001)})
"""Vendor and product of MicroPython's own USB port on the RP2040, STM32 and ESP32-S2/S3."""

_SHORTCUT_PREFIXES = {"a": "/dev/ttyACM", "u": "/dev/ttyUSB", "c": "COM"}
_SHORTCUT = re.compile(r"([auc])([0-3])")


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
        raise DeviceNotFound(f"there is no port {url}", _choice(list_usb()) or NO_BOARD)
    return Address(url=url)


def find_again(address: Address) -> Address:
    """Return where a board is that was at `address` and may have got another name since.

    Raises `DeviceNotFound` while it is away.
    """
    if address.serial_number:
        return _board_with(address.serial_number, usb_ports())
    return find_address(address.url)


def open_address(address: Address) -> Transport:
    """Open a port for this program alone, or a line over a network, which others may use, too."""
    if is_network(address.url):
        return open_network(address.url)
    return open_serial(address.url)


def open_port(name: str = AUTO) -> Transport:
    """Open the port a person names: `find_address` and `open_address` in one."""
    return open_address(find_address(name))


# Choosing


def _only_board(ports: Sequence[UsbPort]) -> Address:
    candidates = [port for port in ports if port.is_micropython] or list(ports)
    if not candidates:
        raise DeviceNotFound("there is no board: no USB serial port", NO_BOARD)
    if len(candidates) > 1:
        raise DeviceNotFound(f"there are {len(candidates)} boards", _choice(candidates))
    return Address(url=candidates[0].device, serial_number=candidates[0].serial_number)


def _board_with(serial_number: str, ports: Sequence[UsbPort]) -> Address:
    for port in ports:
        if port.serial_number == serial_number:
            return Address(url=port.device, serial_number=serial_number)
    raise DeviceNotFound(
        f"no board has the serial number {serial_number}", _choice(ports) or NO_BOARD
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
    if is_network(url):
        parse_place(url)
        return
    scheme = url.partition("://")[0]
    if scheme not in ("socket", "rfc2217"):
        return
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and parts.port)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise UsageError(f"{url} names no TCP port", f"write {scheme}://HOST:PORT")
