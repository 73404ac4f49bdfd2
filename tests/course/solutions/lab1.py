"""Lab 1: schedule two tasks."""

from time import ticks_add, ticks_diff, ticks_ms

TICK = 1
DONE = 2

WORK_MS = (2, 9, 4, 7)


def fast(task):
    """Send TICK to `log` every 10 ms."""
    log = task.cap("log")
    due = ticks_ms()
    while True:
        yield task.send(log, TICK)
        due = ticks_add(due, 10)
        yield task.sleep(ticks_diff(due, ticks_ms()))


def slow(task):
    """Work, then send DONE to `log`: every 25 ms, however long the work takes."""
    log = task.cap("log")
    count = 0
    due = ticks_ms()
    while True:
        yield from work(task, count)
        yield task.send(log, DONE)
        count += 1
        due = ticks_add(due, 25)
        yield task.sleep(ticks_diff(due, ticks_ms()))


def work(task, count):
    """Do what takes some time. Leave it as it is."""
    yield task.sleep(WORK_MS[count % 4])
