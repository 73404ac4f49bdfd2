"""Checks of the way to a board: this user's permission, the port, and who answers there."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bulkhead_host.doctor import Check
from bulkhead_host.errors import BulkheadError
from bulkhead_host.link.client import Client
from bulkhead_host.link.ports import (
    UsbPort,
    find_address,
    open_address,
    usb_ports,
)
from bulkhead_host.link.serial_port import permission_hint

RULE_FOLDERS = tuple(
    Path(folder)
    for folder in ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d",
                   "/lib/udev/rules.d")
)  # fmt: skip
RULE_FILE = "/etc/udev/rules.d/60-bulkhead.rules"
RULE = 'SUBSYSTEM=="tty", ATTRS{idVendor}=="2e8a", TAG+="uaccess"'

_SERIAL_GROUPS = ("dialout", "uucp", "tty")
_RPI_VENDOR = "2e8a"
_GREETING_TIMEOUT_S = 2.0


def board_checks(port: str | None) -> Iterator[Check]:
    """Give the findings about the way to a board.

    `port` is what a person means by it; without one, a board that is plugged in is looked at.
    """
    boards = [board for board in usb_ports() if board.is_micropython]
    if sys.platform == "linux":
        is_needed = bool(boards)
        yield serial_permission(is_needed=is_needed)
    if port is None and not boards:
        yield Check(
            name="board",
            is_ok=False,
            detail="none is plugged in",
            mend=("plug one in, or bulkhead sim for an emulated one",),
            is_needed=False,
        )
        return
    yield from port_checks(port or "auto")


def serial_permission(
    *, is_needed: bool, rule_folders: Sequence[Path] = RULE_FOLDERS, is_root: bool | None = None
) -> Check:
    """Look whether this user may open serial ports: as root, by group, or by a udev rule."""
    if (os.geteuid() == 0) if is_root is None else is_root:
        return Check(name="serial permission", is_ok=True, detail="by being root")
    group = _group_of_user()
    if group:
        return Check(name="serial permission", is_ok=True, detail=f"by group {group}")
    rule = _rule_file(rule_folders)
    if rule is not None:
        return Check(name="serial permission", is_ok=True, detail=f"by the udev rule {rule}")
    rule_line = f"echo '{RULE}' | sudo tee {RULE_FILE} && sudo udevadm control --reload"
    return Check(
        name="serial permission",
        is_ok=False,
        detail="neither in a group for serial ports nor by a udev rule",
        mend=(permission_hint("/dev/ttyACM0"), rule_line),
        is_needed=is_needed,
    )


def port_checks(
    port: str,
    *,
    list_usb: Callable[[], Sequence[UsbPort]] = usb_ports,
    timeout_s: float = _GREETING_TIMEOUT_S,
) -> Iterator[Check]:
    """Give the findings about one port: it is there, permitted, free, and answers."""
    try:
        address = find_address(port, list_usb=list_usb)
    except BulkheadError as error:
        yield _failed("port", error)
        return
    yield Check(name="port", is_ok=True, detail=address.url)
    try:
        transport = open_address(address)
    except BulkheadError as error:
        yield _failed("port opens", error)
        return
    yield Check(name="port opens", is_ok=True, detail="permitted, and free")
    try:
        hello = Client(transport, timeout_s=timeout_s).hello()
    except BulkheadError as error:
        yield _failed("board answers", error)
        return
    finally:
        transport.close()
    detail = f"{hello.board}, application {hello.application}, Bulkhead {hello.version}"
    yield Check(name="board answers", is_ok=True, detail=f"{detail}, protocol {hello.abi}")


def _failed(name: str, error: BulkheadError) -> Check:
    return Check(name=name, is_ok=False, detail=error.cause, mend=(error.next_step,))


def _group_of_user() -> str:
    """Return the first group of this user's that serial ports usually belong to."""
    import grp  # noqa: PLC0415  (absent on Windows)

    own = {*os.getgroups(), os.getegid()}
    for name in _SERIAL_GROUPS:
        try:
            if grp.getgrnam(name).gr_gid in own:
                return name
        except KeyError:
            continue
    return ""


def _rule_file(folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        for file in sorted(folder.glob("*.rules")):
            try:
                if _RPI_VENDOR in file.read_text(encoding="utf-8", errors="replace").lower():
                    return file
            except OSError:
                continue
    return None
