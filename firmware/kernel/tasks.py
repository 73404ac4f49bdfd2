"""Incarnations of a task: how one begins."""

import sys

from bulkhead import Frame
from kernel.abi import (
    ASYNC, ATTEND, DORMANT, EVENT_STARTED, FAULTED, HANDLE_SHIFT, HARD, SUPERVISOR_DIED,
)  # fmt: skip
from kernel.budgets import begin_period
from kernel.capabilities import renew
from kernel.layout import (
    ARG_KEY, BUDGET_US, FRAME, NOW, PARTICULARS, RECORD_SHIFT, REGISTERS, REGISTERS_END, RESULT,
    ROW_ENTRY, ROW_LINES, ROW_NAME, ROW_OPTIONS, ROW_USES, STATE, STEP_DEADLINE,
)  # fmt: skip
from kernel.limits import LOAD_BUDGET_US, SUPERVISOR_FAULTS_MAX, SUPERVISOR_WINDOW_US, TIME_MASK
from kernel.ready import push_back
from kernel.trace import note_event
import micropython


def beginning(kernel, number):
    """Be the first step of an incarnation: load the module afresh, make its generator, run it.

    A generator in the place of the service's own, so that a module whose top level raises or
    spins is a fault of its task like any other. While another loads, below this on the one stack
    there is, it waits: two would not find enough of it.
    """
    yield  # a generator must be started with None: `start` does
    entry = kernel.table[number - 1][ROW_ENTRY]
    main = entry
    w = kernel.words
    task = number << RECORD_SHIFT
    if isinstance(entry, str):
        while kernel.loading != number and _is_up(w, kernel.loading << RECORD_SHIFT):
            yield Frame.sleep(kernel.frames[number], 1)
        w[STEP_DEADLINE] = (kernel.port.now() + LOAD_BUDGET_US) & TIME_MASK
        kernel.loading = number
        try:
            main = _load(entry).main
        finally:
            kernel.loading = 0
        w[STEP_DEADLINE] = (kernel.port.now() + w[task + BUDGET_US]) & TIME_MASK
    begin_period(kernel, task, (kernel.port.now() - w[NOW]) & TIME_MASK)
    generator = main(kernel.frames[number])
    if not hasattr(generator, "send"):
        raise TypeError("main(sys) must be a generator function or an async def: no yield in it")
    kernel.generators[number] = generator
    try:
        trap = generator.send(None)
    except StopIteration:
        return
    yield trap


def _is_up(w, task):
    """Tell whether there is such a task, and it has not failed: one may be dropped as it loads."""
    return task and w[task + STATE] != DORMANT and w[task + STATE] != FAULTED


def start(kernel, task):
    """Make a new incarnation of `task` ready; return whether it could be.

    It must be DORMANT or FAULTED. Allocates its frame; raises MemoryError if there is no room.
    """
    w = kernel.words
    state = w[task + STATE]
    if state != DORMANT and state != FAULTED:
        return False
    renew(w, task)
    make_frame(kernel, task)
    number = task >> RECORD_SHIFT
    kernel.generators[number] = begun = beginning(kernel, number)
    begun.send(None)
    note_event(kernel, EVENT_STARTED, task, 0)
    make_ready(w, task)
    return True


def make_frame(kernel, task):
    """Give an incarnation of `task` its frame, and return it."""
    w = kernel.words
    number = task >> RECORD_SHIFT
    kind = Frame
    row = kernel.table[number - 1]
    options = row[ROW_OPTIONS][4] if len(row) > ROW_OPTIONS else 0
    if options & ASYNC:
        from bulkhead.aio import AsyncFrame as kind  # loaded where there is such a service
    registers = kernel.window[task + REGISTERS : task + REGISTERS_END]
    frame = kind(registers, _handles(row))
    if options & HARD:
        frame.recv = frame.attend  # type: ignore[method-assign,assignment]
        frame.waits = ATTEND
    kernel.frames[number] = frame
    w[task + FRAME] = id(frame) if w[w[PARTICULARS] + ARG_KEY] else 0
    return frame


def _handles(row):
    """Return the handles of what the manifest names, by name; beside them the service's name.

    A handle is the number of a slot: those of the manifest come first, in its order.
    """
    handles = {"": row[ROW_NAME]}
    handle = 0
    for entry in row[ROW_USES] + row[ROW_LINES]:
        handles[entry[0]] = handle
        handle += 1 << HANDLE_SHIFT
    return handles


@micropython.viper
def make_ready(w: ptr32, task: int):
    """Queue `task` for the first step of what is new to it."""
    register = REGISTERS
    while register < REGISTERS_END:
        w[register + task] = 0
        register += 1
    w[task + RESULT] = 0
    push_back(w, task)


def _load(path):
    """Import a module as if for the first time: module state does not survive an incarnation."""
    sys.modules.pop(path, None)
    __import__(path)
    return sys.modules[path]


def guard_supervisor(kernel):
    """Restart the supervisor; reset the board when it dies too often: nothing else would."""
    now = kernel.port.now()
    if (now - kernel.supervisor_since) & TIME_MASK > SUPERVISOR_WINDOW_US:
        kernel.supervisor_since = now
        kernel.supervisor_faults = 0
    kernel.supervisor_faults += 1
    if kernel.supervisor_faults > SUPERVISOR_FAULTS_MAX:
        kernel.port.panic(SUPERVISOR_DIED)
    try:
        start(kernel, kernel.supervisor)
    except MemoryError:
        kernel.port.panic(SUPERVISOR_DIED)
