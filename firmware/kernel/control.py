"""Traps that are not messages: waiting, acknowledging, and the supervisor's control of tasks.

Control traps need the capability of the target `kernel` with MAY_CONTROL; the task they speak of
is the operation field, a number from 1 in start order. They may allocate.
"""

from kernel import records, tasks
from kernel.abi import *
from kernel.capabilities import NoRight, check_control, lookup, target_of
from kernel.carried import caller_of
from kernel.faults import fault, is_closing
from kernel.irq import account
from kernel.layout import *
from kernel.limits import MESSAGE_BYTES_MAX
from kernel.message import BadMessage, admit
from kernel.outputs import make_safe
from kernel.ready import push_back
from kernel.timeouts import arm_ms
import micropython
from micropython import const

_NO_TRAP = const("no trap: a service yields what a method of `sys` returns")


def unknown(kernel, w, task, trap):
    """Fault a task whose trap word means nothing."""
    raise NoRight(_NO_TRAP)


def give_way(kernel, w, task, trap):
    """Queue behind equals. A number that a service has not from `sys` is mostly a YIELD."""
    if trap and trap != MARK:
        raise NoRight(_NO_TRAP)
    push_back(w, task)
    return 0


def sleep(kernel, w, task, trap):
    """Wait for the timeout, and for nothing else: asleep, or before its module is loaded."""
    w[task + STATE] = LOADING if trap & 0xFF else SLEEPING
    if trap & TIMED:
        arm_ms(w, task)
    return 0


def acknowledge(kernel, w, task, trap):
    """Unmask the line behind the handle: its driver is ready for the next interrupt.

    In a storm the driver is faulted, and the line stays masked. With HAND_OVER the driver of
    the console ends the main level instead, with WRITE it writes.
    """
    line = w[lookup(w, task, trap, MAY_ACKNOWLEDGE)] & OFFSET_MASK
    source = kernel.line_sources[(line - w[TASKS_END]) // LINE]
    if trap & 0xFF and source is kernel.port.console:
        w[task + RESULT] = OK
        if trap & 0xFF == HAND_OVER:
            w[STOPPED] = 1
        else:
            _write(kernel, w, task)
        return task
    if account(w, line):
        fault(kernel, task, STORM, None)
        return 0
    w[line + LINE_MASKED] = 0
    kernel.port.unmask(source)
    w[task + RESULT] = OK
    return task


def _write(kernel, w, task):
    data = kernel.frames[task >> RECORD_SHIFT].arg
    start = w[task + REGISTER_BITS]
    if type(data) is not bytes or not 0 <= start <= len(data):
        raise BadMessage("write: bytes, and where in them to begin")
    taken = kernel.port.outlet.write(data, start)
    if taken < 0:
        w[task + RESULT] = FULL
    w[task + REGISTER_BITS] = max(taken, 0)


def replace(kernel, w, task, trap):
    """Put new code in the place of a task's, or take it back: see `replace`."""
    try:
        if kernel.replace is None:  # loaded where somebody updates
            from kernel.replace import replace, revert

            kernel.replace, kernel.revert = replace, revert
    except MemoryError:
        w[task + RESULT] = FULL
        return task
    return kernel.replace(kernel, w, task, trap)


def reply_fault(kernel, w, task, trap):
    """Fault the caller received last with PROTOCOL: it broke the service's rules."""
    client = caller_of(w, task, w[task + REGISTER_CALLER])
    w[task + RESULT] = OK
    if client:
        fault(kernel, client, PROTOCOL, None)
    return task


def stash(kernel, w, task, trap):
    """Keep the value in `arg` for the task's next incarnation; or give it, once."""
    number = task >> RECORD_SHIFT
    stashes = kernel.stashes
    frame = kernel.frames[number]
    value = frame.arg
    w[task + RESULT] = OK
    if trap & 0xFF:
        frame.arg = stashes[number]
        if stashes[number] is None:
            w[task + RESULT] = UNKNOWN
        value = None
    stashes[number] = admit(value)
    return task


def start(kernel, w, task, trap):
    """Start a task that is dormant or faulted: OK, UNKNOWN, or FULL without memory."""
    target = target_of(w, task, trap)
    try:
        w[task + RESULT] = OK if target and tasks.start(kernel, target) else UNKNOWN
    except MemoryError:
        w[task + RESULT] = FULL
    return task


def stop(kernel, w, task, trap):
    """Stop a task: with a fault of the kind in `arg`, or for good without one.

    One that closes has its fault; it may be kept from starting again.

    With TIMED the board is reset instead, for the cause in the register, by that task.
    """
    target = target_of(w, task, trap)
    w[task + RESULT] = UNKNOWN
    if trap & TIMED:
        if target:
            w[RUNNING_TASK] = target
            kernel.port.panic(w[task + REGISTER_TIMEOUT])
        return task
    kind = kernel.frames[task >> RECORD_SHIFT].arg
    if kind is None:
        kind = NO_FAULT
    if type(kind) is not int or not NO_FAULT <= kind <= RETURNED:
        raise BadMessage("stop needs a kind of fault, or None")
    if not target or target == task or w[target + STATE] in (DORMANT, FAULTED):
        return task
    if not is_closing(w, target):
        w[task + RESULT] = OK
        fault(kernel, target, kind, None)
    elif kind == NO_FAULT:
        w[task + RESULT] = OK
        at = w[PARTICULARS] + (target >> PARTICULAR_SHIFT) + ENDING
        w[at] = (w[at] | FOR_GOOD) & (0xFF ^ AGAIN)
    return task


def hold_outputs(kernel, w, task, trap):
    """Hold the outputs of a task that goes on in their safe state until its next start."""
    target = target_of(w, task, trap)
    w[task + RESULT] = UNKNOWN
    if target and w[target + STATE] not in (DORMANT, FAULTED):
        make_safe(kernel, target)
        w[w[PARTICULARS] + (target >> PARTICULAR_SHIFT) + ENDING] |= KEPT_SAFE
        w[task + RESULT] = OK
    return task


def inspect(kernel, w, task, trap):
    """Give a copy of a task's words, in the order that `layout` tells at SAFE_SINCE."""
    target = target_of(w, task, trap)
    words = None
    if target:
        number = target >> RECORD_SHIFT
        particulars = w[PARTICULARS] + (target >> PARTICULAR_SHIFT)
        words = w[target : target + RECORD]
        words[FRAME] = w[NOW]
        words.extend(w[particulars : particulars + PARTICULAR_WORDS])
        words.append(kernel.held_ms[number])
    return _give(kernel, w, task, words and memoryview(words))


def read_words(kernel, w, task, trap):
    """Give a copy of as many words as the operation says, from that in the register on."""
    check_control(w, task, trap)
    start = w[task + REGISTER_TIMEOUT]
    end = start + (trap & 0xFF)
    is_inside = 0 <= start and end <= len(w)
    return _give(kernel, w, task, memoryview(w[start:end]) if is_inside else None)


def read_fault(kernel, w, task, trap):
    """Give all records of faults as bytes, and in one byte which is overwritten next."""
    check_control(w, task, trap)
    return _give(kernel, w, task, bytes(kernel.faults) + bytes((kernel.fault_next,)))


def fault_text(kernel, w, task, trap):
    """Give a piece of a task's traceback as bytes, from the offset in `arg`."""
    check_control(w, task, trap)
    start = kernel.frames[task >> RECORD_SHIFT].arg
    if type(start) is not int or start < 0:
        raise BadMessage("fault_text: the offset has to be a whole number from 0 on")
    text = records.words(kernel, trap & 0xFF)
    return _give(kernel, w, task, text[start : start + MESSAGE_BYTES_MAX])


def _give(kernel, w, task, words):
    """Give `task` what it asked for: OK; UNKNOWN for None, and leave its `arg`."""
    w[task + RESULT] = UNKNOWN
    if words is not None:
        kernel.frames[task >> RECORD_SHIFT].arg = words
        w[task + RESULT] = OK
    return task


def next_fault(kernel, w, task, trap):
    """Give the number of a task whose fault has not been taken yet, 0 for none.

    The fault's kind is in the badge, the task's present generation in the bits. While there
    are more, the notification stays pending.
    """
    check_control(w, task, trap)
    _take_fault(w, task)
    if kernel.is_unwritten:
        records.write_out(kernel)
    return task


@micropython.viper
def _take_fault(w: ptr32, task: int):
    """Give `task` the next fault that is not reported yet."""
    w[task + RESULT] = 0
    particulars = w[PARTICULARS]
    faulted = RECORD
    while faulted < w[TASKS_END]:
        at = particulars + (faulted >> PARTICULAR_SHIFT)
        if w[at + ENDING] & UNREPORTED:
            if w[task + RESULT]:
                w[task + PENDING] |= FAULT_BIT
                return
            w[at + ENDING] &= 0xFF ^ UNREPORTED
            w[task + RESULT] = faulted >> RECORD_SHIFT
            w[task + REGISTER_BADGE] = w[at + FAULT]
            w[task + REGISTER_BITS] = w[faulted + GENERATION]
        faulted += RECORD
