"""The simulated port without a trace of bytecodes: programs say themselves where branches are.

A hundred times as fast, and as true where what matters is not which branch it is. With a chip, a
hardware watchdog, it calls `fired` when nobody has fed that in time.
"""

import traceback
from collections.abc import Callable

from bulkhead_host.explore.tree import Turns
from cases.ports import CasePort
from kernel.layout import ARMED, RUNNING_TASK, SCHEDULED
from kernel.limits import TICK_US
from port.sim import Clock, Interrupt

BRANCH_US = 100
LOOK_US = 5  # from one look at the clock to the next: what a step takes, or less


class Chip:
    """A hardware watchdog, as `machine.WDT`: none before it is made."""

    def __init__(self, port: "BranchPort") -> None:
        self.port = port
        self.wait_us = 0
        self.fires_us: int | None = None

    def __call__(self, *, timeout: int) -> "Chip":
        """Start, or start anew, with a timeout in milliseconds."""
        self.wait_us = timeout * 1000
        self.feed()
        return self

    def feed(self) -> None:
        """Be fed."""
        self.fires_us = self.port.clock.us + self.wait_us


class StepClock(Clock):  # type: ignore[misc]
    """The kernel's clock, which goes on a little whenever it is looked at.

    The turns of the kernel's loops are counted from one look to the next.
    """

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.turns = turns
        self.us: int

    def __getitem__(self, _index: int) -> int:
        self.turns.begin()
        self.us += LOOK_US
        return self.us


class BranchPort(CasePort):  # type: ignore[misc]
    """Simulated time that goes by where `branch` is called, and while the kernel idles."""

    fired: Callable[[], None] | None = None  # does not return
    pending: bool
    in_interrupt: bool
    next_tick: int

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.clock = StepClock(turns)
        self.chip = Chip(self)

    def start_tick(self) -> None:
        """Begin to look at deadlines and budgets at branches."""

    def stop_tick(self) -> None:
        """Nothing to end."""

    def branch(self) -> None:
        """Be a branch of a service's bytecode, some time after the last."""
        w = self.kernel.words
        self.clock.us += BRANCH_US
        self.look_at_chip()
        if not w[ARMED]:
            return
        if self.pending:
            self.pending = False
            raise Interrupt
        self._play_events()
        if self.clock.us >= self.next_tick:
            self.next_tick = self.clock.us + TICK_US
            self._tick()
        if w[SCHEDULED] and not self.in_interrupt and not self.pending and w[RUNNING_TASK]:
            self.in_interrupt = True
            try:
                self.enter(self.kernel)
            finally:
                self.in_interrupt = False

    def idle(self, limit_us: int) -> None:
        """Jump to the next deadline or event, or to where the chip fires."""
        fires_us = self.chip.fires_us
        if fires_us is not None and (limit_us < 0 or self.clock.us + limit_us > fires_us):
            limit_us = max(fires_us - self.clock.us, 0)
        super().idle(limit_us)
        self.look_at_chip()

    def print_exception(self, error: BaseException, stream: object) -> None:
        """Write what an exception says, without the lines that take CPython longest."""
        text = "".join(traceback.format_exception_only(error))
        stream.write(text.encode())  # type: ignore[attr-defined]

    def look_at_chip(self) -> None:
        """Have the chip fire if it was not fed in time: it needs nobody's help for that."""
        fires_us = self.chip.fires_us
        if fires_us is not None and self.clock.us >= fires_us and self.fired is not None:
            self.fired()
