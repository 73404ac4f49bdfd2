"""The kernel's one state object, laid out at boot from the system's table.

`words` holds everything a hot path changes (see `layout`); the lists hold what cannot be a word:
frames, the bound `send` of each generator, mailbox values. Index 0 of a list that goes by task
number is the kernel's own. Nothing here grows after boot.
"""

from array import array
from io import BytesIO

from kernel.abi import HANDLE_SHIFT, MAY_ACKNOWLEDGE
from kernel.layout import (
    BADGE_SHIFT, BASE, BUDGET_US, CAPABILITIES, CAPABILITY, CAPABILITY_COUNT, GENERATION, LINE,
    LINE_BITS, LINE_OWNER, LINE_RATE, LINES_END, MAIL, MAIL_DEPTH, MAIL_POLICY, MAIL_SLOTS,
    MAIL_VALUES, MAILBOX, NAMED, PRIORITY, RECORD, RECORD_SHIFT, RIGHTS_SHIFT, TASKS_END,
)  # fmt: skip
from kernel.limits import FAULT_TEXT_BYTES, FAULT_TEXTS, IDLE_PRIORITY, TASKS_MAX
from kernel.ready import FIRST_BIT
from micropython import const

# Fields of a row of the system's table, one row a service, task numbers from 1 in start order.
NAME = const(0)
ENTRY = const(1)  # module path, or in tests the generator function itself
ROW_PRIORITY = const(2)
ROW_BUDGET_US = const(3)
ROW_MAILBOX = const(4)  # (depth, policy), or None
ROW_USES = const(5)  # ((handle name, target name, rights, badge), ...)
ROW_LINES = const(6)  # ((line name, source, argument, trigger, most a second), ...)
ROW_POLICY = const(7)  # the supervisor's, opaque to the kernel
KERNEL_TARGET = "kernel"  # target name of the right to control tasks


class Kernel:
    """All of the kernel's state."""

    def __init__(self, table, port, enter):
        if len(table) >= TASKS_MAX:
            raise ValueError("more services than TASKS_MAX")
        self.table = table
        self.port = port
        self.clock = port.clock
        self.first_bit = FIRST_BIT
        self.words = array("i", bytes(4 * _size(table)))
        self.frames = [None] * (len(table) + 1)
        self.generators = [None] * (len(table) + 1)
        self.resume = [None] * (len(table) + 1)
        self.handlers = ()
        self.line_sources = []
        self.handles = [None] * (len(table) + 1)
        self.texts = [BytesIO(bytes(FAULT_TEXT_BYTES)) for _ in range(FAULT_TEXTS)]
        self.text_owner = [0] * FAULT_TEXTS
        self.text_length = [0] * FAULT_TEXTS
        self.text_next = 0
        self.supervisor = 0
        self.supervisor_faults = 0  # in the window that began at supervisor_since (us)
        self.supervisor_since = 0
        # Kernel functions that modules below the one that defines them call, set by `boot`.
        self.swallowed = None
        self.guard_supervisor = None
        port.attach(self, enter)
        _lay_out(self)

    def number(self, name):
        """Return the task number of a service, 0 if the table has none of that name."""
        for index, row in enumerate(self.table):
            if row[NAME] == name:
                return index + 1
        return 0


def _size(table):
    words = RECORD * (len(table) + 1)
    for row in table:
        words += LINE * len(row[ROW_LINES]) + CAPABILITY * (
            len(row[ROW_USES]) + len(row[ROW_LINES])
        )
        if row[ROW_MAILBOX]:
            words += MAIL_SLOTS + MAIL * row[ROW_MAILBOX][0]
    return words


def _lay_out(kernel):
    w = kernel.words
    table = kernel.table
    w[PRIORITY] = IDLE_PRIORITY
    lines = w[TASKS_END] = RECORD * (len(table) + 1)
    free = lines
    for row in table:
        free += LINE * len(row[ROW_LINES])
    w[LINES_END] = free
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
        w[task + CAPABILITIES] = free
        lines, free = _grant(kernel, index + 1, lines, free)
    kernel.frames[0] = [None] * values
    kernel.supervisor = kernel.number("supervisor") << RECORD_SHIFT


def _grant(kernel, number, line, free):
    """Fill a task's table from its manifest: services it uses, then its interrupt lines."""
    w = kernel.words
    row = kernel.table[number - 1]
    task = number << RECORD_SHIFT
    handles = {}
    for handle, target, rights, badge in row[ROW_USES]:
        offset = 0 if target == KERNEL_TARGET else kernel.number(target) << RECORD_SHIFT
        if offset == 0 and target != KERNEL_TARGET:
            raise ValueError(row[NAME] + " uses " + target + ", which is not in the system")
        handles[handle] = _add(w, task, free, offset, rights, badge)
        free += CAPABILITY
    for bit, (name, source, argument, trigger, rate) in enumerate(row[ROW_LINES]):
        w[line + LINE_OWNER] = task
        w[line + LINE_BITS] = 1 << bit
        w[line + LINE_RATE] = rate
        kernel.line_sources.append(kernel.port.line(kernel, line, source, argument, trigger))
        handles[name] = _add(w, task, free, line, MAY_ACKNOWLEDGE, 0)
        line += LINE
        free += CAPABILITY
    kernel.handles[number] = handles
    return line, free


def _add(w, task, free, offset, rights, badge):
    """Append a capability to the task's table and return its handle."""
    w[free] = rights << RIGHTS_SHIFT | offset
    w[free + NAMED] = badge << BADGE_SHIFT | 1
    slot = w[task + CAPABILITY_COUNT]
    w[task + CAPABILITY_COUNT] = slot + 1
    return slot << HANDLE_SHIFT
