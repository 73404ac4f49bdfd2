"""Lab 4: a client whose server fails."""

from bulkhead import DEAD, OK

PUT = 1  # arg: a number -> OK; to put one again does no harm

NUMBERS = 20


def carrier(task):
    """Put the numbers from 1 to NUMBERS into `sink`, in their order, each until it is there."""
    sink = task.cap("sink")
    for number in range(1, NUMBERS + 1):
        status = yield task.call(sink, PUT, number, timeout_ms=50)
        while status != OK:
            if status == DEAD:
                while (yield task.reopen(sink)) == DEAD:
                    yield task.sleep(10)
            status = yield task.call(sink, PUT, number, timeout_ms=50)
    while True:
        yield task.recv()
