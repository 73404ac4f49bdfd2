"""Lab 4: a client whose server fails."""

PUT = 1  # arg: a number -> OK; to put one again does no harm

NUMBERS = 20


def carrier(task):
    """Put the numbers from 1 to NUMBERS into `sink`, in their order, each until it is there."""
    sink = task.cap("sink")
    for number in range(1, NUMBERS + 1):
        yield task.call(sink, PUT, number)
    while True:
        yield task.recv()
