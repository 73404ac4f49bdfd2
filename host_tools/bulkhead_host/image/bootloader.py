"""Send a running board to its bootloader, by MicroPython's raw REPL.

The raw REPL is described in MicroPython's reference manual ("The MicroPython interactive
interpreter mode"): Ctrl-C stops the program, Ctrl-A enters it, Ctrl-D runs what was sent.
"""

import contextlib
import errno
import time

import serial

from bulkhead_host.errors import (
    BulkheadError,
    DeviceBusy,
    DeviceException,
    DeviceNotFound,
    DeviceTimeout,
)

TIMEOUT_S = 20.0
HOLD_BOOTSEL = "hold BOOTSEL while plugging the board in, then: bulkhead flash IMAGE"

_ASK_AGAIN_S = 2.0
_FAREWELL_S = 1.0
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_PROGRAM = b"import machine\nmachine.bootloader()\x04"


def enter_bootloader(device: str, *, timeout_s: float = TIMEOUT_S) -> None:
    """Make the board at a serial port restart in its bootloader; its port then drops.

    Raises `DeviceNotFound`, `DeviceBusy`, `DeviceTimeout` when no prompt comes in `timeout_s`,
    or `DeviceException` when the board cannot do it.
    """
    try:
        port = serial.serial_for_url(device, timeout=0.05, write_timeout=2, exclusive=True)
    except (OSError, ValueError) as error:
        raise open_failure(device, error) from error
    try:
        _reach_prompt(port, device, timeout_s)
        port.write(_PROGRAM)
        _await_departure(port, timeout_s)
    except OSError as error:
        raise BulkheadError(f"{device} broke off: {error}", HOLD_BOOTSEL) from error
    finally:
        _close(port)


def check_that_it_opens(device: str) -> None:
    """Open and close a serial port. Raises `DeviceNotFound` or `DeviceBusy`."""
    try:
        _close(serial.serial_for_url(device, exclusive=True))
    except (OSError, ValueError) as error:
        raise open_failure(device, error) from error


def open_failure(device: str, error: Exception) -> BulkheadError:
    """Return the exception that says why a serial port could not be opened."""
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return DeviceBusy(
            f"this user may not open {device}",
            'sudo usermod -a -G dialout "$USER", then log in again; or a udev rule for 2e8a:0005',
        )
    if code in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return DeviceBusy(f"{device} is in use by another program", f"close it: lsof {device}")
    return DeviceNotFound(f"there is no board at {device}", "bulkhead doctor")


def _close(port: serial.SerialBase) -> None:
    """Close a port; also the socket that pyserial leaves open when the other side went first."""
    connection = getattr(port, "_socket", None)
    with contextlib.suppress(OSError):
        port.close()
    if connection is not None:
        connection.close()


def _reach_prompt(port: serial.SerialBase, device: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        port.write(b"\r\x03\x03\r\x01")
        if _read_to(port, _PROMPT, min(deadline, time.monotonic() + _ASK_AGAIN_S)):
            return
    raise DeviceTimeout(f"{device} gave no prompt within {timeout_s:.0f} s", HOLD_BOOTSEL)


def _read_to(port: serial.SerialBase, marker: bytes, deadline: float) -> bool:
    received = b""
    while marker not in received:
        if time.monotonic() >= deadline:
            return False
        received = received[-len(marker) :] + port.read(256)
    return True


def _await_departure(port: serial.SerialBase, timeout_s: float) -> None:
    """Wait until the board has taken the program, and a moment for what it may object.

    The board prints `OK`, runs the program, and prints its exception between two Ctrl-D.
    """
    received = b""
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            known = b"OK" in received
            received += port.read(256)
            if b"OK" in received and not known:
                deadline = time.monotonic() + _FAREWELL_S
            if received.count(b"\x04") > 1:
                words = received.split(b"\x04")[1].decode(errors="replace").strip()
                raise DeviceException(f"no bootloader: {words.splitlines()[-1]}", HOLD_BOOTSEL)
    except OSError:  # the port is gone, as it should be
        return
    if b"OK" not in received:
        raise DeviceTimeout("the board did not take the command", HOLD_BOOTSEL)
