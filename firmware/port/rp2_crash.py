"""What ended the last run of an RP2040: kept in the watchdog's scratch registers.

They survive every reset but power-on (RP2040 datasheet 4.7.6). Word 0 says what words 1 to 3 hold:
a crash, with a check in its low half, or, while it is RUNS, what the tick saw last, in 2 and 3,
and in 1 whether the processor has had a fault, by the image's handler (`processor_faults.py`).
The boot ROM has its own use for the others, and for 0 and 1 too: the way to its USB bootloader
(`reset_to_usb_boot`, 2.8.3) leaves what that is to do in 0 and 1, then its vector in 4 to 7, and
waits 10 ms for the watchdog, with interrupts on. So the tick leaves all but 2 and 3 alone, and
them too once word 0 is no longer RUNS.
"""

import machine
import micropython
from kernel.abi import PROCESSOR_FAULT, WATCHDOG_FIRED
from kernel.layout import GENERATION, RECORD_SHIFT, RESULT, RUNNING_TASK, STATE
from kernel.limits import TIME_MASK
from micropython import const
from port.rp2_chip import SCRATCH, SEEN, WATCHDOG_REASON

RUNS = const(0x2B4D0001)
# Of what the tick saw: the task's number above the uptime, in units of 2**15 us.
TASK_SHIFT = const(25)

_MAGIC = const(0x2B4C)
_FAULTED = const(0x48464C54)
_UPTIME_MASK = const(0x1FFFFFF)


@micropython.viper
def see_nothing():
    """Have it that nothing runs: the tick stops."""
    if ptr32(SCRATCH)[0] == RUNS:
        ptr32(SEEN)[1] &= _UPTIME_MASK


@micropython.viper
def keep(words, cause: int, uptime_ms: int):
    """Keep the cause of a reset that will come, and what runs now. Any context."""
    w = ptr32(words)
    task = w[RUNNING_TASK]
    crash = ptr32(SCRATCH)
    crash[0] = 0  # from here on the tick leaves it alone
    crash[1] = cause << 8 | task >> RECORD_SHIFT
    crash[2] = w[task + STATE] << 24 | w[task + RESULT] << 16 & 0xFF0000 | w[task + GENERATION]
    crash[3] = uptime_ms
    crash[0] = _MAGIC << 16 | ((crash[1] * 31 + crash[2]) * 31 + crash[3]) & 0xFFFF


def take():
    """Return once what ended the last run, in the order of `terms.FAULT_FORMAT`, or None.

    When the watchdog ran out, or the processor had a fault, before the kernel could say why, that
    is what the tick saw last.
    """
    head, who, doing, uptime_ms = [machine.mem32[SCRATCH + 4 * n] for n in range(4)]
    machine.mem32[SCRATCH] = RUNS
    if head == RUNS:
        machine.mem32[SCRATCH + 4] = 0
        if who == _FAULTED:
            cause = PROCESSOR_FAULT
        elif machine.mem32[WATCHDOG_REASON] & 1:  # it ran out
            cause = WATCHDOG_FIRED
        else:
            return None
        who = cause << 8 | uptime_ms >> TASK_SHIFT
        uptime_ms = ((uptime_ms & _UPTIME_MASK) << 15) // 1000 & TIME_MASK
    elif head != _MAGIC << 16 | ((who * 31 + doing) * 31 + uptime_ms) & 0xFFFF:
        return None
    state, operation = doing >> 24, doing >> 16 & 0xFF
    return who & 0xFF, who >> 8, state, operation, 0, 0, doing & 0xFFFF, uptime_ms
