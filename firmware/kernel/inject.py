"""Injected misbehaviour: what stands in for a task's own generator, see `bulkhead.injections`."""

from kernel.abi import (
    DORMANT, DROP_REPLY, FAULTED, FLOOD, INJECTED, KILL_IN_START, OK, READY, RUNNING,
)  # fmt: skip
from kernel.faults import fault
from kernel.irq import dismiss
from kernel.layout import OUTER, RECORD_SHIFT, ROW_USES, STATE
from kernel.tasks import start
from kernel.timeouts import end_wait


def inject(kernel, task, kind):
    """Make `task` misbehave; return whether it is in a state, and `kind` one, that can be.

    What waits for a reply, or an occasion to flood, leaves its present wait alone; all others end
    it, so that they happen at once. KILL_IN_START ends the task and begins its next incarnation.
    """
    w = kernel.words
    number = task >> RECORD_SHIFT
    state = w[task + STATE]
    if state == DORMANT or state == FAULTED or task == w[OUTER]:
        return False
    try:
        from bulkhead.injections import stand_in

        if kind == KILL_IN_START:
            if task == kernel.supervisor:
                return False
            fault(kernel, task, INJECTED, None)
            start(kernel, task)
            state = READY
        uses = kernel.table[number - 1][ROW_USES]
        generator = stand_in(kind, kernel.generators[number], kernel.frames[number], uses)
    except MemoryError:
        return False
    if not generator:
        return False
    kernel.generators[number] = generator
    generator.send(None)
    if not DROP_REPLY <= kind <= FLOOD and state != READY and state != RUNNING:
        dismiss(w, task)
        end_wait(w, task, OK)
    return True
