"""The stage of a benchmark: a kernel over a table of the benchmark's own, run until it is done."""

import gc

from bulkhead_port import Port
from guard.audit import Audit
from kernel.abi import MAY_CALL, MAY_CONTROL, MAY_SEND
from kernel.boot import build
from kernel.layout import ARMED, STOPPED
from kernel.levels import main_level
from kernel.limits import FREE_SLOTS
from micropython import const

# For services that are not there to be killed: longer than any benchmark.
LONG_BUDGET_US = const(60_000_000)

# As a manifest has it that says nothing of restarts.
_POLICY = ("permanent", 0, 50, 5_000, 0, 60_000, False, (), ())

CALL_SERVER = ("server", "server", MAY_CALL, 1)
SEND_SERVER = ("server", "server", MAY_SEND, 1)
CONTROL = ("kernel", "kernel", MAY_CONTROL, 0)


def row(
    name,
    main,
    priority,
    uses=(),
    mailbox=None,
    lines=(),
    budget_us=LONG_BUDGET_US,
    flags=0,
    outputs=(),
):
    """Return a row of a system table: `main` is a generator function or a module's name.

    `outputs` are the stores that make the task's pins safe: see `bench.stores`.
    """
    options = (0, 0, 0, FREE_SLOTS, flags)
    return (name, main, priority, budget_us, mailbox, uses, lines, _POLICY, options, outputs)


def beneath(stage, is_busy):
    """Return the `main` of what others run on top of: busy till the stage is finished, or idle."""

    def base(task):
        while is_busy and not stage.is_finished:
            pass
        yield task.recv()

    return base


class Stage:
    """One run of a system: `perform` it; a service calls `finish`, and then ends or waits."""

    def __init__(self):
        self.kernel = None
        self.is_finished = False

    def perform(self, table):
        """Build a kernel over `table` and run it at the main level until `finish` was called.

        Services that never wait must end by themselves after that. The board is left without
        tick and interrupts of this kernel.
        """
        gc.collect()
        self.is_finished = False
        self.kernel = build(table, Port())
        self.kernel.look = Audit(self.kernel).look
        main_level(self.kernel)
        self.kernel.words[ARMED] = 0
        self.kernel.port.stop_tick()
        for line in self.kernel.line_sources:
            self.kernel.port.mask(line)

    def finish(self):
        """Make `perform` return once nothing is ready any more. Called by a service."""
        self.is_finished = True
        self.kernel.words[STOPPED] = 1
