"""What is kept of the newest faults, and of what ended the board's last run.

A record is eight words of one array, written when the task ends; its traceback is written out
when somebody first asks, so a fault costs its clients and its restart as little as can be. What a
kill raises is an object that the next kill uses again: its traceback is written out when the
supervisor takes the fault, which is what it does next.

An exception's text may be code of the task (`__repr__`). The kernel itself writes only what runs
none (`is_plain`): all else is written by the last step of the task, see `faults`.
"""

import io

from kernel.abi import BUDGET, FAULT_TEXT_BYTES, HEARTBEAT
from kernel.capabilities import NoRight
from kernel.layout import *
from kernel.limits import FAULTS_KEPT
from kernel.message import BadMessage, admit
from micropython import const

# Places in a record: the order is that of `terms.FAULT_FORMAT`.
_KIND = const(1)
_STATE = const(2)
_GIVEN = const(3)
_CLIENT = const(4)
_PEER = const(5)
_GENERATION = const(6)
_UPTIME = const(7)
# What a kill raises, and a full heap: objects of the interpreter's own.
_USED_AGAIN = (KeyboardInterrupt, MemoryError)
# What the kernel raises of a trap's operands: the task itself adds its line, in its last step.
_REFUSALS = (BadMessage, NoRight)
# The interpreter's own classes of exceptions, by name: `dir` takes 100 ms to find them.
_BUILT_IN = frozenset((
    ArithmeticError, AssertionError, AttributeError, BaseException, EOFError, Exception,
    GeneratorExit, ImportError, IndentationError, IndexError, KeyError, KeyboardInterrupt,
    LookupError, MemoryError, NameError, OSError, OverflowError, RuntimeError,
    StopAsyncIteration, StopIteration, SyntaxError, SystemExit, TypeError, UnicodeError,
    ValueError, ZeroDivisionError,
))  # fmt: skip
# What says how an exception is written out.
_HOOKS = const(("__repr__", "__str__"))
# What a kill is in the words of the interpreter, and in those of who reads them.
_KILL = const(b"KeyboardInterrupt")
_HELD = const(b"killed: it held the processor for longer than its budget, without a yield\n")
_HUNG = const(b"killed: it was not heard of for longer than its heartbeat_ms\n")


def keep(kernel, task, kind):
    """Record the fault that ends `task`, before it ends; the oldest record gives way."""
    index = kernel.fault_next
    kernel.fault_next = (index + 1) % FAULTS_KEPT
    kernel.fault_words[index] = None
    at = FAULT_WORDS * index
    kernel.faults[at] = task >> RECORD_SHIFT
    kernel.faults[at + _KIND] = kind
    kernel.faults[at + _UPTIME] = kernel.port.uptime_ms()
    w = kernel.words
    client = (w[task + SERVING] & TOKEN_TASK) << RECORD_SHIFT
    kernel.faults[at + _STATE] = w[task + STATE]
    kernel.faults[at + _GIVEN] = w[task + RESULT] & 0xFF
    kernel.faults[at + _CLIENT] = client >> RECORD_SHIFT if w[client + PEER] == task else 0
    kernel.faults[at + _PEER] = w[task + PEER] >> RECORD_SHIFT
    kernel.faults[at + _GENERATION] = w[task + GENERATION]


def keep_words(kernel, error, raised):
    """Keep what tells why, an exception or None, with the record made last.

    `raised` tells that it is the task's, and not the kernel's. Return whether that is all there is
    to do: if not, its name stands there until the task has written it out.
    """
    index = kernel.fault_next - 1
    if not raised and type(error) in _REFUSALS:
        kernel.fault_words[index] = _brief(error)
        return False
    if raised and not is_plain(error):
        kernel.fault_words[index] = _name(error)
        return False
    if type(error) in _USED_AGAIN:
        kernel.is_unwritten = True
        for other in range(FAULTS_KEPT):
            if kernel.fault_words[other] is error:  # used again before it was written out
                kernel.fault_words[other] = None
    kernel.fault_words[index] = error
    if kernel.is_unwritten and not kernel.supervisor:
        write_out(kernel)
    return True


def keep_late(kernel, task, error):
    """Keep the kill that ended a preempted task, which tells where it was, with its record."""
    index = _newest(kernel, task >> RECORD_SHIFT)
    if index is not None and kernel.fault_words[index] is None and is_plain(error):
        kernel.fault_words[index] = _traceback(kernel, error, index)


def is_plain(error):
    """Tell whether `error` can be written out, now, without running code of a task.

    Its class is a built-in one, or one made of such a one that has nothing of its own to say, and
    its arguments are what a message may carry.
    """
    kind = type(error)
    if kind in _BUILT_IN:
        args = error.args
    else:
        bases = kind.__bases__
        if len(bases) != 1 or bases[0] not in _BUILT_IN or not hasattr(kind, "__module__"):
            return False  # a built-in class has no module, and `super` is not for such a one
        for hook in _HOOKS:
            if getattr(kind, hook, None) is not getattr(bases[0], hook, None):
                return False
        args = super(kind, error).args  # whatever the instance says its arguments are
    if not args:
        return True
    try:
        admit(args)
    except BadMessage:
        return False
    return True


def write_out(kernel):
    """Write out what the interpreter will use again."""
    kernel.is_unwritten = False
    for index in range(FAULTS_KEPT):
        error = kernel.fault_words[index]
        if type(error) in _USED_AGAIN:
            kernel.fault_words[index] = _traceback(kernel, error, index)


def write(kernel, number, index, error):
    """Write out what a task has raised, as a step of that task, if its record is still there."""
    text = _traceback(kernel, error, index)
    if kernel.faults[FAULT_WORDS * index] == number and type(kernel.fault_words[index]) is bytes:
        kernel.fault_words[index] = text


def words(kernel, number):
    """Return the traceback of a task's newest fault as bytes."""
    index = _newest(kernel, number)
    if index is None:
        return b""
    kept = kernel.fault_words[index]
    if isinstance(kept, BaseException):  # its class may have learned to speak since
        kept = _traceback(kernel, kept, index) if is_plain(kept) else _name(kept)
        kernel.fault_words[index] = kept
    return kept or b""


def _newest(kernel, number):
    for back in range(1, FAULTS_KEPT + 1):
        index = (kernel.fault_next - back) % FAULTS_KEPT
        if kernel.faults[FAULT_WORDS * index] == number:
            return index
    return None


def _brief(error):
    """Return what the kernel refused, without a line."""
    try:
        return ("%s: %s\n" % (type(error).__name__, error)).encode()
    except MemoryError:
        return b""


def _name(error):
    try:
        return type(error).__name__.encode()
    except MemoryError:
        return b""


def _traceback(kernel, error, index):
    """Return the traceback of `error`, of a record, as bytes; its end if it is long."""
    try:
        stream = io.BytesIO()
        try:
            kernel.port.print_exception(error, stream)
        except Exception:  # its own text has failed: where it came from is there
            stream.write(_name(error))
        text = stream.getvalue()
        kind = kernel.faults[FAULT_WORDS * index + _KIND]
        at = text.rfind(_KILL)
        if at >= 0 and (kind == BUDGET or kind == HEARTBEAT):
            text = text[:at] + (_HELD if kind == BUDGET else _HUNG)
        return text[-FAULT_TEXT_BYTES:]
    except MemoryError:
        return b""
