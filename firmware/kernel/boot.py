"""Put a kernel together from a system table and a port, and start its supervisor."""

from kernel import capabilities, carried, control, ipc, mailbox, notifications
from kernel.abi import (
    ACKNOWLEDGE, ATTEND, CALL, DELETE, FAULT_TEXT, INJECT, INSPECT, INSPECT_LINE, LEASE_READ,
    LEASE_WRITE, MINT, NEXT_FAULT, NOTIFY, READ_FAULT, READ_TRACE, RECV, RECV_FROM, REOPEN,
    REPLACE, REPLY, REPLY_FAULT, REPLY_RECV, REVOKE, SEND, SLEEP, START, STASH, STOP,
    SUPERVISOR_DIED, TRAP_SHIFT, YIELD,
)  # fmt: skip
from kernel.budgets import overrun
from kernel.layout import RECORD, TASKS_END
from kernel.levels import enter_interrupt_level
from kernel.limits import SUPERVISOR_FAULTS_MAX, SUPERVISOR_WINDOW_US, TIME_MASK
from kernel.memory import Memory
from kernel.replace import Replacements
from kernel.state import Kernel
from kernel.tasks import start


def build(table, port):
    """Return a kernel ready to run: every task dormant but the supervisor, which is ready.

    Without a supervisor in the table (tests) every task is started, in order. All that the
    kernel itself needs is allocated here.
    """
    kernel = Kernel(table, port, enter_interrupt_level)
    kernel.overrun = overrun
    kernel.memory = Memory(kernel)
    kernel.make_reserve()
    kernel.guard_supervisor = guard_supervisor
    replacements = Replacements(kernel)
    kernel.revert = replacements.revert
    leases = carried.Leases(kernel)
    kernel.handlers = _handlers(control.Control(kernel), leases.use, replacements.handle)
    if kernel.supervisor:
        start(kernel, kernel.supervisor)
    else:
        for task in range(RECORD, kernel.words[TASKS_END], RECORD):
            start(kernel, task)
    return kernel


def guard_supervisor(kernel):
    """Restart the supervisor; reset the board when it dies too often: nothing else would."""
    now = kernel.port.now()
    if (now - kernel.supervisor_since) & TIME_MASK > SUPERVISOR_WINDOW_US:
        kernel.supervisor_since = now
        kernel.supervisor_faults = 0
    kernel.supervisor_faults += 1
    if kernel.supervisor_faults > SUPERVISOR_FAULTS_MAX:
        kernel.port.panic(SUPERVISOR_DIED)
    try:
        start(kernel, kernel.supervisor)
    except MemoryError:
        kernel.port.panic(SUPERVISOR_DIED)


def _handlers(bound, lease, replace):
    """Return the handler of each trap, by its number."""
    table = [bound.unknown] * 32
    for trap, handler in (
        (YIELD, control.give_way),
        (CALL, ipc.call),
        (REPLY_RECV, ipc.reply_recv),
        (RECV, ipc.recv),
        (REPLY, ipc.reply),
        (SEND, mailbox.send),
        (NOTIFY, notifications.notify),
        (SLEEP, control.sleep),
        (REOPEN, capabilities.reopen),
        (MINT, capabilities.mint),
        (DELETE, capabilities.delete),
        (REVOKE, capabilities.revoke),
        (RECV_FROM, ipc.recv_from),
        (LEASE_READ, lease),
        (LEASE_WRITE, lease),
        (ACKNOWLEDGE, bound.acknowledge),
        (ATTEND, bound.attend),
        (STASH, bound.stash),
        (REPLY_FAULT, bound.reply_fault),
        (START, bound.start),
        (STOP, bound.stop),
        (INSPECT, bound.inspect),
        (INSPECT_LINE, bound.inspect_line),
        (NEXT_FAULT, bound.next_fault),
        (FAULT_TEXT, bound.fault_text),
        (READ_FAULT, bound.read_fault),
        (INJECT, bound.inject),
        (READ_TRACE, bound.read_trace),
        (REPLACE, replace),
    ):
        table[trap >> TRAP_SHIFT] = handler
    return table
