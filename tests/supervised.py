"""A system with the supervisor that ships, under the kernel in the simulator."""

import importlib
import struct
import sys
import time
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import pytest

from bulkhead.terms import INSPECT_FORMAT
from bulkhead_host.paths import source_root
from cases.ports import CasePort
from cases.rig import Rig
from kernel.abi import EXCEPTION, NOTIFIED, OK
from kernel.faults import fault
from kernel.notifications import post

Main = Callable[[Any], Generator[int, int, None]]

# services/supervisor/api.py
ROWS, EVENT, INJECT, CONTROL, EXCUSE = 1, 2, 3, 5, 9
NO_RIGHT = 3
STARVED = 0x80
LOST = 0x81
_PERIOD_MS = 1 << 30  # of MicroPython's ticks on a 32-bit board
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
_WAKE_BIT = 4  # beside the supervisor's EVENTS_BIT


def _ticks_add(ticks: int, ms: int) -> int:
    return (ticks + ms) % _PERIOD_MS


def _ticks_diff(end: int, start: int) -> int:
    """Do as MicroPython does: what is half a period away, or more, is on the other side."""
    return (end - start + _PERIOD_MS // 2) % _PERIOD_MS - _PERIOD_MS // 2


class House:
    """A system with the real supervisor, and a console that takes its events and gives orders."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.port = CasePort()
        self.rig = Rig(self.port)
        self.starts: list[tuple[str, int]] = []
        self.events: list[tuple[Any, ...]] = []
        self.answers: list[Any] = []
        self.orders: list[tuple[int, int, Any]] = []  # when in ms, operation, value
        self.policies: dict[str, tuple[Any, ...]] = {}
        self.module = self.load(monkeypatch)
        self.rig.add(
            "supervisor", self.module.main, priority=0, uses="kernel:control console:notify"
        )
        self.policy("supervisor")
        self.add("console", self.console, priority=1, uses="supervisor:call,control")

    def load(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Return the supervisor's module, with MicroPython's clock on simulated time."""
        monkeypatch.syspath_prepend(source_root())
        monkeypatch.setattr(time, "ticks_ms", self.port.uptime_ms, raising=False)
        monkeypatch.setattr(time, "ticks_add", _ticks_add, raising=False)
        monkeypatch.setattr(time, "ticks_diff", _ticks_diff, raising=False)
        monkeypatch.delitem(sys.modules, "bulkhead.uptime", raising=False)
        system = ModuleType("bulkhead_system")
        system.__dict__["SERVICES"] = ()
        monkeypatch.setitem(sys.modules, "bulkhead_system", system)
        for name in ("service", "shares", "wards", "api"):
            monkeypatch.delitem(sys.modules, f"services.supervisor.{name}", raising=False)
        return importlib.import_module("services.supervisor.service")

    def policy(  # noqa: PLR0913  (all by keyword)
        self,
        name: str,
        *,
        restart: str = "permanent",
        heartbeat_ms: int = 0,
        pauses: tuple[int, int] = (50, 5000),
        most: tuple[int, int] = (0, 60_000),
        resets: bool = False,
        after: tuple[int, ...] = (),
        fate: tuple[int, ...] = (),
    ) -> None:
        self.policies[name] = (restart, heartbeat_ms, *pauses, *most, resets, after, fate)

    def add(
        self,
        name: str,
        main: Main,
        *,
        priority: int = 3,
        uses: str = "",
        budget_ms: int = 20,
        **options: Any,
    ) -> int:
        """Add a service that notes its starts; return its number.

        Options are those of the rig, and of its policy.
        """
        own = {key: options.pop(key) for key in ("mailbox", "slots", "lines") if key in options}

        def noting(task: Any) -> Generator[int, int, None]:
            self.starts.append((name, self.port.uptime_ms()))
            yield from main(task)

        self.rig.add(name, noting, priority=priority, uses=uses, budget_ms=budget_ms, **own)
        self.policy(name, **options)
        return len(self.rig.rows)

    def order(self, at_ms: int, name: str, verb: int) -> None:
        """Have the console give an order at that time."""
        self.orders.append((at_ms, CONTROL, (name, verb)))

    def console(self, task: Any) -> Generator[int, int, None]:
        supervisor = task.cap("supervisor")
        while True:
            left = self.orders[0][0] - self.port.uptime_ms() if self.orders else HOUR_MS
            if left <= 0:
                _, operation, value = self.orders.pop(0)
                status = yield task.call(supervisor, operation, value)
                self.answers.append((status, task.arg))
                continue
            if (yield task.recv(timeout_ms=left)) == NOTIFIED:
                yield task.reopen(supervisor)
                while (yield task.call(supervisor, EVENT)) == OK:
                    self.events.append(task.arg)

    def run(self, ms: int) -> None:
        """Run for simulated milliseconds."""
        if self.rig.kernel is None:
            self.module.SERVICES = tuple(
                (*row[:7], self.policies[row[0]], *row[8:]) for row in self.rig.rows
            )
        self.rig.run(ms)

    def times(self, name: str) -> list[int]:
        """Return when a service was started."""
        return [at for started, at in self.starts if started == name]

    def fail(self, name: str) -> None:
        """Fault a service that waits, now."""
        fault(self.rig.kernel, self.rig.task(name), EXCEPTION, None)

    def wake(self) -> None:
        """Have the console look at its orders."""
        post(self.rig.kernel.words, self.rig.task("console"), _WAKE_BIT)

    def told_state(self, number: int) -> int:
        """Return the state that the supervisor tells of a service."""
        self.orders.append((0, ROWS, number))
        self.wake()
        self.run(20)
        row = self.answers.pop()[1]
        return int(struct.unpack_from(INSPECT_FORMAT, row, 1)[1])


def failing(task: Any) -> Generator[int, int, None]:
    yield task.sleep(1)
    raise ValueError
