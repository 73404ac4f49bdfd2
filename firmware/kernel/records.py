"""What is kept of the newest faults, and of what ended the board's last run.

A record is eight words of one array, written when the task ends; its traceback is written out
when somebody first asks, so a fault costs its clients and its restart as little as can be. What a
kill raises is an object that the next kill uses again: its traceback is written out when the
supervisor takes the fault, which is what it does next.

An exception's text may be code of the task (`__str__`): it runs as a step of that task, under
its budget.
"""

import io
import struct

from kernel.abi import CRASH_NAMES, FAULT_FORMAT
from kernel.layout import (
    ARMED, BUDGET_US, CPU_US, FAULT_WORDS, GENERATION, PEER, RECORD_SHIFT, RESULT, ROW_NAME,
    RUNNING_TASK, SERVING, STATE, STEP_DEADLINE, STRUCK, TOKEN_TASK,
)  # fmt: skip
from kernel.limits import FAULT_TEXT_BYTES, FAULTS_KEPT, TIME_MASK
import micropython
from micropython import const

# Places in a record that are not filled by `_describe`; the order is that of FAULT_FORMAT.
_KIND = const(1)
# What a kill raises, and a full heap: objects of the interpreter's own.
_USED_AGAIN = (KeyboardInterrupt, MemoryError)
_UPTIME = const(7)


def keep(kernel, task, kind):
    """Record the fault that ends `task`, before it ends; the oldest record gives way."""
    index = kernel.fault_next
    kernel.fault_next = (index + 1) % FAULTS_KEPT
    kernel.fault_words[index] = None
    at = FAULT_WORDS * index
    kernel.faults[at] = task >> RECORD_SHIFT
    kernel.faults[at + _KIND] = kind
    kernel.faults[at + _UPTIME] = kernel.port.uptime_ms()
    _describe(kernel.words, kernel.faults, at, task)


def keep_words(kernel, error):
    """Keep what tells why, an exception or None, with the record made last."""
    if isinstance(error, _USED_AGAIN):
        kernel.is_unwritten = True
        for index in range(FAULTS_KEPT):
            if kernel.fault_words[index] is error:  # used again before it was written out
                kernel.fault_words[index] = None
    kernel.fault_words[kernel.fault_next - 1] = error
    if kernel.is_unwritten and not kernel.supervisor:
        write_out(kernel)


def write_out(kernel):
    """Write out what the interpreter will use again."""
    kernel.is_unwritten = False
    for index in range(FAULTS_KEPT):
        error = kernel.fault_words[index]
        if isinstance(error, _USED_AGAIN):
            task = kernel.faults[FAULT_WORDS * index] << RECORD_SHIFT
            kernel.fault_words[index] = _traceback(kernel, task, error)


@micropython.viper
def _describe(w: ptr32, faults: ptr32, at: int, task: int):
    client = (w[task + SERVING] & TOKEN_TASK) << RECORD_SHIFT
    faults[at + 2] = w[task + STATE]
    faults[at + 3] = w[task + RESULT] & 0xFF
    faults[at + 4] = client >> RECORD_SHIFT if w[client + PEER] == task else 0
    faults[at + 5] = w[task + PEER] >> RECORD_SHIFT
    faults[at + 6] = w[task + GENERATION]


def packed(kernel, number):
    """Return the newest record of a task in FAULT_FORMAT, of number 0 the crash; None without."""
    if number == 0:
        return kernel.crash and struct.pack(FAULT_FORMAT, *kernel.crash)
    index = _newest(kernel, number)
    if index is None:
        return None
    return struct.pack(
        FAULT_FORMAT, *kernel.faults[FAULT_WORDS * index : FAULT_WORDS * (index + 1)]
    )


def words(kernel, number):
    """Return the traceback of a task's newest fault as bytes, of number 0 what ended the run."""
    if number == 0:
        return crash_text(kernel).encode()
    index = _newest(kernel, number)
    if index is None:
        return b""
    kept = kernel.fault_words[index]
    if isinstance(kept, BaseException):
        kept = kernel.fault_words[index] = _traceback(kernel, number << RECORD_SHIFT, kept)
    return kept or b""


def crash_text(kernel):
    """Return in words what ended the board's last run, empty if nothing of note did."""
    if not kernel.crash:
        return ""
    number, kind = kernel.crash[:2]
    name = kernel.table[number - 1][ROW_NAME] if 0 < number <= len(kernel.table) else "the kernel"
    names = CRASH_NAMES
    return name + " " + names[kind if kind < len(names) else 0]


def as_step(kernel, task, function, *arguments):
    """Call code of `task`, which does not run, as a step of its own with its budget."""
    w = kernel.words
    running = w[RUNNING_TASK]
    w[RUNNING_TASK] = task
    start = kernel.now()
    w[STEP_DEADLINE] = (start + w[task + BUDGET_US]) & TIME_MASK
    _call(kernel, w, function, arguments)
    w[task + CPU_US] = (w[task + CPU_US] + kernel.now() - start) & TIME_MASK
    w[RUNNING_TASK] = running


@micropython.native
def _call(kernel, w, function, arguments):
    """Be that step. Compiled: there is no branch where a kill that comes as it ends would land."""
    w[ARMED] = 1
    try:
        function(*arguments)
    except BaseException:
        pass
    w[ARMED] = 0
    if w[STRUCK]:
        w[STRUCK] = 0
        kernel.port.pad()


def _newest(kernel, number):
    for back in range(1, FAULTS_KEPT + 1):
        index = (kernel.fault_next - back) % FAULTS_KEPT
        if kernel.faults[FAULT_WORDS * index] == number:
            return index
    return None


def _traceback(kernel, task, error):
    """Return the traceback of `error` as bytes, its end if it is long."""
    try:
        stream = io.BytesIO()
        as_step(kernel, task, kernel.port.print_exception, error, stream)
        return stream.getvalue()[-FAULT_TEXT_BYTES:]
    except MemoryError:
        return b""
