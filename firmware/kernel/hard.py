"""The hard level: a driver's step inside the hardware interrupt itself.

A driver declared `hard` begins as an ordinary task. Its `recv` is the trap ATTEND: from then on
the port's handler of each of its lines resumes it there and then, whatever runs: another service,
a garbage collection, a long C call, or the kernel in the midst of its own words. So a hard step
allocates nothing, and what is done for it here leaves alone every word that the kernel elsewhere
reads and then writes:

- The words of a line, and of a task that attends, are the handler's until `irq.dismiss`.
- The bits of a NOTIFY go to words of their own (`notifications.leave`), which `irq.deliver` takes
  to their tasks at the interrupt level.
- All else - a trap that is not for this level, an exception, a storm - is a relapse: the line
  stays masked, the driver receives like any other task, its line fires like any other, and its
  next step, an ordinary one, is to make that trap or raise that exception. The fault that follows
  is the ordinary one, with its kind and its traceback.

No hard step interrupts another: the ports give all hard lines one hardware priority. A
kill or a Ctrl-C that is under way when the interrupt comes is meant for what was running: the
port lands it before the step, and `Attendant.step` has it struck again after it.
"""

from kernel.abi import ACKNOWLEDGE, ATTEND, ATTENDING, HARD, MAY_ACKNOWLEDGE, NOTIFY, OK, RECV
from kernel.capabilities import NoRight, find
from kernel.irq import account, dismiss
from kernel.layout import *
from kernel.limits import TIME_MASK
from kernel.notifications import leave, take_bits
from kernel.outputs import make_safe
import micropython
from micropython import const

# What a port's handler passes for a trap when there is none.
NOT_ATTENDING = const(-1)
RAISED = const(-2)

_KIND = const((31 << 8) | (1 << 28) | (1 << 29))
_FORBIDDEN = const(31 << 8)  # a trap word that means nothing, at any level


class Attendant:
    """What a hard line's handler leaves to the kernel. Made at boot, one a line."""

    def __init__(self, kernel, line):
        self.kernel = kernel
        self.line = line
        self.source = None
        self.trap = 0
        self.error = None
        self.stand_in = None
        # Bound once: making a bound method allocates.
        self.on_trap = self.step

    @micropython.viper
    def step(self, trap: int, landed: int, error) -> int:
        """Do what the driver's `trap` asks for; return its status, or -1 when the step is over.

        Hardware interrupt context; never raises. `landed` tells that a kill landed before the
        step, `error` is what the driver raised if `trap` is RAISED.
        """
        kernel = self.kernel
        w = ptr32(kernel.words)
        line = int(self.line)
        task = w[line + LINE_OWNER]
        kind = trap & _KIND
        if trap >= 0 and kind == ACKNOWLEDGE:
            # OK, but in a storm or without the right. The line that fired was never masked: its
            # interrupt cannot come before this one returns.
            capability = int(find(w, task, trap, MAY_ACKNOWLEDGE))
            if capability:
                named = w[capability + TARGET] & OFFSET_MASK
                if int(account(w, named)) == 0:
                    w[named + LINE_MASKED] = 0
                    if named != line:
                        number = (named - w[TASKS_END]) // LINE
                        kernel.port.unmask(kernel.line_sources[number])
                    return OK
        if trap == NOT_ATTENDING:
            self.fire(w)
        elif trap >= 0 and (kind == ATTEND or kind == RECV):
            if w[line + LINE_MASKED]:
                kernel.port.mask(self.source)
            w[line + LINE_COUNT] += 1
            w[task + STEPS] = (w[task + STEPS] + 1) & TIME_MASK
            spent = ptr32(kernel.clock)[0] - w[line + LINE_STEP_AT]
            w[task + CPU_US] = (w[task + CPU_US] + (spent & TIME_MASK)) & TIME_MASK
        else:
            self.trap = _FORBIDDEN
            if trap >= 0 and (kind == NOTIFY or kind == ACKNOWLEDGE):
                self.trap = trap
            if trap >= 0 and kind == NOTIFY:
                status = int(leave(w, task, trap))
                if status >= 0:
                    return status
            make_safe(kernel, task)
            self.error = error
            kernel.generators[task >> RECORD_SHIFT] = self.stand_in
            dismiss(w, task)
            self.fire(w)
        if w[IRQ_PENDING] and w[SCHEDULED] == 0:
            kernel.port.request()
        if landed:
            kernel.port.strike()
        return -1

    @micropython.viper
    def fire(self, w: ptr32):
        """Be an ordinary interrupt: the driver is not at this level, or not any more."""
        self.kernel.port.mask(self.source)
        w[int(self.line) + LINE_FIRED] = 1
        w[IRQ_PENDING] = 1

    def attend(self, generator):
        """Have the line resume `generator` from now on, in hardware interrupt context."""
        kernel = self.kernel
        self.stand_in = self.relapse(generator)
        self.stand_in.send(None)
        kernel.port.bind(self.source, generator.send)
        kernel.words[self.line + LINE_HARD] = 1

    def relapse(self, generator):
        """Be the driver in its next step, at task level: end it as its hard step ended."""
        yield  # until there is a relapse, if ever
        try:
            error = self.error
            if error is None:
                yield self.trap
            elif not isinstance(error, StopIteration):  # which a generator says by returning
                raise error
        finally:
            generator.close()


def attend(kernel, w, task, trap):
    """Wait for an interrupt at the hard level: what `recv` is to a hard driver."""
    if not kernel.table[(task >> RECORD_SHIFT) - 1][ROW_OPTIONS][4] & HARD:
        raise NoRight("attend: the manifest does not say hard = true")
    if w[task + PENDING]:
        take_bits(w, task)
        return task
    w[task + STATE] = ATTENDING
    for attendant in kernel.attendants:
        if w[attendant.line + LINE_OWNER] == task:
            attendant.attend(kernel.generators[task >> RECORD_SHIFT])
    return 0
