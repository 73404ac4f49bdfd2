"""Lab 3: answer out of order."""

from bulkhead import OK, REFUSED

BAKE = 1  # arg: milliseconds, at most 500 -> after that time: OK
HOW_MANY = 2  # -> at once: OK, arg: how many bake now


def oven(task):
    """Serve the operations above. Any number of callers bake at the same time."""
    operation = yield task.recv()
    while True:
        if operation == BAKE:
            yield task.sleep(task.arg)
            operation = yield task.reply_recv(OK)
        elif operation == HOW_MANY:
            operation = yield task.reply_recv(OK, 0)
        else:
            operation = yield task.reply_recv(REFUSED)
