"""One line to a board, shared by all who look at the page.

A thread follows the board as the monitor does. What it hears goes to every listener as an event,
a name with plain values; what a listener asks for is done between two tables.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Self, TypeVar

from bulkhead_host.errors import BulkheadError, DeviceTimeout
from bulkhead_host.link.client import Client
from bulkhead_host.link.facts import Facts, read_facts
from bulkhead_host.link.follow import RETRY_S, Connect, follow
from bulkhead_host.link.services import Hello, Table
from bulkhead_host.view.services import as_json, cpu_percent

Event = tuple[str, Any]
Listener = Callable[[Event], None]

LINES_KEPT = 400
"""Lines of the log that somebody gets who comes later."""

HISTORY_KEPT = 300
"""Tables of which somebody who comes later gets load and queues."""

FACTS_S = 10.0
"""How often what no table has is asked: the board collects its garbage for the heap's figure."""

ANSWER_TIMEOUT_S = 15.0

_T = TypeVar("_T")


class _Leave(Exception):
    """The hub is closed."""


class Hub:
    """Follows a board in a thread; a `Viewer` for `follow`. A context manager.

    `connect` is tried at once, and what it raises goes to the caller; later `reconnect` is.
    """

    def __init__(self, connect: Connect, *, reconnect: Connect, interval_ms: int = 1000) -> None:
        self._transport = connect()
        self._reconnect = reconnect
        self._interval_ms = interval_ms
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._state: dict[str, Any] = {}
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._previous: Table | None = None
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY_KEPT)
        self._facts = Facts()
        self._facts_s = 0.0
        self._requests: queue.SimpleQueue[Callable[[Client], None]] = queue.SimpleQueue()
        self._is_closing = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing.set()
        self._thread.join()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with what is known now, and with each event; return how to end that.

        It is called in the hub's thread, and has to return soon.
        """
        with self._lock:
            for name, value in self._state.items():
                listener((name, value))
            listener(("lines", list(self._lines)))
            listener(("history", list(self._history)))
            self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @property
    def lines(self) -> list[str]:
        """The last lines of the log."""
        with self._lock:
            return list(self._lines)

    def ask(self, request: Callable[[Client], _T], *, timeout_s: float = ANSWER_TIMEOUT_S) -> _T:
        """Return what `request` makes of the board's client. Raises what it raises.

        Raises DeviceTimeout when the board is away, or busy with it, for longer than `timeout_s`.
        """
        future: Future[_T] = Future()

        def perform(client: Client) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(request(client))
                except BaseException as error:
                    future.set_exception(error)

        self._requests.put(perform)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise DeviceTimeout(
                f"the board was not there for {timeout_s:g} s", "look at its cable"
            ) from None

    # What `follow` tells.

    def show_board(self, hello: Hello) -> None:
        """Take who answers; what was known of another run is no more."""
        self._previous = None
        with self._lock:
            self._history.clear()
        self._facts, self._facts_s = Facts(), 0.0
        self._tell("board", {key: getattr(hello, key) for key in hello.__dataclass_fields__})

    def show_table(self, table: Table) -> None:
        """Take the services as they are now."""
        shown = as_json(table)
        for row, service in zip(shown["services"], table.services, strict=True):
            row["cpu_percent"] = cpu_percent(service, table, self._previous)
        self._previous = table
        point = {
            "uptime_ms": table.uptime_ms,
            "cpu": {row["name"]: row["cpu_percent"] for row in shown["services"]},
            "queue": {one.name: one.queue + one.clients for one in table.services},
            "heap_free": self._facts.heap_free,
        }
        with self._lock:
            self._history.append(point)
        self._tell("table", shown)
        self._tell("point", point, keep=False)
        self._tell("notice", "")

    def show_line(self, line: str) -> None:
        """Take a line of program output or log."""
        with self._lock:
            self._lines.append(line)
        self._tell("lines", [line], keep=False)

    def show_notice(self, text: str) -> None:
        """Take a sentence about the line itself."""
        self._tell("notice", text)

    def _tell(self, name: str, value: Any, *, keep: bool = True) -> None:
        with self._lock:
            if keep and self._state.get(name) == value:
                return
            if keep:
                self._state[name] = value
            for listener in tuple(self._listeners):
                listener((name, value))

    def _run(self) -> None:
        connect: Connect = lambda: self._transport  # noqa: E731  (another one later)
        while True:
            try:
                with suppress(_Leave):
                    self._follow(connect)
                return
            except DeviceTimeout as error:  # it boots, or is busy: who looks at a page waits
                self._tell("notice", f"{error.cause}; asking again")
                connect = self._reconnect
            except BulkheadError as error:
                self.failure = error
                self._tell("notice", error.cause)
                return
            if self._is_closing.wait(RETRY_S):
                return

    def _follow(self, connect: Connect) -> None:
        follow(
            connect,
            self,
            interval_ms=self._interval_ms,
            reconnect=self._reconnect,
            attend=self._attend,
            sleep=self._sleep,
        )

    def _attend(self, client: Client) -> None:
        if self._is_closing.is_set():
            raise _Leave
        with suppress(queue.Empty):
            while True:
                self._requests.get_nowait()(client)
        now_s = client.transport.clock_s()
        if self._previous is not None and now_s >= self._facts_s:
            self._facts_s = now_s + FACTS_S
            self._facts = read_facts(client, self._previous, self._facts)
            self._tell("facts", asdict(self._facts))

    def _sleep(self, _seconds: float) -> None:
        if self._is_closing.wait(RETRY_S):
            raise _Leave
