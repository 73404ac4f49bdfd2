"""The one stack of MicroPython on the RP2040, shared out among those who run on top of each other.

From the top: what the main level runs - a guest, the prompt, or a service; above a guest or a
service what is more important, at the interrupt level; above all the tick, hard drivers and USB.
MicroPython looks at one word, `stack_limit`, whenever a function written in Python is called: who
has used so much gets "maximum recursion depth exceeded". So the word is set to what each may use,
and set anew where one gives way to the next:

| who | may use |
|---|---|
| a guest, the prompt | all but what is left for the interrupt level and interrupts |
| a service | 7,168 bytes from where the dispatcher resumes it, the same at both levels |
| an interrupt's handler | all there is |

The entry to the interrupt level and the handlers are called without that look, for whoever is
interrupted may have used its share up to the last byte: they have types of their own, copies of
MicroPython's that call the compiled code itself. Structures are those of MicroPython 1.26
(`py/mpstate.h`, `py/obj.h`, `py/objfun.h`); where they are not found nothing is changed.
"""

from array import array

import machine
import micropython
from kernel.layout import (
    STACK_LANDING, STACK_LIMIT, STACK_MOST, STACK_THREAD, STACK_TOP, STACK_WORDS,
)  # fmt: skip
from micropython import const
from uctypes import addressof

# What a service may use, from where the dispatcher resumes it; `firmware/README.md` says how deep
# that is.
_EACH_BYTES = const(7_168)
# What a preempted task uses beyond its limit, and the way to the dispatcher.
_ENTRY_BYTES = const(1_024)
# The tick with a kill, 1,000 of them seen; a pin's interrupt within that, and its hard step; USB.
_INTERRUPT_BYTES = const(2_048)
# Less than this is left for the interrupt level: it is not entered.
_LEAST_BYTES = const(3_072)
# MicroPython's own stack has not this much. There a guest may use all but what an interrupt needs,
# and services wait as long as it leaves them too little.
_ROOMY_BYTES = const(12_288)
_INTERRUPT_BYTES_LEAST = const(1_280)
# `gc_lock_depth` is so far into the state of the thread.
_LOCKS_BYTES = const(8)

# Of `mp_obj_type_t`: where the slots are, and the byte that numbers the slot of `call`.
_CALL_INDEX = const(10)
_SLOTS = const(20)
_RAM = const(0x20000000)
_SLOT_INDICES = range(8, 20)


class Stack:
    """The shares of the stack. `address` is that of the kernel's words on it, 0 without."""

    def __init__(self, collecting):
        """Take the address of `gc_lock_depth`, or 0."""
        self.address = 0
        self.limit_at = 0
        self.types = []
        self.none = array("i", [0] * STACK_WORDS)  # stands for the thread's state
        self.words = array("i", [addressof(self.none)] + [0] * (STACK_WORDS - 1))
        thread = collecting - _LOCKS_BYTES
        if not collecting or not _is_limit(thread + 4 * STACK_LIMIT):
            return
        full = _full(thread)
        if full >= _ROOMY_BYTES:
            most = full - _INTERRUPT_BYTES
            self.guest = most - _EACH_BYTES - _ENTRY_BYTES
        else:
            most = full - _INTERRUPT_BYTES_LEAST
            self.guest = most - _ENTRY_BYTES
        from port.rp2_found import STATE_BYTES, find_queue

        queue = find_queue(thread, bytearray(STATE_BYTES))
        enter_most = most - _LEAST_BYTES
        # In the order of `layout`.
        self.words = array("i", [thread, most, _EACH_BYTES, full, full, enter_most, queue, 0])
        if self.makes_unchecked():
            self.address = addressof(self.words)
            self.limit_at = thread + 4 * STACK_LIMIT

    @property
    def words_at(self):
        """The address of the words, also where they mean nothing."""
        return addressof(self.words)

    def makes_unchecked(self):
        """Tell whether `unchecked` does what it says."""
        probe = _probe()
        self.address = 1
        self.unchecked(probe)
        self.address = 0
        limit_at = self.words[STACK_THREAD] + 4 * STACK_LIMIT
        limit = machine.mem32[limit_at]
        machine.mem32[limit_at] = 0
        try:
            probe(None)
            return True
        except RuntimeError:
            return False
        finally:
            machine.mem32[limit_at] = limit

    def unchecked(self, function):
        """Have a compiled function, or a closure over one, be called however little is left."""
        if not self.address:
            return
        at = id(function)
        if machine.mem32[at] == machine.mem32[id(_probe())]:
            at = machine.mem32[at + 4]  # a closure's function
        kind = machine.mem32[at]
        if kind & _RAM:  # has been done
            return
        call = machine.mem8[kind + _CALL_INDEX]
        slots = max([machine.mem8[kind + index] for index in _SLOT_INDICES])
        own = array("i", [machine.mem32[kind + 4 * n] for n in range(_SLOTS // 4 + slots)])
        code = machine.mem32[at + 12]
        if kind == machine.mem32[id(_native)]:
            code += 4  # behind the offset of a generator's begin
        own[_SLOTS // 4 + call - 1] = code | 1
        self.types.append(own)
        machine.mem32[at] = addressof(own)

    @micropython.native
    def share(self, is_guest):
        """Set the limit of the main level: a guest's, or a service's that runs from here."""
        if self.address:
            words = self.words
            thread = words[STACK_THREAD]
            limit = self.guest
            if not is_guest:
                used = (
                    machine.mem32[thread + 4 * STACK_TOP]
                    - machine.mem32[thread + 4 * STACK_LANDING]
                )
                limit = min(used + _EACH_BYTES, words[STACK_MOST])
            machine.mem32[thread + 4 * STACK_LIMIT] = limit


def _full(thread):
    """Return what the stack has. A soft reset leaves the limit as it was set last.

    So it is kept, in units of 16 bytes, where only a reset of the board clears it: in the half
    word beside `gc_lock_depth`, which is there to align the next word.
    """
    kept_at = thread + _LOCKS_BYTES + 2
    if not machine.mem16[kept_at]:
        machine.mem16[kept_at] = machine.mem32[thread + 4 * STACK_LIMIT] >> 4
    return machine.mem16[kept_at] << 4


def _probe():
    """Return a compiled closure of one value."""
    value = None

    @micropython.viper
    def probe(_operand):
        return value

    return probe


@micropython.native
def _native():
    pass


def _nothing():
    pass


@micropython.native
def _is_limit(at):
    """Tell whether the word at an address is MicroPython's limit: at 0 nothing can be called.

    Compiled: at a branch of bytecode a callback that is due would be what raises.
    """
    limit = machine.mem32[at]
    if not 2_048 < limit < 65_536:
        return False
    machine.mem32[at] = 0
    try:
        _nothing()
        return False
    except RuntimeError:
        return True
    finally:
        machine.mem32[at] = limit
