"""An asyncio program as a service: its loop waits in the kernel, and its tasks await traps.

    async def main(task):
        await run(task, program(task))

takes the place of `asyncio.run(program())`. The tasks, events, locks and streams are MicroPython's
own; only the loop is another: where asyncio would wait or go on to the next task, this one
receives, so that others run, messages are answered, and each step of a task is a step of the
service. A task that awaits a trap, `await task.call(led, TOGGLE)`, holds the others up until it
has its result, as a call of a blocking function would.

asyncio keeps its queue in its module: one service of a system may run it (`bulkhead check`).
"""

from asyncio import CancelledError, create_task, new_event_loop
from asyncio import core  # type: ignore[attr-defined]
from time import ticks_diff, ticks_ms

from kernel.abi import NOTIFIED, REFUSED, TIMEOUT
from micropython import const

_POLL_MS = const(10)  # between two looks at streams that a task waits for


def refuse(_operation, _arg):
    """Answer every message with REFUSED."""
    return REFUSED, None


def run(task, program, answer=refuse):
    """Run a coroutine with all its tasks until it ends; return its result, or raise its exception.

    `answer(operation, task.arg)` is called for each message, and for a notification with NOTIFIED
    and its bits; it returns a status and a value, which go to who has called.
    """
    new_event_loop()
    main = create_task(program)
    while True:
        yield from _receive(task, answer)
        due = core._task_queue.peek()
        if due is None or ticks_diff(due.ph_key, ticks_ms()) > 0:
            continue
        core._task_queue.pop()
        core.cur_task = due
        thrown = due.data
        error = yield from _step(due, thrown)
        if error is not None and due is main:
            core.cur_task = None
            due.state = False
            if isinstance(error, StopIteration):
                return error.value
            raise error
        if error is not None:
            _end(due, thrown if due.state is None else error)


def _receive(task, answer):
    """Wait until a task is due, or for a message, and answer that."""
    pause_ms = None
    if core._io_queue.map:
        core._io_queue.wait_io_event(0)
        pause_ms = _POLL_MS
    due = core._task_queue.peek()
    if due is not None:
        due_ms = max(0, ticks_diff(due.ph_key, ticks_ms()))
        pause_ms = due_ms if pause_ms is None else min(pause_ms, due_ms)
    operation = yield from task.recv(pause_ms)
    if operation == TIMEOUT:
        return
    caller = task.caller()
    status, value = answer(operation, task.bits() if operation == NOTIFIED else task.arg)
    if caller:
        yield from task.reply_to(caller, status, value)


def _step(task, thrown):
    """Resume a task up to its next wait; return what it ended with, None if it has not."""
    try:
        if thrown is None:
            word = task.coro.send(None)
        else:
            task.data = None
            word = task.coro.throw(thrown)
        while word is not None:  # a trap: only what waits for asyncio yields None
            word = task.coro.send((yield word))
    except (CancelledError, Exception) as error:
        return error
    return None


def _end(task, error):
    """Wake who waits for a task that has ended, as asyncio's own loop does."""
    if task.state is None:  # it had ended before, by an exception that nobody has waited for
        task.data = error
        core._exc_context["exception"] = error
        core._exc_context["future"] = task
        core.Loop.call_exception_handler(core._exc_context)
        return
    is_awaited = False
    if callable(task.state):  # what `gather` and `wait_for` set
        task.state(task, error)
        is_awaited = True
    elif task.state is not True:
        while task.state.peek():
            core._task_queue.push(task.state.pop())
            is_awaited = True
    task.state = False if is_awaited or task.state is not True else None
    if not is_awaited and not isinstance(error, (CancelledError, StopIteration)):
        core._task_queue.push(task)  # so that it is told, unless somebody waits for it first
    task.data = error
