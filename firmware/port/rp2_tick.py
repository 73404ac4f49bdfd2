"""The RP2040's tick: a hard timer every TICK_US, which strikes what is over its budget.

Registers are those of the RP2040 datasheet (4.6 timer); the watchdog's are in `rp2_crash`.
"""

import sys

import machine
import micropython
from kernel.abi import KILLS_CAUGHT
from kernel.layout import (
    ARMED, BUDGET_US, DEADLINES, GENERATION, IRQ_PENDING, NEXT_DEADLINE, NOW, OUTER, PRIORITY,
    READY_BITS, RECORD_SHIFT, RESULT, RUNNING_TASK, SCHEDULED, SLICE_END, STACK_LIMIT, STATE,
    STEP_DEADLINE, STRUCK,
)  # fmt: skip
from kernel.limits import (
    COLLECTION_US, STRIKE_AGAIN_US, STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK,
)  # fmt: skip
from kernel.outputs import make_safe
from micropython import const
from port.rp2_crash import RUNS, SCRATCH, SEEN, TASK_SHIFT

_TIMERAWH = const(0x40054024)  # high word of the microsecond timer, 4.6.4, and the low one
_TIMERAWL = const(0x40054028)

# A timer that is not needed has this period, in milliseconds (4.2 days): so it keeps its alarm,
# of which the chip's pool has 16 for all.
FAR_MS = const(0x15A4C36B)

# Before 1.26 timers are soft: what hogs the interrupt level is out of the tick's reach.
_HARD_TIMERS = sys.implementation.version[:2] >= (1, 26)

# A tick that is to come before its time is asked for some microseconds after its own alarm, so
# that it would come too early by as much.
_LATE_US = const(20)
_NO_LIMIT = const(0x3FFFFFFF)

# Console input is looked for when these bits of the clock are 0: every 16 ms, for a tick or two.
_LOOK = const(0x3C00)


def ticker(port, words, collecting, period):
    """Return the tick's handler: a closure, since a method would look things up for 5 us.

    `words` is an address: to ask an array for its own takes 1 us. `collecting` is what
    `find_collecting` has found, `period` what `find_period` has.
    """

    @micropython.viper
    def tick(_timer):
        """Ask for the interrupt level when a wait is over, strike a step over its budget.

        Hardware interrupt context. The strike is the last thing it does: the exception is taken
        at the next branch of bytecode, which must be the struck task's.
        """
        w = ptr32(words)
        now = ptr32(_TIMERAWL)[0] & TIME_MASK
        ptr32(period)[0] = TICK_US  # until the next one
        # All of the stack there is: what was interrupted may have used its share.
        thread = ptr32(int(collecting) - 8)
        limit = 0
        if collecting:
            limit = thread[STACK_LIMIT]
            thread[STACK_LIMIT] = _NO_LIMIT
        if now & _LOOK == 0:
            port.look_soon()
        task = w[RUNNING_TASK] if w[ARMED] else 0
        if ptr32(SCRATCH)[0] == RUNS:
            seen = ptr32(SEEN)
            doing = w[task + STATE] << 24 | w[task + RESULT] << 16 & 0xFF0000
            seen[0] = doing | w[task + GENERATION]
            uptime = (ptr32(_TIMERAWH)[0] & 0xFF) << 17 | ptr32(_TIMERAWL)[0] >> 15 & 0x1FFFF
            seen[1] = task << TASK_SHIFT - RECORD_SHIFT | uptime
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
            if w[SCHEDULED] == 0:
                port.request()
        elif w[IRQ_PENDING] and w[SCHEDULED] == 0:  # there was no way to run on top before
            port.request()
        if task:
            if (now - w[SLICE_END]) & TIME_HALF == 0 and w[OUTER] + w[SCHEDULED] == 0:
                if w[READY_BITS] & (1 << w[task + PRIORITY]):
                    port.request()
            if collecting and ptr16(collecting)[0] & 1:  # not charged, up to a limit
                longer = (w[STEP_DEADLINE] + TICK_US) & TIME_MASK
                if (longer - w[NOW]) & TIME_MASK <= w[task + BUDGET_US] + COLLECTION_US:
                    w[STEP_DEADLINE] = longer
            left = (w[STEP_DEADLINE] - now) & TIME_MASK
            if left == 0 or left >= TIME_HALF:
                if w[STRUCK] == 0 or int(port.pad()) == 0:  # it was caught
                    w[STRUCK] += 1
                    if w[STRUCK] > 1:
                        make_safe(port.kernel, task)  # it will end, but does as it likes before
                w[STEP_DEADLINE] = (now + STRIKE_AGAIN_US) & TIME_MASK
                if w[STRUCK] > STRIKES_MAX:
                    port.panic(KILLS_CAUGHT)
                port.strike()
            elif left < TICK_US:  # a budget ends before the next tick: that one comes earlier
                ptr32(period)[0] = left + _LATE_US
        if collecting:
            thread[STACK_LIMIT] = limit

    return tick


def find_period(timer):
    """Return the address of the period, in microseconds, of a `machine.Timer`, or 0.

    It is `delta_us` (`ports/rp2/machine_timer.c` of MicroPython 1.26), two words, which is looked
    at when the callback has returned: so a callback can say when the next one comes. Sets the
    timer to FAR_MS.
    """
    timer.init(period=FAR_MS, callback=None)
    low, high = FAR_MS * 1000 & 0xFFFFFFFF, FAR_MS * 1000 >> 32
    for at in range(id(timer), id(timer) + 32, 4):
        if machine.mem32[at] & 0xFFFFFFFF == low and machine.mem32[at + 4] == high:
            return at
    return 0


@micropython.native
def _set_hard(init, period_ms, handler):
    init(period=period_ms, hard=True, callback=handler)


@micropython.native
def _set_soft(init, period_ms, handler):
    init(period=period_ms, callback=handler)


set_tick = _set_hard if _HARD_TIMERS else _set_soft
