"""Traps that are not messages: waiting, acknowledging, and the supervisor's control of tasks.

Control traps need the capability of the target `kernel` with MAY_CONTROL; the task they speak of
is the operation field, a number from 1 in start order. They may allocate.
"""

from kernel import records
from kernel.abi import *
from kernel.capabilities import NoRight, lookup
from kernel.carried import caller_of
from kernel.faults import fault, is_closing, stay_down
from kernel.hard import attend
from kernel.inject import inject
from kernel.irq import account
from kernel.layout import *
from kernel.message import BadMessage, admit
from kernel.limits import MESSAGE_BYTES_MAX
from kernel.notifications import take_bits
from kernel.outputs import make_safe
from kernel.ready import push_back
from kernel.tasks import try_start
from kernel.timeouts import arm_ms
import micropython


_NO_TRAP = "no trap: a service yields what a method of `sys` returns"


def give_way(w, frames, task, trap):
    """Queue behind equals. A number that a service has not from `sys` is mostly a YIELD."""
    if trap and trap != MARK:
        raise NoRight(_NO_TRAP)
    push_back(w, task)
    return 0


def sleep(w, frames, task, trap):
    """Wait for the timeout, and for nothing else."""
    w[task + STATE] = SLEEPING
    if trap & TIMED:
        arm_ms(w, task)
    return 0


def check_control(w, task, trap):
    """Raise NoRight unless the handle in `trap` is of the kernel, with the right to control.

    A right to control that is of another service, the supervisor, is for that to judge.
    """
    if w[lookup(w, task, trap, MAY_CONTROL) + TARGET] & OFFSET_MASK:
        raise NoRight("its capability is not the kernel's")


class Control:
    """Handlers that need more of the kernel than its words; each is bound once, at boot."""

    def __init__(self, kernel):
        self.kernel = kernel

    def unknown(self, _w, _frames, _task, _trap):
        """Fault a task whose trap word means nothing."""
        raise NoRight(_NO_TRAP)

    def attend(self, w, _frames, task, trap):
        """Wait for an interrupt at the hard level: what `recv` is to a hard driver."""
        kernel = self.kernel
        if not kernel.table[(task >> RECORD_SHIFT) - 1][ROW_OPTIONS][4] & HARD:
            raise NoRight("attend: the manifest does not say hard = true")
        if w[task + PENDING]:
            take_bits(w, task)
            return task
        w[task + STATE] = ATTENDING
        attend(kernel, task)
        return 0

    def acknowledge(self, _w, frames, task, trap):
        """Unmask the line behind the handle: its driver is ready for the next interrupt.

        In a storm the driver is faulted, and the line stays masked. With HAND_OVER the driver of
        the console ends the main level instead, with WRITE it writes.
        """
        kernel = self.kernel
        w = kernel.words
        line = w[lookup(w, task, trap, MAY_ACKNOWLEDGE)] & OFFSET_MASK
        source = kernel.line_sources[(line - w[TASKS_END]) // LINE]
        if trap & 0xFF and source is kernel.port.console:
            w[task + RESULT] = OK
            if trap & 0xFF == HAND_OVER:
                w[STOPPED] = 1
            else:
                self._write(w, frames, task)
            return task
        if account(w, line):
            fault(kernel, task, STORM, None)
            return 0
        w[line + LINE_MASKED] = 0
        kernel.port.unmask(source)
        w[task + RESULT] = OK
        return task

    def _write(self, w, frames, task):
        data = frames[task >> RECORD_SHIFT].arg
        start = w[task + REGISTER_BITS]
        if type(data) is not bytes or not 0 <= start <= len(data):
            raise BadMessage("write: bytes, and where in them to begin")
        taken = self.kernel.port.outlet.write(data, start)
        if taken < 0:
            w[task + RESULT] = FULL
        w[task + REGISTER_BITS] = max(taken, 0)

    def replace(self, w, frames, task, trap):
        """Put new code in the place of a task's, or take it back: see `replace`."""
        kernel = self.kernel
        try:
            if kernel.replacements is None:  # loaded where somebody updates
                from kernel.replace import Replacements

                kernel.replacements = Replacements(kernel)
        except MemoryError:
            w[task + RESULT] = FULL
            return task
        return kernel.replacements.handle(w, frames, task, trap)

    def reply_fault(self, _w, _frames, task, trap):
        """Fault the caller received last with PROTOCOL: it broke the service's rules."""
        kernel = self.kernel
        w = kernel.words
        client = caller_of(w, task, w[task + REGISTER_CALLER])
        w[task + RESULT] = OK
        if client:
            fault(kernel, client, PROTOCOL, None)
        return task

    def stash(self, w, frames, task, trap):
        """Keep the value in `arg` for the task's next incarnation; or give it, once."""
        number = task >> RECORD_SHIFT
        stashes = self.kernel.stashes
        value = frames[number].arg
        w[task + RESULT] = OK
        if trap & 0xFF:
            frames[number].arg = stashes[number]
            if stashes[number] is None:
                w[task + RESULT] = UNKNOWN
            value = None
        stashes[number] = admit(value)
        return task

    def start(self, w, _frames, task, trap):
        """Start a task that is dormant or faulted: OK, UNKNOWN, or FULL without memory."""
        w[task + RESULT] = try_start(self.kernel, self._target(task, trap))
        return task

    def stop(self, _w, _frames, task, trap):
        """Stop a task: with a fault of the kind in `arg`, or for good without one.

        One that closes has its fault; it may be kept from starting again.

        With TIMED the board is reset instead, for the cause in the register, by that task.
        """
        kernel = self.kernel
        w = kernel.words
        target = self._target(task, trap)
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
        if is_closing(w, target):
            if kind == NO_FAULT:
                stay_down(w, target)
                w[task + RESULT] = OK
            return task
        w[task + RESULT] = OK
        fault(kernel, target, kind, None)
        return task

    def make_safe(self, _w, _frames, task, trap):
        """Hold the outputs of a task that goes on in their safe state until its next start."""
        w = self.kernel.words
        target = self._target(task, trap)
        w[task + RESULT] = UNKNOWN
        if target and w[target + STATE] not in (DORMANT, FAULTED):
            make_safe(self.kernel, target)
            w[task + RESULT] = OK
        return task

    def inspect(self, w, frames, task, trap):
        """Give a task's words as bytes, in the order that `layout` tells at SAFE_SINCE."""
        kernel = self.kernel
        window = kernel.window
        target = self._target(task, trap)
        w[task + RESULT] = UNKNOWN
        if target:
            number = target >> RECORD_SHIFT
            particulars = w[PARTICULARS] + (target >> PARTICULAR_SHIFT)
            words = bytes(window[target : target + FRAME]) + bytes(window[NOW : NOW + 1])
            words += bytes(window[particulars : particulars + PARTICULAR_WORDS])
            words += bytes(memoryview(kernel.held_ms)[number : number + 1])
            frames[task >> RECORD_SHIFT].arg = words
            w[task + RESULT] = OK
        return task

    def read_words(self, w, frames, task, trap):
        """Give as many words as the operation says, from the offset in the register on."""
        check_control(w, task, trap)
        start = w[task + REGISTER_TIMEOUT]
        end = start + (trap & 0xFF)
        w[task + RESULT] = UNKNOWN
        if 0 <= start and end <= len(w):
            frames[task >> RECORD_SHIFT].arg = bytes(self.kernel.window[start:end])
            w[task + RESULT] = OK
        return task

    def next_fault(self, _w, _frames, task, trap):
        """Give the number of a task whose fault has not been taken yet, 0 for none.

        The fault's kind is in the badge, the task's present generation in the bits. While there
        are more, the notification stays pending.
        """
        w = self.kernel.words
        check_control(w, task, trap)
        _take_fault(w, task)
        if self.kernel.is_unwritten:
            records.write_out(self.kernel)
        return task

    def fault_text(self, w, frames, task, trap):
        """Give a piece of a task's traceback as bytes, from the offset in `arg`."""
        check_control(w, task, trap)
        start = frames[task >> RECORD_SHIFT].arg
        if type(start) is not int or start < 0:
            raise BadMessage("fault_text: the offset has to be a whole number from 0 on")
        text = records.words(self.kernel, trap & 0xFF)
        frames[task >> RECORD_SHIFT].arg = text[start : start + MESSAGE_BYTES_MAX]
        w[task + RESULT] = OK
        return task

    def read_fault(self, w, frames, task, trap):
        """Give all records of faults as bytes, and in one byte which is overwritten next."""
        kernel = self.kernel
        check_control(w, task, trap)
        frames[task >> RECORD_SHIFT].arg = bytes(kernel.faults) + bytes((kernel.fault_next,))
        w[task + RESULT] = OK
        return task

    def inject(self, _w, _frames, task, trap):
        """Make a task misbehave in the way of that number in `arg`: see `inject`."""
        kernel = self.kernel
        target = self._target(task, trap)
        kind = kernel.frames[task >> RECORD_SHIFT].arg
        if type(kind) is not int:
            raise BadMessage("inject: the kind has to be a whole number")
        kernel.words[task + RESULT] = inject(kernel, target, kind) if target else UNKNOWN
        return task

    def _target(self, task, trap):
        """Return the task a control trap speaks of, 0 if there is none of that number."""
        w = self.kernel.words
        check_control(w, task, trap)
        target = (trap & 0xFF) << RECORD_SHIFT
        return target if target < w[TASKS_END] else 0


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
