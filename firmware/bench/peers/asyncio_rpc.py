"""A request and its reply between two asyncio tasks, each way through a list and an Event.

Between start and stop: `_CALLS` times put a request and await its reply, in the client's own
loop, the loop's cost included. A request is a tuple that carries the queue for the reply, as a
server of several clients needs it. (A bare integer, which needs no object, would cost asyncio
twice the time: MicroPython's allocator then looks for free memory from the start of the heap.)
"""

import asyncio
import gc
from time import ticks_diff, ticks_us

from bench.report import figure
from micropython import const

_CALLS = const(200)


class Queue:
    """Items from one task to another; asyncio brings none."""

    def __init__(self):
        self.items = []
        self.filled = asyncio.Event()

    def put(self, item):
        """Append an item and wake the reader."""
        self.items.append(item)
        self.filled.set()

    async def get(self):
        """Wait for an item and take it."""
        while not self.items:
            await self.filled.wait()
            self.filled.clear()
        return self.items.pop(0)


async def server(requests):
    """Answer every request with its own value."""
    while True:
        value, replies = await requests.get()
        replies.put(value)


async def idle():
    """Sleep a second at a time."""
    while True:
        await asyncio.sleep_ms(1000)


async def client(idle_tasks):
    """Return (microseconds, bytes of heap) per request, beside tasks that sleep."""
    requests, replies = Queue(), Queue()
    asyncio.create_task(server(requests))
    for _ in range(idle_tasks):
        asyncio.create_task(idle())
    await asyncio.sleep_ms(1)  # the others begin and wait
    start = ticks_us()
    for number in range(_CALLS):
        requests.put((number, replies))
        await replies.get()
    elapsed = ticks_diff(ticks_us(), start)
    gc.collect()
    before = gc.mem_alloc()
    for number in range(_CALLS):
        requests.put((number, replies))
        await replies.get()
    return elapsed / _CALLS, (gc.mem_alloc() - before) / _CALLS


def measure(idle_tasks):
    """Run a system of its own; return what `client` does."""
    asyncio.new_event_loop()
    gc.collect()
    return asyncio.run(client(idle_tasks))


def main():
    """Measure."""
    microseconds, size = measure(0)
    figure("asyncio_call_reply_us", microseconds)
    figure("asyncio_call_reply_bytes", size)
    figure("asyncio_call_reply_8_tasks_us", measure(8)[0])
    figure("asyncio_call_reply_64_tasks_us", measure(64)[0])
