"""Outputs: what a task drives is in its safe state from the end of an incarnation to the next one.

The build makes the list of what that takes of the manifest's `[safe]`; the port does it, in
microseconds and in any context (`Port.hold`). It is done as the first thing of every end, and
once more when the task's own closing steps are over; it holds the pins against whatever the dead
one has left running. A task's beginning lifts it (`Port.release`): then the pins are the new
incarnation's, at the same level.
"""

import micropython
from kernel.layout import DRIVEN, RECORD_SHIFT


# Both are on the way of a restart. What they need is in one tuple: an attribute of the kernel
# takes up to 7 us to find.


@micropython.viper
def make_safe(kernel, task: int):
    """Put the outputs of `task` into their safe state, and hold them there.

    Any context; allocates nothing. Where it is done again the time of the first stays.
    """
    outputs, held_ms, hold, _, uptime_ms = kernel.driving
    number = task >> RECORD_SHIFT
    held = outputs[number]
    if held:
        hold(held)
        since_ms = ptr32(held_ms)
        if since_ms[task >> RECORD_SHIFT] == DRIVEN:
            since_ms[task >> RECORD_SHIFT] = int(uptime_ms()) + 1


@micropython.viper
def make_all_safe(kernel):
    """Do that for every task: the board is about to be reset. Any context."""
    number = int(len(kernel.outputs))  # noqa: RUF046  (viper's)
    while number:
        number -= 1
        make_safe(kernel, number << RECORD_SHIFT)


@micropython.viper
def release_outputs(kernel, task: int):
    """Give the outputs of `task` to the incarnation that begins, as they are."""
    outputs, held_ms, _, release, _ = kernel.driving
    since_ms = ptr32(held_ms)
    if since_ms[task >> RECORD_SHIFT] != DRIVEN:
        since_ms[task >> RECORD_SHIFT] = DRIVEN
        number = task >> RECORD_SHIFT
        release(outputs[number])
