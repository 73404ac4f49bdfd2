"""Put a kernel together from a system table and a port, and start its supervisor.

What is here runs once: `boot/main.py` lets go of the module, and of `window`.
"""

import sys

from bulkhead import Frame
from kernel import capabilities, carried, control, ipc, mailbox, notifications
from kernel.abi import *
from kernel.budgets import overrun
from kernel.hard import Attendant
from kernel.layout import *
from kernel.levels import enter_interrupt_level
from kernel.limits import IDLE_PRIORITY, TASKS_MAX, TIME_HALF, TRACE_RECORDS
from kernel.memory import Memory
from kernel.outputs import make_safe
from kernel.state import Kernel, row_options, row_outputs
from kernel.tasks import closed, guard_supervisor, start
from kernel.window import locate, locate_items

KERNEL_TARGET = "kernel"  # target name of the right to control tasks


def build(table, port):
    """Return a kernel ready to run: every task dormant but the supervisor, which is ready.

    Without a supervisor in the table (tests) every task is started, in order. All that the
    kernel itself needs is allocated here.
    """
    if len(table) >= TASKS_MAX:
        raise ValueError("more services than TASKS_MAX")
    kernel = Kernel(table, port, _size(table))
    port.attach(kernel, enter_interrupt_level)
    for index, row in enumerate(table):
        kernel.outputs[index + 1] = port.outputs(row_outputs(row))
        make_safe(kernel, (index + 1) << RECORD_SHIFT)
    _lay_out(kernel)
    kernel.overrun = overrun
    kernel.closed = closed
    kernel.memory = Memory(kernel)
    kernel.make_reserve()
    kernel.guard_supervisor = guard_supervisor
    kernel.handlers = _handlers(control.Control(kernel), carried.leasing(port.copy, port.length))
    kernel.parts = (
        kernel.words, kernel.frames, kernel.handlers, kernel.generators, _resume(), kernel.clock,
    )  # fmt: skip
    if kernel.supervisor:
        start(kernel, kernel.supervisor)
    else:
        for task in range(RECORD, kernel.words[TASKS_END], RECORD):
            start(kernel, task)
    return kernel


def _handlers(bound, lease):
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
        (LEASE_READ, lease),
        (LEASE_WRITE, lease),
        (ACKNOWLEDGE, bound.acknowledge),
        (ATTEND, bound.attend),
        (STASH, bound.stash),
        (REPLY_FAULT, bound.reply_fault),
        (START, bound.start),
        (STOP, bound.stop),
        (INSPECT, bound.inspect),
        (NEXT_FAULT, bound.next_fault),
        (FAULT_TEXT, bound.fault_text),
        (READ_FAULT, bound.read_fault),
        (INJECT, bound.inject),
        (READ_TRACE, bound.read_trace),
        (REPLACE, bound.replace),
        (MAKE_SAFE, bound.make_safe),
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


def _size(table):
    words = (RECORD + PARTICULAR_WORDS) * (len(table) + 1) + TRACE_RECORD * TRACE_RECORDS
    words += POST_WORDS + (2 * (len(table) + 1) if _has_hard(table) else 0)
    for row in table:
        words += LINE * len(row[ROW_LINES]) + CAPABILITY * _slots(row)
        if row[ROW_MAILBOX]:
            words += MAIL_SLOTS + MAIL * row[ROW_MAILBOX][0]
    return words


def _lay_out(kernel):
    w = kernel.words
    table = kernel.table
    w[PRIORITY] = w[FLOOR] = IDLE_PRIORITY
    lines = w[TASKS_END] = RECORD * (len(table) + 1)
    free = lines
    for row in table:
        free += LINE * len(row[ROW_LINES])
    w[LINES_END] = free
    free += POST_WORDS
    w[w[LINES_END] + STACK] = kernel.port.stack
    if _has_hard(table):
        w[w[LINES_END] + POST_SET] = free
        free += 2 * (len(table) + 1)
    w[PARTICULARS] = free
    free += PARTICULAR_WORDS * (len(table) + 1)
    w[TRACE_AT] = free
    free += TRACE_RECORD * TRACE_RECORDS
    w[TRACE_END] = free  # which is CAPABILITIES_FROM too
    for index, row in enumerate(table):
        w[RECORD * (index + 1) + CAPABILITIES] = free
        free += CAPABILITY * _slots(row)
    w[CAPABILITIES_END] = free
    values = 0
    for index, row in enumerate(table):
        task = RECORD * (index + 1)
        w[task + PRIORITY] = w[task + BASE] = row[ROW_PRIORITY]
        w[task + BUDGET_US] = row[ROW_BUDGET_US]
        w[task + GENERATION] = 1
        if row[ROW_MAILBOX]:
            w[task + MAILBOX] = free
            w[free + MAIL_DEPTH], w[free + MAIL_POLICY] = row[ROW_MAILBOX]
            w[free + MAIL_VALUES] = values
            values += row[ROW_MAILBOX][0]
            free += MAIL_SLOTS + MAIL * row[ROW_MAILBOX][0]
        particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
        options = row_options(row)
        w[particulars + PERIOD_MS] = options[0] // 1000
        w[particulars + PERIOD_BUDGET_US] = options[1]
        w[particulars + QUOTA_BYTES] = options[2]
        w[task + CPU_LIMIT] = TIME_HALF - 1
        lines = _grant(kernel, index + 1, lines)
    kernel.frames[0] = [None] * values
    spots = w[PARTICULARS]
    w[spots + ARG_KEY], w[spots + ARG_PLACE] = locate(Frame(None, {}), "arg")
    w[spots + BUFFER_KEY], w[spots + BUFFER_PLACE] = locate(Frame(None, {}), "buffer")
    if w[spots + BUFFER_KEY]:
        w[spots + BYTEARRAY], w[spots + BYTES] = id(bytearray), id(bytes)
    w[spots + MAIL_ITEMS] = locate_items(kernel.frames[0])
    kernel.supervisor = kernel.number("supervisor") << RECORD_SHIFT


def _has_hard(table):
    return any(row_options(row)[4] & HARD for row in table)


def _slots(row):
    """Return how many capabilities a task's table holds: the manifest's, and free slots."""
    return len(row[ROW_USES]) + len(row[ROW_LINES]) + row_options(row)[3]


def _grant(kernel, number, line):
    """Fill a task's table from its manifest: services it uses, then its interrupt lines."""
    w = kernel.words
    row = kernel.table[number - 1]
    task = number << RECORD_SHIFT
    free = w[task + CAPABILITIES]
    w[task + CAPABILITY_COUNT] = _slots(row)
    for _, target, rights, badge in row[ROW_USES]:
        offset = 0 if target == KERNEL_TARGET else kernel.number(target) << RECORD_SHIFT
        if offset == 0 and target != KERNEL_TARGET:
            raise ValueError(row[ROW_NAME] + " uses " + target + ", which is not in the system")
        _add(w, free, offset, rights, badge)
        free += CAPABILITY
    for bit, (_, source, argument, trigger, rate) in enumerate(row[ROW_LINES]):
        w[line + LINE_OWNER] = task
        w[line + LINE_BITS] = 1 << bit
        w[line + LINE_RATE] = rate
        w[line + LINE_MASKED] = QUIET
        attendant = Attendant(kernel, line) if row_options(row)[4] & HARD else None
        on_trap = attendant and attendant.on_trap
        line_source = kernel.port.line(kernel, line, source, argument, trigger, on_trap)
        if attendant:
            attendant.source = line_source
            kernel.attendants.append(attendant)
        kernel.line_sources.append(line_source)
        _add(w, free, line, MAY_ACKNOWLEDGE, 0)
        line += LINE
        free += CAPABILITY
    for _ in range(row_options(row)[3]):
        w[free] = 1 << SLOT_SHIFT
        free += CAPABILITY
    return line


def _add(w, free, offset, rights, badge):
    """Write a capability into a free slot of the task's table."""
    w[free] = rights << RIGHTS_SHIFT | offset
    w[free + NAMED] = badge << BADGE_SHIFT | 1
