"""The two levels the dispatcher runs at, and the landing pad of what ends a step early.

Main level: `main_level` resumes tasks and sleeps when none is ready. Interrupt level: the tick
or a device asks the port for `Levels.interrupt`, which the interpreter calls at a branch of the
running task's bytecode; it resumes what is more important on top of that task and returns to it.

A kill is a KeyboardInterrupt that the tick injects into whatever runs. `land` tells it from an
operator's Ctrl-C by the STRUCK word, which only the tick sets; what is neither, as the port can
tell, a service has raised itself. It may arrive late, after the step it was meant for has ended:
then it is still pending, and the port's `pad` gives it a branch to land on before anything else is
resumed.
"""

from bulkhead import BadOperand
from kernel.abi import BUDGET, EVENT_OVERRAN, EXCEPTION, INJECTED, MEMORY, RETURNED, SYSCALL
from kernel.budgets import close_now
from kernel.dispatch import dispatch
from kernel.faults import fault, is_closing
from kernel.outputs import make_safe
from kernel.trace import note_event
from kernel.layout import *
from kernel.limits import IDLE_PRIORITY, TIME_HALF, TIME_MASK, TIME_SLICE_US
import micropython

# What is no EXCEPTION. Bound once: the interpreter takes 8 us to find one among its builtins.
_OTHERS = (KeyboardInterrupt, MemoryError, StopIteration, BadOperand)


@micropython.native
def run(kernel):
    """Dispatch until nothing more important than the preempted task is ready; never raises.

    Viper code would keep what it catches as a global name, which takes 40 us before outputs are
    made safe.
    """
    w = kernel.words
    while True:
        try:
            dispatch(w, w, 0, kernel)
            return
        except BaseException as error:
            land(kernel, error)


@micropython.native
def land(kernel, error):
    """Find out what ended the step of RUNNING_TASK, and fault the task accordingly."""
    w = kernel.words
    in_task = w[ARMED]
    w[ARMED] = 0
    make_safe(kernel, w[RUNNING_TASK])  # before anything is found out
    if w[STRUCK]:  # again, while the first strike unwound what it landed in
        kernel.port.pad()
    task = w[RUNNING_TASK]
    if in_task:
        spent = (kernel.now() - w[NOW]) & TIME_MASK
        w[task + CPU_US] = (w[task + CPU_US] + spent) & TIME_MASK
        if in_task == RESUMED:
            kernel.generators[task >> RECORD_SHIFT] = None  # what it raised has ended it
    kind = EXCEPTION
    if isinstance(error, _OTHERS):
        if isinstance(error, StopIteration):
            kind = RETURNED
        elif isinstance(error, MemoryError):
            kind = MEMORY
        elif isinstance(error, BadOperand):
            kind = SYSCALL
        elif w[STRUCK] or kernel.port.is_operators(error):
            kind = BUDGET
            note_event(kernel, EVENT_OVERRAN, task, 0)
            if w[STRUCK] == 0:
                w[STOPPED] = 1
                kind = INJECTED
    w[STRUCK] = 0
    if not in_task and kind != MEMORY:
        kind = SYSCALL
    if is_closing(w, task):
        if kernel.generators[task >> RECORD_SHIFT] is not None:
            close_now(kernel, task)
        else:
            kernel.closed(kernel, task, error)
    else:
        fault(kernel, task, kind, error, in_task)


@micropython.viper
def enter_interrupt_level(kernel):
    """Run what is more important than the preempted task, on top of it. Never raises.

    Called by the interpreter at a branch of whatever runs. If that is the kernel itself (idle,
    or in the fault path), or a task that has been struck, there is nothing to do: the kernel's
    loop looks next. Where the preempted task has left too little of the stack, or has locked the
    heap, it waits: the tick asks again. Calls nothing before it has raised the limit of the stack,
    which may be used up. Allocates nothing.

    What it needs is in one tuple: among the names of the kernel, and the attributes of its object,
    each takes up to 7 us to find.
    """
    words, timer, deliver, run = kernel.entry
    w = ptr32(words)
    w[SCHEDULED] = 0
    armed = w[ARMED]
    w[ARMED] = 0  # first: no strike comes from here on, and one that came before is seen
    if armed == 0 or w[STRUCK]:
        w[ARMED] = armed
        return
    stack = w[w[LINES_END] + STACK]
    if stack:
        share = ptr32(stack)
        thread = ptr32(share[STACK_THREAD])
        used = thread[STACK_TOP] - thread[STACK_LANDING]
        if used > share[STACK_ENTRY_MOST] or thread[STACK_LOCKS] & 0xFFFE:
            w[ARMED] = armed
            return
        share[STACK_SAVED] = thread[STACK_LIMIT]
        used += share[STACK_EACH]
        thread[STACK_LIMIT] = used if used < share[STACK_MOST] else share[STACK_MOST]
    outer = w[RUNNING_TASK]
    clock = ptr32(timer)
    now = clock[0] & TIME_MASK
    began = w[NOW]
    remaining = (w[STEP_DEADLINE] - now) & TIME_MASK
    if outer == 0:
        kernel.port.leave_guest()
    slice_end = w[SLICE_END]
    shares = outer and (now - slice_end) & TIME_HALF == 0
    particulars = w[PARTICULARS] + (outer >> PARTICULAR_SHIFT)
    closes = w[particulars + ENDING] & LAST_STEP
    w[OUTER] = outer
    w[FLOOR] = w[outer + PRIORITY] + 1 if shares else w[outer + PRIORITY]
    w[SHARE_END] = (now + TIME_SLICE_US) & TIME_MASK
    w[NOW] = now
    if w[IRQ_PENDING]:
        deliver(w)
    run(kernel)
    w[OUTER] = 0
    w[FLOOR] = IDLE_PRIORITY
    if w[STRUCK]:
        kernel.port.pad()
        w[STRUCK] = 0
    end = clock[0] & TIME_MASK
    if outer:
        if w[particulars + ENDING] & LAST_STEP > closes:  # ended: it has no more than this step
            w[STRUCK] = 1
            remaining = 0
    w[NOW] = (began + end - now) & TIME_MASK  # what ran on top is not the step's own time
    w[RUNNING_TASK] = outer
    w[SLICE_END] = (end + TIME_SLICE_US) & TIME_MASK if shares else slice_end
    w[STEP_DEADLINE] = (end + remaining) & TIME_MASK
    if outer == 0:
        kernel.port.back_to_guest()
    stack = w[w[LINES_END] + STACK]
    if stack:
        ptr32(ptr32(stack)[STACK_THREAD])[STACK_LIMIT] = ptr32(stack)[STACK_SAVED]
    w[ARMED] = armed


@micropython.native
def main_level(kernel):
    """Run the system until an operator's Ctrl-C; sleep whenever nothing is ready.

    On return the prompt is the guest: the services go on at the interrupt level.
    """
    w = kernel.words
    port = kernel.port
    callbacks = port.callbacks
    callbacks.hold(True)
    w[ARMED] = 0
    w[STOPPED] = 0
    port.set_guest(0)
    port.start_tick()
    # Bound once: these are on the way of an interrupt.
    now = kernel.now
    idle = port.idle
    dispatch_all = run
    memory = kernel.memory
    look = kernel.look
    queued = callbacks.queued
    while True:
        try:
            while not w[STOPPED]:
                dispatch_all(kernel)
                if w[STOPPED] or w[IRQ_PENDING]:
                    continue
                if queued[0]:  # a program has ended, and left it
                    callbacks.run_one()
                    continue
                left_us = -1
                if w[DEADLINES]:
                    left_us = (w[NEXT_DEADLINE] - now()) & TIME_MASK
                    if left_us >= TIME_HALF:
                        left_us = 0
                # Between any two of these, for an interrupt has to wait for each.
                if w[IRQ_PENDING]:
                    continue
                left_us = memory.idle_us(left_us)
                if w[IRQ_PENDING] or not left_us:
                    continue
                if look:
                    look(left_us)
                if not w[IRQ_PENDING]:
                    idle(left_us)
            break
        except KeyboardInterrupt as error:
            if port.is_operators(error):
                break
        except MemoryError:  # a service holds the heap, and to idle takes some of it
            kernel.reserve = None
            port.collect()
    lend_main_level(kernel, PROMPT)


def lend_main_level(kernel, guest):
    """Give the main level to a guest, PROGRAM or PROMPT, until `main_level` takes it back.

    The services go on at the interrupt level: the kernel's own record stands for the guest, and
    everything is more important.
    """
    w = kernel.words
    kernel.port.set_guest(guest)
    w[STOPPED] = 0
    w[OUTER] = 0
    w[RUNNING_TASK] = 0
    w[ARMED] = 1
    kernel.port.start_tick()
    kernel.port.request()
    kernel.port.callbacks.hold(False)  # last: what waits runs here
