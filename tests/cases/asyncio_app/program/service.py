"""Blink and count by asyncio, log by another service, and answer what others ask."""

import asyncio

from bulkhead import OK
from bulkhead.loop import run

from services.led.api import TOGGLE
from services.logger.api import INFO


async def main(task):
    counter = Counter()
    await run(task, program(task, counter), counter.answer)


class Counter:
    """What the tasks share."""

    def __init__(self):
        self.count = 0
        self.is_full = asyncio.Event()

    def answer(self, operation, arg):
        return OK, (operation, arg, self.count)


async def blink(task):
    while True:
        await task.call(task.cap("led"), TOGGLE)
        await asyncio.sleep_ms(20)


async def count(counter):
    while counter.count < 5:
        counter.count += 1
        await asyncio.sleep_ms(30)
    counter.is_full.set()


async def program(task, counter):
    asyncio.create_task(blink(task))
    await asyncio.gather(count(counter), counter.is_full.wait())
    await task.send(task.cap("logger"), INFO, "counted to %d" % counter.count)
    try:
        await asyncio.wait_for_ms(asyncio.Event().wait(), 50)
    except asyncio.TimeoutError:
        await task.send(task.cap("logger"), INFO, "waited long enough")
    while True:
        await asyncio.sleep(3600)
