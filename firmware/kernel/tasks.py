"""Incarnations of a task: how one begins."""

import sys

from bulkhead import Frame
from kernel.abi import *
from kernel.budgets import begin_period
from kernel.capabilities import renew
from kernel.faults import fault, is_closing
from kernel.layout import *
from kernel.limits import *
from kernel.notifications import post
from kernel.outputs import make_safe, release_outputs
from kernel.ready import push_back
from kernel.records import keep_late
from kernel.trace import note_event
import micropython
from micropython import const

_LOADS = const(1)  # operation of its SLEEP: it waits to load its module


def _types():
    """Return the types of what `main` may return; on MicroPython they are one."""

    def generator():
        yield

    async def coroutine():
        pass

    awaited = coroutine()
    awaited.close()
    return type(generator()), type(awaited)


GENERATORS = _types()


def beginning(kernel, number):
    """Be the first step of an incarnation: load the module afresh, make its generator, run it.

    A generator in the place of the service's own, so that a module whose top level raises or
    spins is a fault of its task like any other. While another loads, below this on the one stack
    there is, it waits, LOADING: two would not find enough of it, and one that sleeps would be
    taken for one that has got through its beginning. The supervisor waits as well where the
    heap is full, longer each time: whoever has filled it runs meanwhile, and fails or lets it go;
    one that was ended in the midst of the step below has to go on to its end for that.
    """
    yield  # a generator must be started with None: `start` does
    own = kernel.generators[number]
    entry = kernel.table[number - 1][ROW_ENTRY]
    main = entry
    w = kernel.words
    task = number << RECORD_SHIFT
    pause_ms = HEAP_PAUSE_MS if task == kernel.supervisor else 0
    if pause_ms and kernel.reserve is None and w[OUTER] and is_closing(w, w[OUTER]):
        yield Frame.sleep(kernel.frames[number], pause_ms)
    while True:
        if isinstance(entry, str):
            while kernel.loading not in (0, number):
                if w[(kernel.loading << RECORD_SHIFT) + STATE] in (DORMANT, FAULTED):
                    break  # it was dropped as it loaded
                yield Frame.sleep(kernel.frames[number], 1) + _LOADS
            w[STEP_DEADLINE] = (kernel.now() + LOAD_BUDGET_US) & TIME_MASK
            kernel.loading = number
        try:
            if isinstance(entry, str):
                try:
                    main = _load(kernel, entry).main
                finally:
                    kernel.loading = 0
            now = kernel.now()
            w[STEP_DEADLINE] = (now + w[task + BUDGET_US]) & TIME_MASK
            begin_period(kernel, task, (now - w[NOW]) & TIME_MASK)
            generator = kernel.generators[number] = make_generator(main, kernel.frames[number])
            try:
                trap = generator.send(None)
            except StopIteration:
                return
            break
        except MemoryError:
            if not 0 < pause_ms <= HEAP_PAUSE_MS_MAX:
                raise
        kernel.generators[number] = own
        yield Frame.sleep(kernel.frames[number], pause_ms)
        pause_ms *= 2
    own = None  # else it would hold itself
    yield trap


def make_generator(main, frame):
    """Return the generator of a service: the kernel resumes and closes no other object."""
    generator = main(frame)
    if type(generator) not in GENERATORS:
        raise TypeError("main(task) must be a generator function or an async def: no yield in it")
    return generator


def start(kernel, task):
    """Make a new incarnation of `task` ready; return whether it could be.

    It must be DORMANT or FAULTED; while it closes it is noted that it starts after that. Allocates
    its frame; raises MemoryError if there is no room.
    """
    w = kernel.words
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    if w[particulars + ENDING] & LAST_STEP:
        w[particulars + ENDING] |= AGAIN
        return True
    state = w[task + STATE]
    if state != DORMANT and state != FAULTED:
        return False
    renew(w, task)
    make_frame(kernel, task)
    number = task >> RECORD_SHIFT
    if kernel.loading == number:  # it was dropped as it loaded
        kernel.loading = 0
        kernel.acting[:] = 0, 0
    kernel.generators[number] = begun = beginning(kernel, number)
    begun.send(None)
    w[particulars + ENDING] &= 0xFF ^ KEPT_SAFE
    release_outputs(kernel, task)
    note_event(kernel, EVENT_STARTED, task, 0)
    make_ready(w, task)
    return True


def closed(kernel, task, error):
    """Leave a task at rest that has made its last step, or start it, if that was asked for.

    `error` is what ended that step, or None.
    """
    w = kernel.words
    particulars = w[PARTICULARS] + (task >> PARTICULAR_SHIFT)
    ending = w[particulars + ENDING]
    w[particulars + ENDING] = ending & UNREPORTED
    w[task + STATE] = DORMANT if ending & FOR_GOOD else FAULTED
    kernel.generators[task >> RECORD_SHIFT] = None
    make_safe(kernel, task)  # whatever its last step did to its outputs
    if not ending & FOR_GOOD and isinstance(error, KeyboardInterrupt):
        keep_late(kernel, task, error)
    if kernel.supervisor and w[kernel.supervisor + STATE] == FAULTED and task != kernel.supervisor:
        if not is_closing(w, kernel.supervisor):
            _start_supervisor(kernel)
    if not ending & AGAIN:
        return
    try:
        start(kernel, task)
    except MemoryError:
        if task == kernel.supervisor:
            _start_supervisor(kernel)
            return
        w[particulars + FAULT] = MEMORY
        w[particulars + ENDING] |= UNREPORTED
        post(w, kernel.supervisor, FAULT_BIT)


def make_frame(kernel, task):
    """Give an incarnation of `task` its frame, and return it."""
    row = kernel.table[(task >> RECORD_SHIFT) - 1]
    flags = row[ROW_OPTIONS][4]
    kind = Frame
    if flags & ASYNC:
        from bulkhead.aio import AsyncFrame as kind  # loaded where there is such a service
    frame = kind(kernel.window[task + REGISTERS : task + REGISTERS_END], _handles(row))
    if flags & HARD:
        frame.recv = frame.attend  # type: ignore[method-assign,assignment]
        frame.waits = ATTEND
    kernel.frames[task >> RECORD_SHIFT] = frame
    if kernel.words[kernel.words[PARTICULARS] + ARG_KEY]:
        kernel.words[task + FRAME] = id(frame)
    return frame


def _handles(row):
    """Return the handles of what the manifest names, by name; beside them the service's name.

    A handle is the number of a slot: those of the manifest come first, in its order.
    """
    handles = {"": row[ROW_NAME]}
    for entry in row[ROW_USES] + row[ROW_LINES]:
        handles[entry[0]] = len(handles) - 1 << HANDLE_SHIFT
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


def _load(kernel, path):
    """Import a module as if for the first time: module state does not survive an incarnation.

    To read one from a file takes 1.3 KB of heap in one piece for a while. At boot, when so much is
    read that all of the heap would be strewn with holes of that size, each finds the last one's.
    """
    modules = sys.modules
    if path not in modules and __file__.endswith(".mpy"):  # what is frozen has another name
        kernel.port.collect()
    modules.pop(path, None)
    __import__(path)
    return modules[path]


def guard_supervisor(kernel, kind):
    """Restart the supervisor; reset the board when it dies too often: nothing else would.

    One that dies at a full heap, of that or of what collecting it takes, may owe that to the
    guest's program that runs, which is interrupted first, or else to the service that holds most
    of it, which is faulted first.
    """
    now = kernel.now()
    quarters = kernel.words[kernel.words[PARTICULARS] + QUARTERS]
    age_us = (now - kernel.supervisor_since) & TIME_MASK
    if age_us > SUPERVISOR_WINDOW_US or quarters - kernel.supervisor_quarter > 1:
        kernel.supervisor_since = now
        kernel.supervisor_quarter = quarters
        kernel.supervisor_faults = 0
    kernel.supervisor_faults += 1
    most = SUPERVISOR_FAULTS_MAX
    guest = kernel.port.guest
    if kind == MEMORY or kind == BUDGET and (guest or kernel.reserve is None):
        is_last = kernel.supervisor_faults == most + 1
        if is_last and guest:
            kernel.words[STOPPED] = 1
        if not is_last or guest or _drop_holder(kernel):
            most *= 2
    if kernel.supervisor_faults > most:
        kernel.port.panic(SUPERVISOR_DIED)
    _start_supervisor(kernel)


def _start_supervisor(kernel):
    """Start the supervisor, once there is room for it.

    Where the holder of the heap is preempted, what it holds is free when its step has ended:
    `closed` calls this again then.
    """
    w = kernel.words
    while True:
        try:
            start(kernel, kernel.supervisor)
            return
        except MemoryError:
            if kernel.port.guest == 0 and w[OUTER] and is_closing(w, w[OUTER]):
                return
            if kernel.port.guest or not _drop_holder(kernel):
                kernel.port.panic(SUPERVISOR_DIED)
                return


def _drop_holder(kernel):
    """Fault the service that holds most of a full heap; return whether there is one.

    It gets no last step, as it would get none of a reset: what it holds is free at once.
    """
    holder = kernel.memory.holder()
    if holder:
        if holder != kernel.words[OUTER]:
            kernel.generators[holder >> RECORD_SHIFT] = None
        fault(kernel, holder, MEMORY, None)
    return holder
