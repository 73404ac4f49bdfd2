"""The words that a kernel begins with, worked out of its system's table.

The build does this, and the board gets them as data (`WORDS` of `bulkhead_system`). Tests and
benchmarks, whose tables are made as they run, do it where they run. What only a board knows,
addresses and masks, the kernel adds (`kernel/boot.py`).
"""

from array import array

from kernel.abi import HARD, MAY_ACKNOWLEDGE
from kernel.layout import *
from kernel.limits import IDLE_PRIORITY, TASKS_MAX, TIME_HALF, TRACE_RECORDS

KERNEL_TARGET = "kernel"  # target name of the right to control tasks


def lay_out(table):
    """Return the words, an array of 32 bits each; raise ValueError for a table that cannot be."""
    if len(table) >= TASKS_MAX:
        raise ValueError("more services than TASKS_MAX")
    w = array("i", bytes(4 * _size(table)))
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
    w[STEPPED] = free
    free += len(table) + 1
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
        _describe(w, task, row)
        if row[ROW_MAILBOX]:
            w[task + MAILBOX] = free
            w[free + MAIL_DEPTH], w[free + MAIL_POLICY] = row[ROW_MAILBOX]
            w[free + MAIL_VALUES] = values
            values += row[ROW_MAILBOX][0]
            free += MAIL_SLOTS + MAIL * row[ROW_MAILBOX][0]
        lines = _grant(w, table, task, lines)
    return w


def _describe(w, task, row):
    """Write what a row says of its task alone."""
    w[task + PRIORITY] = w[task + BASE] = row[ROW_PRIORITY]
    w[task + BUDGET_US] = row[ROW_BUDGET_US]
    w[task + GENERATION] = 1
    w[task + CPU_LIMIT] = TIME_HALF - 1
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    options = row[ROW_OPTIONS]
    w[particulars + PERIOD_MS] = options[0] // 1000
    w[particulars + PERIOD_BUDGET_US] = options[1]
    w[particulars + QUOTA_BYTES] = options[2]


def _size(table):
    words = (RECORD + PARTICULAR_WORDS + 1) * (len(table) + 1) + TRACE_RECORD * TRACE_RECORDS
    words += POST_WORDS + (2 * (len(table) + 1) if _has_hard(table) else 0)
    for row in table:
        words += LINE * len(row[ROW_LINES]) + CAPABILITY * _slots(row)
        if row[ROW_MAILBOX]:
            words += MAIL_SLOTS + MAIL * row[ROW_MAILBOX][0]
    return words


def _has_hard(table):
    return any([row[ROW_OPTIONS][4] & HARD for row in table])


def _slots(row):
    """Return how many capabilities a task's table holds: the manifest's, and free slots."""
    return len(row[ROW_USES]) + len(row[ROW_LINES]) + row[ROW_OPTIONS][3]


def _grant(w, table, task, line):
    """Fill a task's table from its manifest: services it uses, then its interrupt lines.

    `line` is the offset of its first one; return where those of the next task begin.
    """
    row = table[(task >> RECORD_SHIFT) - 1]
    free = w[task + CAPABILITIES]
    w[task + CAPABILITY_COUNT] = _slots(row)
    for _, target, rights, badge in row[ROW_USES]:
        _add(w, free, _place(table, row, target), rights, badge)
        free += CAPABILITY
    for bit, (_, _, _, _, rate) in enumerate(row[ROW_LINES]):
        w[line + LINE_OWNER] = task
        w[line + LINE_BITS] = 1 << bit
        w[line + LINE_RATE] = rate
        w[line + LINE_MASKED] = QUIET
        _add(w, free, line, MAY_ACKNOWLEDGE, 0)
        line += LINE
        free += CAPABILITY
    for _ in range(row[ROW_OPTIONS][3]):
        w[free] = 1 << SLOT_SHIFT
        free += CAPABILITY
    return line


def _place(table, row, target):
    """Return the offset of the record that `row` names as `target`."""
    if target == KERNEL_TARGET:
        return 0
    for index, other in enumerate(table):
        if other[ROW_NAME] == target:
            return RECORD * (index + 1)
    raise ValueError(row[ROW_NAME] + " uses " + target + ", which is not in the system")


def _add(w, free, offset, rights, badge):
    """Write a capability into a free slot of the task's table."""
    w[free] = rights << RIGHTS_SHIFT | offset
    w[free + NAMED] = badge << BADGE_SHIFT | 1
