"""Lab 5: a state that outlives a failure."""

from bulkhead import OK, REFUSED

ADD = 1  # arg: an int -> OK, arg: the total
POISON = 9  # the server fails at it; leave that as it is


def counter(task):
    """Keep a total. A total that a client was told must never be lost, whenever this fails."""
    total = 0
    operation = yield task.recv()
    while True:
        if operation == POISON:
            raise ValueError("poison")
        if operation == ADD and type(task.arg) is int:
            total += task.arg
            operation = yield task.reply_recv(OK, total)
        else:
            operation = yield task.reply_recv(REFUSED)
