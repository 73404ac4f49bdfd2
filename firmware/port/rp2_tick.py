"""The RP2040's tick: a hard timer every TICK_US, which strikes what is over its budget.

Registers are those of `rp2_chip`.
"""

import sys

import machine
import micropython
from kernel.abi import KILLS_CAUGHT
from kernel.layout import (
    ARMED, BUDGET_US, DEADLINES, GENERATION, IRQ_PENDING, NEXT_DEADLINE, NOW, OUTER, PRIORITY,
    READY_BITS, RECORD_SHIFT, RESULT, RUNNING_TASK, SCHEDULED, SLICE_END, STACK_FULL, STACK_LIMIT,
    STACK_MOST, STACK_QUEUE, STACK_THREAD, STATE, STEP_DEADLINE, STRUCK,
)  # fmt: skip
from kernel.limits import (
    COLLECTION_US, STRIKE_AGAIN_US, STRIKES_MAX, TICK_US, TIME_HALF, TIME_MASK,
)  # fmt: skip
from micropython import const
from port.rp2_chip import SCRATCH, TIMERAWL
from port.rp2_crash import RUNS, TASK_SHIFT
from uctypes import addressof


# The port's places: an array of addresses and flags, at hand by one address in compiled code.
WORDS = const(0)  # of the kernel
CLOCK = const(1)
SCRATCH_AT = const(2)
PERIOD = const(3)  # what `find_period` has found
THREAD = const(4)  # MicroPython's state of the thread, or what stands for it
QUEUE = const(5)  # the byte that counts its queue of callbacks, or 0
FULL = const(6)  # bytes of stack there are
MOST = const(7)  # and what a callback may use
COLLECTING = const(8)  # what `find_collecting` has found, or 0
LOOKS = const(9)  # 1: there is a console line to look for input for
WAITED = const(10)  # 1: there was some at the last look
TICKING = const(11)  # 1 while the tick runs
STARTING = const(12)  # 1 while its start is in the queue
WANTED = const(13)  # 1: and still wanted
CHARACTER = const(14)  # the word that `micropython.kbd_intr` sets
STRIKING = const(15)  # 1 while a strike is under way
AGAIN = const(16)  # 1: and another is to follow
SHARE = const(17)  # the words that share out the stack
PLACES = const(18)

# Of the scratch words: what the tick saw last.
LAST_DOING = const(2)
LAST_TASK = const(3)

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


def fill_places(places, kernel, collecting, period, share):
    """Say where all is that does not change. `share` is `Stack.words`."""
    places[WORDS] = addressof(kernel.words)
    places[CLOCK] = TIMERAWL
    places[SCRATCH_AT] = SCRATCH
    places[PERIOD] = period
    places[THREAD] = share[STACK_THREAD]
    places[QUEUE] = share[STACK_QUEUE]
    places[SHARE] = addressof(share)
    places[FULL] = share[STACK_FULL]
    places[MOST] = share[STACK_MOST]
    places[COLLECTING] = collecting


def ticker(places, port, request, look_soon):
    """Return the tick's handler: a closure, since a method would look things up for 5 us.

    One of more than four values would take room from the heap when it is called.
    """

    @micropython.viper
    def tick(_timer):
        """Ask for the interrupt level when a wait is over, strike a step over its budget.

        Hardware interrupt context. The strike is the last thing it does: the exception is taken
        at the next branch of bytecode, which must be the struck task's.
        """
        at = ptr32(places)
        w = ptr32(at[WORDS])
        now = ptr32(at[CLOCK])[0] & TIME_MASK
        period = ptr32(at[PERIOD])
        period[0] = TICK_US  # until the next one
        # All of the stack there is: what was interrupted may have used its share.
        thread = ptr32(at[THREAD])
        limit = thread[STACK_LIMIT]
        thread[STACK_LIMIT] = _NO_LIMIT
        if now & _LOOK == 0 and at[LOOKS]:
            look_soon()
        task = w[RUNNING_TASK] if w[ARMED] else 0
        scratch = ptr32(at[SCRATCH_AT])
        if scratch[0] == RUNS:
            doing = w[task + STATE] << 24 | w[task + RESULT] << 16 & 0xFF0000
            scratch[LAST_DOING] = doing | w[task + GENERATION]
            high = ptr32(at[CLOCK] - 4)[0] & 0xFF
            uptime = high << 17 | ptr32(at[CLOCK])[0] >> 15 & 0x1FFFF
            scratch[LAST_TASK] = task << TASK_SHIFT - RECORD_SHIFT | uptime
        if w[DEADLINES] and (now - w[NEXT_DEADLINE]) & TIME_HALF == 0:
            if w[SCHEDULED] == 0:
                request()
        elif w[IRQ_PENDING] and w[SCHEDULED] == 0:  # there was no way to run on top before
            request()
        if task:
            if (now - w[SLICE_END]) & TIME_HALF == 0 and w[OUTER] + w[SCHEDULED] == 0:
                if w[READY_BITS] & (1 << w[task + PRIORITY]):
                    request()
            if at[COLLECTING]:
                if ptr16(at[COLLECTING])[0] & 1:  # not charged, up to a limit
                    longer = (w[STEP_DEADLINE] + TICK_US) & TIME_MASK
                    if (longer - w[NOW]) & TIME_MASK <= w[task + BUDGET_US] + COLLECTION_US:
                        w[STEP_DEADLINE] = longer
            left = (w[STEP_DEADLINE] - now) & TIME_MASK
            if left == 0 or left >= TIME_HALF:
                struck = w[STRUCK]
                if struck == 0 or int(port.pad()) == 0:  # it was caught
                    w[STRUCK] = struck + 1
                if struck:  # it will end, but does as it likes before, or is in a long C call
                    port.make_safe(port.kernel, task)
                w[STEP_DEADLINE] = (now + STRIKE_AGAIN_US) & TIME_MASK
                if w[STRUCK] > STRIKES_MAX:
                    port.panic(KILLS_CAUGHT)
                port.strike()
            elif left < TICK_US:  # a budget ends before the next tick: that one comes earlier
                period[0] = left + _LATE_US
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
