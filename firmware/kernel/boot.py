"""Put a kernel together from a system table and a port, and start its supervisor.

What is here runs once: `boot/main.py` lets go of the module, and of `port.places`.
"""

import micropython
import sys
from array import array

from bulkhead import Frame
from kernel import capabilities, control, hard, inject, notifications
from kernel.abi import *
from kernel.budgets import overrun
from kernel.irq import deliver
from kernel.layout import *
from kernel.levels import enter_interrupt_level, run
from kernel.limits import NAMES_BYTES_MAX
from kernel.memory import Memory
from kernel.outputs import make_safe
from kernel.state import Kernel
from kernel.tasks import closed, guard_supervisor, start
from port.places import note_places


def build(table, port, words=None):
    """Return a kernel ready to run: every task dormant but the supervisor, which is ready.

    `words` are what the build has laid out of the table, as bytes; for a table of a test or a
    benchmark it is done here. Without a supervisor in the table every task is started, in order.
    All that the kernel itself needs is allocated here.
    """
    if words is None:
        from plan.words import lay_out

        words = lay_out(table)
    kernel = Kernel(table, port, words)
    port.attach(kernel, enter_interrupt_level)
    for index, row in enumerate(table):
        kernel.outputs[index + 1] = port.outputs(row[ROW_OUTPUTS])
        make_safe(kernel, (index + 1) << RECORD_SHIFT)
    _make_mailboxes(kernel)
    _open_lines(kernel)
    kernel.words[kernel.words[LINES_END] + STACK] = port.stack
    _limit_names(kernel)
    note_places(kernel.words, Frame(None, {}), kernel.frames[0])
    kernel.overrun = overrun
    kernel.closed = closed
    kernel.memory = Memory(kernel)
    kernel.make_reserve()
    kernel.guard_supervisor = guard_supervisor
    kernel.handlers = _handlers()
    kernel.parts = (
        kernel.words, kernel.frames, kernel.handlers, kernel.generators, _resume(), kernel.clock,
    )  # fmt: skip
    kernel.entry = (kernel.words, kernel.clock, deliver, run)
    if kernel.supervisor:
        start(kernel, kernel.supervisor)
    else:
        for task in range(RECORD, kernel.words[TASKS_END], RECORD):
            start(kernel, task)
    return kernel


def _handlers():
    """Return the handler of each trap, by its number; messages have none: see `dispatch`."""
    table = [control.unknown] * 32
    for trap, handler in (
        (YIELD, control.give_way),
        (NOTIFY, notifications.notify),
        (SLEEP, control.sleep),
        (REOPEN, capabilities.reopen),
        (MINT, capabilities.mint),
        (DELETE, capabilities.delete),
        (REVOKE, capabilities.revoke),
        (ACKNOWLEDGE, control.acknowledge),
        (ATTEND, hard.attend),
        (STASH, control.stash),
        (REPLY_FAULT, control.reply_fault),
        (START, control.start),
        (STOP, control.stop),
        (INSPECT, control.inspect),
        (NEXT_FAULT, control.next_fault),
        (FAULT_TEXT, control.fault_text),
        (READ_WORDS, control.read_words),
        (READ_FAULT, control.read_fault),
        (INJECT, inject.inject_by_trap),
        (REPLACE, control.replace),
        (MAKE_SAFE, control.hold_outputs),
    ):
        table[trap >> TRAP_SHIFT] = handler
    return table


def _resume():
    """Return what takes a generator and a value and resumes it: unbound, 1 us less a step."""
    if sys.implementation.name == "micropython":
        return type(_generator()).send
    return lambda generator, value: generator.send(value)  # coroutines too


def _generator():
    yield


def _limit_names(kernel):
    """Have each task charged for the names that it makes, by an image that does."""
    if hasattr(micropython, "limit_names"):
        charged = array("H", bytes(2 * len(kernel.frames)))
        places = (kernel.words, RUNNING_TASK, RECORD_SHIFT, charged, NAMES_BYTES_MAX)
        micropython.limit_names(places)


def _make_mailboxes(kernel):
    """Make the places of all mailboxes' values."""
    depths = [row[ROW_MAILBOX][0] for row in kernel.table if row[ROW_MAILBOX]]
    kernel.frames[0] = [None] * sum(depths)


def _open_lines(kernel):
    """Have the port make what each line fires by."""
    line = kernel.words[TASKS_END]
    for row in kernel.table:
        is_hard = row[ROW_OPTIONS][4] & HARD
        for _, source, argument, trigger, _ in row[ROW_LINES]:
            attendant = hard.Attendant(kernel, line) if is_hard else None
            on_trap = attendant and attendant.on_trap
            made = kernel.port.line(kernel, line, source, argument, trigger, on_trap)
            if attendant:
                attendant.source = made
                kernel.attendants.append(attendant)
            kernel.line_sources.append(made)
            line += LINE
