"""A call and its reply, on a running kernel with its tick.

Between start and stop: `_CALLS` times `yield task.call(server, ECHO, number)` in the client's own
loop, the loop's cost included. The server is one `yield task.reply_recv(OK, task.arg)` in a loop.
Both are at the same priority, so that nothing is lent, unless the figure says so. For
`call_reply_driven_us` both have safe states for eight pins.
`await_extra_us` is what a trap costs more when it is awaited: a call and its reply are two.
"""

import gc
from time import ticks_diff, ticks_us

from bench.report import figure
from bench.stage import CALL_SERVER, Stage, row
from bench.stores import eight_pins
from bulkhead import OK
from kernel.abi import ASYNC
from micropython import const

_CALLS = const(300)
_ECHO = const(1)
_PRIORITY = const(4)


def server(task):
    """Answer every message with its own value."""
    yield task.recv()
    while True:
        yield task.reply_recv(OK, task.arg)


async def async_server(task):
    """Answer every message with its own value, awaiting."""
    await task.recv()
    while True:
        await task.reply_recv(OK, task.arg)


def idle(task):
    """Sleep a second at a time."""
    while True:
        yield task.sleep(1000)


def measure(idle_tasks=0, server_priority=_PRIORITY, outputs=()):
    """Return (microseconds, bytes of heap) per call, beside tasks that sleep."""
    stage = Stage()
    result = [0.0, 0.0]

    def client(task):
        handle = task.cap("server")
        yield task.sleep(1)  # the others begin and wait
        start = ticks_us()
        for number in range(_CALLS):
            yield task.call(handle, _ECHO, number)
        result[0] = ticks_diff(ticks_us(), start) / _CALLS
        gc.collect()
        before = gc.mem_alloc()
        for number in range(_CALLS):
            yield task.call(handle, _ECHO, number)
        result[1] = (gc.mem_alloc() - before) / _CALLS
        stage.finish()

    table = [
        row("server", server, server_priority, outputs=outputs),
        row("client", client, _PRIORITY, (CALL_SERVER,), outputs=outputs),
    ]
    for number in range(idle_tasks):
        table.append(row("idle%d" % number, idle, _PRIORITY))
    stage.perform(table)
    return result


def measure_awaiting():
    """Return (microseconds, bytes of heap) per call where client and server are `async def`."""
    stage = Stage()
    result = [0.0, 0.0]

    async def client(task):
        handle = task.cap("server")
        await task.sleep(1)
        await task.call(handle, _ECHO, 0)  # keeps the end of an await that was OK
        start = ticks_us()
        for number in range(_CALLS):
            await task.call(handle, _ECHO, number)
        result[0] = ticks_diff(ticks_us(), start) / _CALLS
        gc.collect()
        before = gc.mem_alloc()
        for number in range(_CALLS):
            await task.call(handle, _ECHO, number)
        result[1] = (gc.mem_alloc() - before) / _CALLS
        stage.finish()

    stage.perform(
        [
            row("server", async_server, _PRIORITY, flags=ASYNC),
            row("client", client, _PRIORITY, (CALL_SERVER,), flags=ASYNC),
        ]
    )
    return result


def main():
    """Measure."""
    microseconds, size = measure()
    awaiting, awaiting_size = measure_awaiting()
    figure("await_extra_us", (awaiting - microseconds) / 2)
    figure("await_bytes", awaiting_size / 2)
    figure("call_reply_us", microseconds)
    figure("call_reply_bytes", size)
    figure("call_reply_8_tasks_us", measure(idle_tasks=8)[0])
    figure("call_reply_64_tasks_us", measure(idle_tasks=64)[0])
    figure("call_reply_driven_us", measure(outputs=eight_pins())[0])
    figure("call_reply_raised_us", measure(server_priority=_PRIORITY + 1)[0])
