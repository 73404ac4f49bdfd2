"""What the RP2040's port has the interpreter call at its next branch.

The interrupt level, a look for console input, the start of the tick, a kill.

All are viper closures over one address, that of the port's places (`rp2_tick`): to find an
attribute takes 2 to 5 us, and a number above 2**30, as all addresses of registers are, another
microsecond each time. They reach no branch and allocate nothing.
"""

import micropython
from kernel.layout import (
    ARMED, GENERATION, IRQ_PENDING, LINE, LINES_END, LINE_FIRED, LINE_OWNER, RECORD_SHIFT,
    SCHEDULED, STACK_LIMIT, STRUCK, TASKS_END,
)  # fmt: skip
from micropython import const, schedule
from port.rp2_crash import RUNS, TASK_SHIFT
from port.rp2_tick import (
    AGAIN, CHARACTER, LAST_DOING, LAST_TASK, MOST, QUEUE, SCRATCH_AT, STARTING, STRIKING, THREAD,
    WAITED, WANTED, WORDS,
)  # fmt: skip

# Of the 8 callbacks that MicroPython's queue holds: one interrupt within another finds a place.
QUEUE_MOST = const(7)
_UPTIME_MASK = const(0x1FFFFFF)
_CTRL_C = const(3)


def striker(places, type_key):
    """Return what makes the interpreter raise KeyboardInterrupt at its next branch.

    A Ctrl-C character that arrives on a second console does just that, from any context, while
    it is the interrupt character: it is for that moment, and then what it was. It must not stay
    so: a Ctrl-C while the REPL waits for a key would be an exception that nobody catches.

    A hard step that lands a kill in the midst of this leaves it to this to strike again.
    """
    key = b"\x03"

    @micropython.viper
    def strike():
        at = ptr32(places)
        character = ptr32(at[CHARACTER])
        at[AGAIN] = 1
        while at[AGAIN] and at[STRIKING] == 0:
            at[STRIKING] = 1
            at[AGAIN] = 0
            was = character[0]
            character[0] = _CTRL_C
            type_key(key)
            character[0] = was
            at[STRIKING] = 0

    return strike


def requester(places, enter, kernel):
    """Return what has the interpreter enter the interrupt level at its next branch."""

    @micropython.viper
    def request():
        at = ptr32(places)
        if at[QUEUE]:
            if ptr8(at[QUEUE])[0] >= QUEUE_MOST:  # an exception here would end what is under way
                return
        w = ptr32(at[WORDS])
        w[SCHEDULED] = 1
        try:
            schedule(enter, kernel)
        except RuntimeError:  # where the queue's length is not known: the next tick asks again
            w[SCHEDULED] = 0

    return request


def look_requester(places, look):
    """Return what has console input looked for at the next branch."""

    @micropython.viper
    def look_soon():
        at = ptr32(places)
        if at[QUEUE]:
            if ptr8(at[QUEUE])[0] >= QUEUE_MOST:
                return
        try:
            schedule(look, None)
        except RuntimeError:  # the interpreter's queue is full: the next look comes
            pass

    return look_soon


def looker(places, port, poll):
    """Return the look for console input, for the interpreter's scheduler.

    A kill that came before ARMED was 0 is the running task's, and the next look will do. A Ctrl-C
    that came before is the running program's, which gets it afterwards: nothing here but
    `look_on` could meet it.
    """

    @micropython.viper
    def look(_operand):
        at = ptr32(places)
        w = ptr32(at[WORDS])
        armed = w[ARMED]
        w[ARMED] = 0
        if w[STRUCK]:
            w[ARMED] = armed
            return
        thread = ptr32(at[THREAD])
        limit = thread[STACK_LIMIT]
        thread[STACK_LIMIT] = at[MOST]  # what was interrupted may have used its share
        waits = 0
        for _ in poll(0):
            waits = 1
        found = 0
        if waits:
            landed = int(port.pad())
            found = int(port.look_on())
            w[ARMED] = armed
            if landed:
                port.strike()
            if port.is_late:
                port.is_late = False
                port.callbacks.end(True)  # here, since `look_on` would meet it
        else:
            at[WAITED] = 0
            w[ARMED] = armed
        thread[STACK_LIMIT] = limit
        if found:
            port.enter(port.kernel)

    return look


def starter(places, port):
    """Return what starts the tick once something runs that reaches a branch, see `waker`."""

    @micropython.viper
    def start(_operand):
        at = ptr32(places)
        at[STARTING] = 0
        if at[WANTED]:
            w = ptr32(at[WORDS])
            armed = w[ARMED]
            w[ARMED] = 0  # it is not the step it interrupts that sets a callback here
            thread = ptr32(at[THREAD])
            limit = thread[STACK_LIMIT]
            thread[STACK_LIMIT] = at[MOST]
            port.start()
            thread[STACK_LIMIT] = limit
            w[ARMED] = armed

    return start


def waker(places, port, start):
    """Return what is done as an idle spell ends without a tick.

    To start it takes 40 us, which would be in the way of the interrupt that ends the spell. What
    runs without reaching a branch can be neither preempted nor killed, tick or no tick. So the
    interpreter starts it at the first branch of what runs next. A driver that never gets there
    is what the watchdog's reset names: the tick cannot see it, so it is noted here.
    """

    @micropython.viper
    def wake():
        at = ptr32(places)
        w = ptr32(at[WORDS])
        if w[IRQ_PENDING] == 0 or at[QUEUE] == 0 or ptr8(at[QUEUE])[0] >= QUEUE_MOST:
            port.start()
            return
        at[WANTED] = 1
        if at[STARTING] == 0:
            at[STARTING] = 1
            schedule(start, None)
        scratch = ptr32(at[SCRATCH_AT])
        if scratch[0] == RUNS:
            line = w[TASKS_END]
            while line < w[LINES_END]:
                if w[line + LINE_FIRED]:
                    owner = w[line + LINE_OWNER]
                    scratch[LAST_DOING] = w[owner + GENERATION]
                    seen = scratch[LAST_TASK] & _UPTIME_MASK
                    scratch[LAST_TASK] = owner << TASK_SHIFT - RECORD_SHIFT | seen
                line += LINE

    return wake
