"""Capabilities: what a task may reach, and what it may do there.

A handle is the number of a slot in the task's own table with the slot's generation, shifted into
their place in a trap word: one kept beyond a delete names nothing again. A slot whose 63
generations are used up takes nothing more, until its task starts again or says that it keeps no
such handle (`recycle`). A slot holds the target's offset with the rights, and the target's
generation with the badge that tells the receiver who calls. A handle names one incarnation of its
target: when that has died a trap through it answers DEAD until `reopen` asks anew. So does one of
a task that starts after its target has failed, and before that has begun anew.

Every capability is derived from another, its PARENT, in the same table (`mint`) or in another
(a grant, see `ipc`), up to one that a manifest names. One that was revoked answers DEAD, also to
`reopen`, until it is deleted: its holder could not know. It names generation 0, which no task ever
has. A slot without rights is free; one whose capability came from the manifest keeps what that
was in PARENT, until its task starts again.
"""

from kernel.abi import *
from kernel.layout import *
import micropython
from micropython import const

# Rights whose traps look at the generation that the capability names.
_CHECKED = const(1 | 2 | 4)  # MAY_CALL, MAY_SEND, MAY_NOTIFY


class NoRight(Exception):
    """The task used a handle it does not hold, or for what it has no right to: a SYSCALL fault."""


def lookup(w, task, trap, right):
    """Return the offset of the capability behind the handle in `trap`.

    Raises NoRight if there is none or it lacks `right`. Does not look at the generation.
    """
    capability = find(w, task, trap, right)
    if not capability:
        raise NoRight(_refusal(w, task, trap, right))
    return capability


def check_control(w, task, trap):
    """Raise NoRight unless the handle in `trap` is of the kernel, with the right to control.

    A right to control that is of another service, the supervisor, is for that to judge.
    """
    if w[lookup(w, task, trap, MAY_CONTROL) + TARGET] & OFFSET_MASK:
        raise NoRight("its capability is not the kernel's")


def target_of(w, task, trap):
    """Return the task that a control trap speaks of, 0 if there is none of that number."""
    check_control(w, task, trap)
    target = (trap & 0xFF) << RECORD_SHIFT
    return target if target < w[TASKS_END] else 0


def _refusal(w, task, trap, right):
    """Return why there is no capability behind the handle in `trap` for that right."""
    slot = trap >> HANDLE_SHIFT & SLOT_MASK
    if slot >= w[task + CAPABILITY_COUNT]:
        return "the handle names no slot of this service's table"
    target = w[w[task + CAPABILITIES] + slot * CAPABILITY + TARGET]
    generation = trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
    if target >> SLOT_SHIFT != generation or not target >> RIGHTS_SHIFT & RIGHTS_MASK:
        return "the handle's capability was given up"
    for bit, name in enumerate(RIGHT_NAMES):
        if right == 1 << bit:
            return "its capability has no right to " + name
    return "its capability has no rights"


@micropython.viper
def find(w: ptr32, task: int, trap: int, right: int) -> int:
    """Do as `lookup`, but return 0 for a refusal: at the hard level nothing can be raised."""
    capability = 0
    slot = trap >> HANDLE_SHIFT & SLOT_MASK
    if slot < w[task + CAPABILITY_COUNT]:
        at = w[task + CAPABILITIES] + slot * CAPABILITY
        held = ptr32(int(uint(w)) + (at << 2))
        target = held[TARGET]
        generation = trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
        if target >> SLOT_SHIFT == generation and (target >> RIGHTS_SHIFT) & right:
            held[USES] += 1
            capability = at
    return capability


@micropython.viper
def is_alive(w: ptr32, capability: int) -> int:
    """Return 1 if the capability's generation is that of its target, else 0."""
    target = w[capability + TARGET] & OFFSET_MASK
    return 1 if w[capability + NAMED] & GENERATION_MASK == w[target + GENERATION] else 0


@micropython.viper
def is_down(w: ptr32, task: int) -> int:
    """Return 1 if `task` has failed, and its next incarnation has not begun, else 0."""
    if w[task + STATE] == FAULTED:
        return 1
    ending = w[w[PARTICULARS] + (task >> PARTICULAR_SHIFT) + ENDING]
    return 1 if ending & (LAST_STEP | FOR_GOOD) == LAST_STEP else 0


@micropython.viper
def rename(w: ptr32, capability: int):
    """Let the capability name the present incarnation of its target, if that is a task."""
    target = w[capability + TARGET] & OFFSET_MASK
    if target == 0 or target >= w[TASKS_END]:
        return
    badge = w[capability + NAMED] >> BADGE_SHIFT
    w[capability + NAMED] = badge << BADGE_SHIFT | w[target + GENERATION]


def reopen(kernel, w, task, trap):
    """Ask for the present incarnation behind a handle: OK, or DEAD while there is none."""
    capability = lookup(w, task, trap, RIGHTS_MASK)
    target = w[capability + TARGET] & OFFSET_MASK
    revoked = w[capability + NAMED] & GENERATION_MASK == 0
    if revoked or (target and target < w[TASKS_END] and is_down(w, target)):
        w[task + RESULT] = DEAD
        return task
    rename(w, capability)
    w[task + RESULT] = OK
    return task


def mint(kernel, w, task, trap):
    """Copy a capability within the table: OK with the new handle in `arg`, or FULL.

    The operation field has the rights to keep, ALL_RIGHTS for all; with TIMED the first register
    has a new badge. Whoever may hand a capability on says for whom: that takes MAY_GRANT.
    """
    parent = lookup(w, task, trap, RIGHTS_MASK)
    held = (w[parent + TARGET] >> RIGHTS_SHIFT) & RIGHTS_MASK
    rights = trap & 0xFF
    if rights == ALL_RIGHTS:
        rights = held
    badge = w[parent + NAMED] >> BADGE_SHIFT
    if trap & TIMED:
        badge = w[task + REGISTER_TIMEOUT]
        if held & MAY_GRANT == 0 or badge < 0 or badge > BADGE_MAX:
            raise NoRight("mint: a badge of one's own needs the right to grant")
    if rights == 0 or rights & held != rights:
        raise NoRight("mint: rights that the capability has not")
    handle = derive(w, task, parent, rights, badge)
    if handle:
        kernel.frames[task >> RECORD_SHIFT].arg = handle
    w[task + RESULT] = OK if handle else FULL
    return task


@micropython.viper
def derive(w: ptr32, task: int, parent: int, rights: int, badge: int) -> int:
    """Put a capability derived from `parent` into a free slot of `task`: its handle, 0 for none.

    The handle is never 0: generations of slots that capabilities come and go in begin at 1. A slot
    beyond its last one is not taken.
    """
    table = w[task + CAPABILITIES]
    here = table
    end = table + (w[task + CAPABILITY_COUNT] << CAPABILITY_SHIFT)
    best = 0
    generation = HANDLE_GENERATION_MASK + 1
    while here < end:
        target = w[here + TARGET]
        if (target >> RIGHTS_SHIFT) & RIGHTS_MASK | w[here + PARENT] == 0:
            if target >> SLOT_SHIFT < generation:
                generation = target >> SLOT_SHIFT
                best = here
        here += CAPABILITY
    if best == 0:
        return 0
    target = rights << RIGHTS_SHIFT | w[parent + TARGET] & OFFSET_MASK
    w[best + TARGET] = generation << SLOT_SHIFT | target
    w[best + NAMED] = badge << BADGE_SHIFT | w[parent + NAMED] & GENERATION_MASK
    w[best + PARENT] = parent
    w[best + USES] = 0
    slot = (best - table) << (HANDLE_SHIFT - CAPABILITY_SHIFT)
    return generation << HANDLE_GENERATION_SHIFT | slot


def delete(kernel, w, task, trap):
    """Free a slot: OK. What was derived from it is its parent's from now on.

    Only a capability from the manifest has no parent to leave it to: it is revoked. With operation
    RECYCLE nothing is freed: see `recycle`.
    """
    if trap & 0xFF == RECYCLE:
        recycle(w, task)
        w[task + RESULT] = OK
        return task
    capability = lookup(w, task, trap, RIGHTS_MASK)
    parent = w[capability + PARENT]
    if parent == 0:
        revoke_all(w, capability, capability + CAPABILITY)
    else:
        here = w[CAPABILITIES_FROM]
        end = w[CAPABILITIES_END]
        while here < end:
            live = (w[here + TARGET] >> RIGHTS_SHIFT) & RIGHTS_MASK
            if live and w[here + PARENT] == capability:
                w[here + PARENT] = parent
            here += CAPABILITY
    clear(w, capability)
    w[task + RESULT] = OK
    return task


@micropython.viper
def clear(w: ptr32, capability: int):
    """Free a slot: a handle of what was in it names nothing any more."""
    target = w[capability + TARGET]
    if w[capability + PARENT] == 0:
        w[capability + PARENT] = target
        w[capability + TARGET] = 1 << SLOT_SHIFT
        return
    w[capability + PARENT] = 0
    w[capability + TARGET] = ((target >> SLOT_SHIFT) + 1) << SLOT_SHIFT


@micropython.viper
def recycle(w: ptr32, task: int):
    """Let free slots of `task` that have used up their generations take capabilities again."""
    here = w[task + CAPABILITIES]
    end = here + (w[task + CAPABILITY_COUNT] << CAPABILITY_SHIFT)
    while here < end:
        target = w[here + TARGET]
        if (target >> RIGHTS_SHIFT) & RIGHTS_MASK | w[here + PARENT] == 0:
            if target >> SLOT_SHIFT > HANDLE_GENERATION_MASK:
                w[here + TARGET] = 1 << SLOT_SHIFT
        here += CAPABILITY


def revoke(kernel, w, task, trap):
    """Take back all that was derived from a capability, which itself stays: OK."""
    capability = lookup(w, task, trap, RIGHTS_MASK)
    revoke_all(w, capability, capability + CAPABILITY)
    w[task + RESULT] = OK
    return task


@micropython.viper
def revoke_all(w: ptr32, low: int, high: int):
    """Take back every capability, of any task, derived from those from `low` up to `high`.

    One whose parent is free, or was taken back itself, is derived from what this call has freed:
    each pass over all tables takes at least one more generation of them.
    """
    found = 1
    while found:
        found = 0
        here = w[CAPABILITIES_FROM]
        end = w[CAPABILITIES_END]
        while here < end:
            parent = w[here + PARENT]
            rights = (w[here + TARGET] >> RIGHTS_SHIFT) & RIGHTS_MASK
            if parent and rights and w[here + NAMED] & GENERATION_MASK:
                live = (w[parent + TARGET] >> RIGHTS_SHIFT) & RIGHTS_MASK
                if w[parent + NAMED] & GENERATION_MASK == 0:
                    live = 0
                if live == 0 or (parent >= low and parent < high):
                    bury(w, here, rights & _CHECKED)
                    found = 1
            here += CAPABILITY


@micropython.viper
def bury(w: ptr32, capability: int, rights: int):
    """Leave `rights` of a capability, none of them of any use but to be told DEAD."""
    if rights == 0:
        clear(w, capability)
        return
    target = w[capability + TARGET]
    slot = target >> SLOT_SHIFT << SLOT_SHIFT
    w[capability + TARGET] = slot | rights << RIGHTS_SHIFT | target & OFFSET_MASK
    w[capability + NAMED] = w[capability + NAMED] >> BADGE_SHIFT << BADGE_SHIFT


@micropython.viper
def forget(w: ptr32, task: int):
    """Empty the table of a task that ends of all its manifest does not name, and revoke that.

    What was derived in other tasks from its manifest's capabilities is revoked too.
    """
    table = w[task + CAPABILITIES]
    end = table + (w[task + CAPABILITY_COUNT] << CAPABILITY_SHIFT)
    here = table
    while here < end:
        if w[here + PARENT] and (w[here + TARGET] >> RIGHTS_SHIFT) & RIGHTS_MASK:
            clear(w, here)
        here += CAPABILITY
    revoke_all(w, table, end)


@micropython.viper
def renew(w: ptr32, task: int):
    """Fill the table of a task that starts as its manifest says, naming present incarnations.

    Of a task that has failed and not begun anew it is the one that failed: a trap through it
    answers DEAD, as `reopen` does.
    """
    recycle(w, task)
    here = w[task + CAPABILITIES]
    end = here + (w[task + CAPABILITY_COUNT] << CAPABILITY_SHIFT)
    while here < end:
        if w[here + PARENT]:
            w[here + TARGET] = w[here + PARENT]
            w[here + PARENT] = 0
        rename(w, here)
        target = w[here + TARGET] & OFFSET_MASK
        if target and target < w[TASKS_END] and int(is_down(w, target)):
            named = w[here + NAMED]
            if named & GENERATION_MASK == 1:
                named += GENERATION_MASK
            w[here + NAMED] = named - 1
        here += CAPABILITY
