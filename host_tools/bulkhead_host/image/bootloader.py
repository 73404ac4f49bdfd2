"""Send a running board to its bootloader, by MicroPython's raw REPL."""

from bulkhead_host.errors import BulkheadError, DeviceException, DeviceTimeout
from bulkhead_host.link.ports import Address, open_address
from bulkhead_host.link.raw_repl import RawRepl
from bulkhead_host.link.transport import LinkLost, Transport

TIMEOUT_S = 20.0
HOLD_BOOTSEL = "hold BOOTSEL while plugging the board in, then: bulkhead flash IMAGE"

_FAREWELL_S = 1.0
_READ_S = 0.1
_PROGRAM = b"import machine\nmachine.bootloader()\x04"


def enter_bootloader(address: Address, *, timeout_s: float = TIMEOUT_S) -> None:
    """Make the board at a serial port restart in its bootloader; its port then drops.

    Raises `DeviceNotFound`, `DeviceBusy`, `DeviceTimeout` when no prompt comes in `timeout_s`,
    or `DeviceException` when the board cannot do it.
    """
    line = open_address(address)
    try:
        RawRepl(line).enter(timeout_s=timeout_s, next_step=HOLD_BOOTSEL)
        line.write(_PROGRAM)
        _await_departure(line, timeout_s)
    except LinkLost as error:
        raise BulkheadError(f"{line.name} broke off", HOLD_BOOTSEL) from error
    finally:
        line.close()


def check_that_it_opens(address: Address) -> None:
    """Open and close a serial port. Raises `DeviceNotFound` or `DeviceBusy`."""
    open_address(address).close()


def _await_departure(line: Transport, timeout_s: float) -> None:
    """Wait until the board has taken the program, and a moment for what it may object.

    The board prints `OK`, runs the program, and prints its exception between two Ctrl-D.
    """
    received = b""
    deadline = line.clock_s() + timeout_s
    try:
        while line.clock_s() < deadline:
            known = b"OK" in received
            received += line.read(_READ_S)
            if b"OK" in received and not known:
                deadline = line.clock_s() + _FAREWELL_S
            if received.count(b"\x04") > 1:
                words = received.split(b"\x04")[1].decode(errors="replace").strip()
                raise DeviceException(f"no bootloader: {words.splitlines()[-1]}", HOLD_BOOTSEL)
    except LinkLost:  # as it should be
        return
    if b"OK" not in received:
        raise DeviceTimeout("the board did not take the command", HOLD_BOOTSEL)
