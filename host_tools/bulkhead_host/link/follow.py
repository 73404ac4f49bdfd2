"""Watches a board for as long as wanted, through resets and unplugging, and disturbs nothing.

The board is sent link frames only: never Ctrl-C, so the program on it goes on.
"""

import time
from collections.abc import Callable
from typing import Protocol

from bulkhead_host.errors import DeviceBusy, DeviceNotFound, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.services import Hello, Table, gained_ms, is_another_run
from bulkhead_host.link.transport import LinkLost, Transport

INTERVAL_MS = 1000
"""How often a board sends its table where nobody says otherwise; `make bench` has its cost."""

RETRY_S = 0.2

_SILENCE_MS = 1000
_BOOT_MS = 250
_MEASURE_S = 0.3

Connect = Callable[[], Transport]


class Viewer(Protocol):
    """What is shown to whom. Every method returns soon: the line is not read meanwhile."""

    def show_board(self, hello: Hello) -> None:
        """Take who answers; again after each reset."""

    def show_table(self, table: Table) -> None:
        """Take the services as they are now."""

    def show_line(self, line: str) -> None:
        """Take a line of program output or log."""

    def show_notice(self, text: str) -> None:
        """Take a sentence about the line itself."""


def follow(  # noqa: PLR0913  (most by keyword)
    connect: Connect,
    viewer: Viewer,
    *,
    interval_ms: int,
    for_s: float | None = None,
    reconnect: Connect | None = None,
    attend: Callable[[Client], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show a board to `viewer` for `for_s` seconds of its line's clock, or without end.

    The seconds begin when the board has answered, and do not end before it has sent a table once,
    or was to have sent one. What `connect` and the first request raise goes to the caller; when
    the port goes away later, `reconnect` (by default `connect`) is tried until it is back.
    `attend` is called often while there is a line, and may make requests.
    """
    transport = connect()
    until_s = None if for_s is None else transport.clock_s() + for_s
    is_first = True
    while True:
        try:
            session = _Session(transport, viewer, attend=attend)
            if is_first:
                session.greet()
                until_s = None if for_s is None else transport.clock_s() + for_s
            session.run(interval_ms, until_s)
            return
        except (LinkLost, DeviceBusy) as error:
            if is_first and isinstance(error, DeviceBusy):
                raise
            viewer.show_notice(f"{error.cause}: waiting for it")
        finally:
            transport.close()
        is_first = False
        returned = await_return(reconnect or connect, transport.clock_s, until_s, sleep)
        if returned is None:
            return
        transport = returned
        viewer.show_notice(f"{transport.name} is back")


class _Session:
    """One connection, from the port's opening to its loss or the end."""

    def __init__(
        self,
        transport: Transport,
        viewer: Viewer,
        *,
        attend: Callable[[Client], None] | None,
    ) -> None:
        self._viewer = viewer
        self._client = client = Client(transport, on_output=viewer.show_line)
        self._attend = None if attend is None else lambda: attend(client)
        self._is_known = False
        self._last: Table | None = None
        self._last_s = 0.0

    def run(self, interval_ms: int, until_s: float | None) -> None:
        for table in self._client.watch(
            interval_ms=interval_ms, until_s=until_s, attend=self._attend
        ):
            if table is None:
                self._viewer.show_notice("the board does not answer; still listening")
                continue
            if self._last is not None and self._has_restarted(table, self._last, interval_ms):
                self._viewer.show_notice("the board has restarted")
                self._is_known = False
            self._last, self._last_s = table, self._client.transport.clock_s()
            if not self._is_known:
                self._greet_again()
            self._viewer.show_table(table)

    def _has_restarted(self, table: Table, last: Table, interval_ms: int) -> bool:
        """Tell whether the board's uptime began anew.

        A board that was reset right after boot, and then silent for want of a watch, may be up
        for longer than before; but not by as much as has passed.
        """
        passed_ms = 1000 * (self._client.transport.clock_s() - self._last_s)
        was_silent = passed_ms > interval_ms + _SILENCE_MS
        gained = gained_ms(last.uptime_ms, table.uptime_ms)
        if was_silent and 0 <= gained < passed_ms - _BOOT_MS:
            passed_ms *= self._pace()
        boot_ms = _BOOT_MS if was_silent else passed_ms  # it cannot have gone back
        return is_another_run(last.uptime_ms, table.uptime_ms, passed_ms, boot_ms)

    def _pace(self) -> float:
        """Measure how fast the board's clock goes by the line's, 1 for as fast."""
        try:
            began_s, began_ms = self._client.transport.clock_s(), self._client.hello().uptime_ms
            self._client.listen(_MEASURE_S)
            gained = gained_ms(began_ms, self._client.hello().uptime_ms)
        except DeviceTimeout:
            return 1.0
        return gained / 1000 / (self._client.transport.clock_s() - began_s)

    def greet(self) -> None:
        """Ask who is there, and show it. Raises as `Client.hello` does."""
        self._viewer.show_board(self._client.hello())
        self._is_known = True

    def _greet_again(self) -> None:
        try:
            self.greet()
        except DeviceTimeout:  # it will be asked with the next table
            self._is_known = False


def await_return(
    reconnect: Connect,
    clock_s: Callable[[], float],
    until_s: float | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Transport | None:
    """Return the line once it can be opened again, or None when time is up."""
    while until_s is None or clock_s() < until_s:
        try:
            return reconnect()
        except (DeviceNotFound, DeviceBusy):
            sleep(RETRY_S)
    return None
