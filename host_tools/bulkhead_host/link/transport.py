"""What the link's client needs of a line: bytes both ways, and the time it counts by."""

from typing import Protocol

from bulkhead_host.errors import DeviceNotFound


class LinkLost(DeviceNotFound):
    """The port went away while it was in use: unplugged, reset, or closed at the other end."""


class Transport(Protocol):
    """One open line to a board. Methods raise `LinkLost` once the line is gone."""

    @property
    def name(self) -> str:
        """What a person calls the line: its path or URL."""

    @property
    def pace_min(self) -> float:
        """How slow the board's clock may go by `clock_s`, 1 for never slower: see `Pace`."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, as soon as there is something; nothing after `timeout_s`."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raise `DeviceTimeout` when the board does not take it."""

    def clock_s(self) -> float:
        """Return a time that only grows; the line's timeouts count by it."""

    def close(self) -> None:
        """Close the line; does nothing when it is closed."""


def board_of(transport: Transport) -> str:
    """Return the name that a board has to show on a line others can write to; empty on a cable."""
    return str(getattr(transport, "board_name", ""))
