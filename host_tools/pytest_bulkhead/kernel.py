"""What a test asks of the kernel on a board, and its clock. Time is the board's own."""

import re
from collections.abc import Callable

from bulkhead_host.commands.inject import inject
from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client, NoSuchTarget
from bulkhead_host.link.services import Hello, Service, Table
from bulkhead_host.view.services import STOPPED_STATES, changes

RESTART_TIMEOUT_MS = 5000
"""The longest pause the supervisor makes before a restart."""

_POLL_S = 0.05


class Clock:
    """The board's clock. `is_exact` says that the line's own clock is the board's."""

    def __init__(self, client: Client, *, is_exact: bool) -> None:
        self._client = client
        self._is_exact = is_exact

    def now_ms(self) -> int:
        """Return the milliseconds since the board has booted."""
        return self._client.hello().uptime_ms

    def run_for(self, ms: float) -> None:
        """Let the board run for a time of its own, at least; its output goes to the log."""
        if self._is_exact:
            self._client.listen(ms / 1000)
            return
        end_ms = self.now_ms() + ms
        while (left_ms := end_ms - self.now_ms()) > 0:
            self._client.listen(left_ms / 1000)


class Kernel:
    """A typed client of the kernel on one board.

    `log` has the lines that the board has written since the test began. Times are milliseconds
    of the board; what does not happen in time raises `DeviceTimeout`, which fails the test.
    """

    def __init__(self, client: Client, log: list[str]) -> None:
        self.client = client
        self.log = log
        self._expected = len(log)  # what was written before is not looked at

    def hello(self) -> Hello:
        """Return who answers: board, application, version."""
        return self.client.hello()

    def services(self) -> Table:
        """Return all services as they are now."""
        return self.client.table()

    def service(self, name: str) -> Service:
        """Return one service as it is now. Raise `UsageError` that lists what there is."""
        return self.services().find(name)

    def fault_text(self, name: str) -> str:
        """Return the traceback of a service's newest fault; empty when none is kept."""
        self.service(name)
        try:
            return self.client.fault_text(name)
        except NoSuchTarget:
            return ""

    def inject(self, kind: str, *, target: str) -> Service:
        """Make `target` fail in the way `kind`; return the service as it was before.

        The kinds are those of `bulkhead inject --help`.
        """
        before = self.service(target)
        inject(self.client, kind, target)
        return before

    def wait_for_restart(
        self, before: Service, *, timeout_ms: float = RESTART_TIMEOUT_MS
    ) -> Service:
        """Wait until a later incarnation than `before` runs, and return it."""
        return self.wait_for(
            before.name,
            lambda now: now.generation != before.generation and now.state not in STOPPED_STATES,
            timeout_ms=timeout_ms,
        )

    def wait_for(
        self, name: str, condition: Callable[[Service], bool], *, timeout_ms: float
    ) -> Service:
        """Wait until `condition` holds for the service `name`, and return it."""
        table = self.services()
        start_ms = table.uptime_ms
        while not condition(table.find(name)):
            if table.uptime_ms - start_ms >= timeout_ms:
                raise DeviceTimeout(
                    f"not within {timeout_ms:g} ms: the last seen was {table.find(name)}"
                )
            self.client.listen(_POLL_S)
            table = self.services()
            if table.uptime_ms < start_ms:
                raise BulkheadError("the board was reset while a test waited")
        return table.find(name)

    def expect(self, pattern: str | re.Pattern[str], *, timeout_ms: float = 1000) -> re.Match[str]:
        """Wait for a line of the log in which a regular expression is found; return the match.

        Lines up to it are taken: the next `expect` looks behind it.
        """
        start_ms = self.hello().uptime_ms
        while True:
            while self._expected < len(self.log):
                self._expected += 1
                match = re.search(pattern, self.log[self._expected - 1])
                if match:
                    return match
            if self.hello().uptime_ms - start_ms >= timeout_ms:
                raise DeviceTimeout(f"no line with {pattern!r} within {timeout_ms:g} ms")
            self.client.listen(_POLL_S)

    def assert_untouched(self, before: Table, *, except_for: tuple[str, ...] = ()) -> None:
        """Fail unless every service, those named aside, is in the generation it was in."""
        after = self.services()
        touched = [line for line in changes(before, after) if _subject(line) not in except_for]
        missing = set(before.names) - set(after.names)
        assert not touched, "\n".join(touched)
        assert not missing, f"services that are gone: {', '.join(sorted(missing))}"


def _subject(line: str) -> str:
    """Return which service a line of `changes` is about: `   1.234 * NAME: ...`."""
    return line.split(" * ", 1)[1].partition(":")[0]
