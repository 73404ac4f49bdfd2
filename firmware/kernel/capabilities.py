"""Capabilities: what a task may reach, and what it may do there.

A handle is the number of a slot in the task's own table with the slot's generation, shifted into
their place in a trap word: one kept beyond a delete names nothing. A slot holds the target's
offset with the rights, and the target's generation with the badge that tells the receiver who
calls. A handle names one incarnation of its target: when that has died a trap through it answers
DEAD until `reopen` asks anew.
"""

from kernel.abi import (
    DEAD, FAULTED, HANDLE_GENERATION_MASK, HANDLE_GENERATION_SHIFT, HANDLE_SHIFT, OK, SLOT_MASK,
)  # fmt: skip
from kernel.layout import (
    BADGE_SHIFT, CAPABILITIES, CAPABILITY, CAPABILITY_COUNT, GENERATION, GENERATION_MASK, NAMED,
    OFFSET_MASK, RESULT, RIGHTS_MASK, RIGHTS_SHIFT, SLOT_SHIFT, STATE, TARGET, TASKS_END, USES,
)  # fmt: skip
import micropython


class NoRight(Exception):
    """The task used a handle it does not hold, or for what it has no right to: a SYSCALL fault."""


@micropython.viper
def lookup(w: ptr32, task: int, trap: int, right: int) -> int:
    """Return the offset of the capability behind the handle in `trap`.

    Raises NoRight if there is none or it lacks `right`. Does not look at the generation.
    """
    slot = trap >> HANDLE_SHIFT & SLOT_MASK
    if slot >= w[task + CAPABILITY_COUNT]:
        raise NoRight
    capability = w[task + CAPABILITIES] + slot * CAPABILITY
    target = w[capability + TARGET]
    generation = trap >> HANDLE_GENERATION_SHIFT & HANDLE_GENERATION_MASK
    if target >> SLOT_SHIFT != generation or (target >> RIGHTS_SHIFT) & right == 0:
        raise NoRight
    w[capability + USES] += 1
    return capability


@micropython.viper
def is_alive(w: ptr32, capability: int) -> int:
    """Return 1 if the capability's generation is that of its target, else 0."""
    target = w[capability + TARGET] & OFFSET_MASK
    return 1 if w[capability + NAMED] & GENERATION_MASK == w[target + GENERATION] else 0


@micropython.viper
def rename(w: ptr32, capability: int):
    """Let the capability name the present incarnation of its target, if that is a task."""
    target = w[capability + TARGET] & OFFSET_MASK
    if target >= w[TASKS_END]:
        return
    badge = w[capability + NAMED] >> BADGE_SHIFT
    w[capability + NAMED] = badge << BADGE_SHIFT | w[target + GENERATION]


@micropython.viper
def reopen(w: ptr32, frames, task: int, trap: int) -> int:
    """Ask for the present incarnation behind a handle: OK, or DEAD while there is none."""
    capability = int(lookup(w, task, trap, RIGHTS_MASK))
    target = w[capability + TARGET] & OFFSET_MASK
    if target < w[TASKS_END] and w[target + STATE] == FAULTED:
        w[task + RESULT] = DEAD
        return task
    rename(w, capability)
    w[task + RESULT] = OK
    return task
