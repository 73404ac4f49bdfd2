"""The kernel's one state object, laid out at boot from the system's table.

`words` holds everything a hot path changes (see `layout`); the lists hold what cannot be a word:
frames, generators, mailbox values. Index 0 of a list that goes by task
number is the kernel's own. Nothing here grows after boot.
"""

import sys
from array import array

from kernel.abi import HARD, HANDLE_SHIFT, MAY_ACKNOWLEDGE
from kernel.hard import Attendant
from kernel.layout import (
    ARG_KEY, ARG_PLACE, BADGE_SHIFT, BASE, BUDGET_US, CAPABILITIES, CAPABILITIES_END, CAPABILITY,
    CAPABILITY_COUNT, CPU_LIMIT, FAULT_WORDS, FLOOR, GENERATION, LINE, LINES_END, LINE_BITS,
    LINE_MASKED, LINE_OWNER, LINE_RATE, MAIL, MAILBOX, MAIL_DEPTH, MAIL_ITEMS, MAIL_POLICY,
    MAIL_SLOTS, MAIL_VALUES, NAMED, PARTICULARS, PARTICULAR_SHIFT, PARTICULAR_WORDS,
    PERIOD_BUDGET_US, PERIOD_MS, POST_SET, POST_WORDS, PRIORITY, QUIET, QUOTA_BYTES, RECORD,
    RECORD_SHIFT, RIGHTS_SHIFT, SLOT_SHIFT, TASKS_END, TRACE_AT, TRACE_END, TRACE_RECORD,
)  # fmt: skip
from kernel.limits import (
    RESERVE_BYTES, FAULTS_KEPT, FREE_SLOTS, IDLE_PRIORITY, TASKS_MAX, TIME_HALF, TRACE_RECORDS,
)  # fmt: skip
from micropython import const
from bulkhead import Frame
from kernel.window import locate, locate_items

# Fields of a row of the system's table, one row a service, task numbers from 1 in start order.
NAME = const(0)
ENTRY = const(1)  # module path, or in tests the generator function itself
ROW_PRIORITY = const(2)
ROW_BUDGET_US = const(3)
ROW_MAILBOX = const(4)  # (depth, policy), or None
ROW_USES = const(5)  # ((handle name, target name, rights, badge), ...)
ROW_LINES = const(6)  # ((line name, source, argument, trigger, most a second), ...)
ROW_POLICY = const(7)  # the supervisor's, opaque to the kernel
ROW_OPTIONS = const(8)  # may be left out: (period_us, budget a period us, quota bytes, free slots,
# HARD | ASYNC)
_NO_OPTIONS = (0, 0, 0, FREE_SLOTS, 0)
KERNEL_TARGET = "kernel"  # target name of the right to control tasks


class Kernel:
    """All of the kernel's state."""

    def __init__(self, table, port, enter):
        if len(table) >= TASKS_MAX:
            raise ValueError("more services than TASKS_MAX")
        self.table = table
        self.port = port
        self.clock = port.clock
        self.words = array("i", bytes(4 * _size(table)))
        self.window = memoryview(self.words)  # registers are slices of it
        self.frames = [None] * (len(table) + 1)
        self.generators = [None] * (len(table) + 1)
        self.resume = _resume()
        self.handlers = ()
        self.line_sources = []
        self.attendants = []  # one for each line of a hard driver
        self.handles = [None] * (len(table) + 1)
        self.stashes = [None] * (len(table) + 1)  # what each keeps for its next incarnation
        self.faults = array("i", bytes(4 * FAULT_WORDS * FAULTS_KEPT))  # see `records`
        self.fault_words = [None] * FAULTS_KEPT
        self.fault_next = 0
        self.is_unwritten = False
        self.acting = [0, 0]  # the task that loads modules, and the one whose they are: numbers
        self.trials = {}  # new code on trial, by task: see `replace`
        self.reserve = None
        self.memory = None  # set by `boot`
        self.crash = port.crash()  # what ended the last run of the board, None if nothing did
        self.supervisor = 0
        self.supervisor_faults = 0  # in the window that began at supervisor_since (us)
        self.supervisor_since = 0
        # Kernel functions that modules below the one that defines them call, set by `boot`.
        self.overrun = None
        self.guard_supervisor = None
        self.revert = None
        port.attach(self, enter)
        _lay_out(self)

    def make_reserve(self):
        """Have the heap's reserve again, if there is room for it."""
        try:
            self.reserve = bytes(RESERVE_BYTES)
        except MemoryError:
            pass

    def number(self, name):
        """Return the task number of a service, 0 if the table has none of that name."""
        for index, row in enumerate(self.table):
            if row[NAME] == name:
                return index + 1
        return 0


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
    w[spots + MAIL_ITEMS] = locate_items(kernel.frames[0])
    kernel.supervisor = kernel.number("supervisor") << RECORD_SHIFT


def _has_hard(table):
    return any(row_options(row)[4] & HARD for row in table)


def row_options(row):
    """Return the options of a row of the system's table."""
    return row[ROW_OPTIONS] if len(row) > ROW_OPTIONS else _NO_OPTIONS


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
    handles = {"": row[NAME]}
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
        w[line + LINE_MASKED] = QUIET
        attendant = Attendant(kernel, line) if row_options(row)[4] & HARD else None
        on_trap = attendant and attendant.on_trap
        line_source = kernel.port.line(kernel, line, source, argument, trigger, on_trap)
        if attendant:
            attendant.source = line_source
            kernel.attendants.append(attendant)
        kernel.line_sources.append(line_source)
        handles[name] = _add(w, task, free, line, MAY_ACKNOWLEDGE, 0)
        line += LINE
        free += CAPABILITY
    kernel.handles[number] = handles
    for _ in range(row_options(row)[3]):
        w[free] = 1 << SLOT_SHIFT
        free += CAPABILITY
    return line


def _add(w, task, free, offset, rights, badge):
    """Write a capability into a free slot of the task's table and return its handle."""
    w[free] = rights << RIGHTS_SHIFT | offset
    w[free + NAMED] = badge << BADGE_SHIFT | 1
    return (free - w[task + CAPABILITIES]) // CAPABILITY << HANDLE_SHIFT
