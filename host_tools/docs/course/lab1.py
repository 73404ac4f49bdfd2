"""Lab 1: schedule two tasks."""

TICK = 1
DONE = 2

WORK_MS = (2, 9, 4, 7)


def fast(task):
    """Send TICK to `log` every 10 ms."""
    log = task.cap("log")
    yield task.send(log, TICK)


def slow(task):
    """Work, then send DONE to `log`: every 25 ms, however long the work takes."""
    log = task.cap("log")
    count = 0
    while True:
        yield from work(task, count)
        yield task.send(log, DONE)
        count += 1


def work(task, count):
    """Do what takes some time. Leave it as it is."""
    yield task.sleep(WORK_MS[count % 4])
