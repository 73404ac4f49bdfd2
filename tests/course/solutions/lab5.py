"""Lab 5: a state that outlives a failure."""

from bulkhead import OK, REFUSED

ADD = 1  # arg: an int -> OK, arg: the total
POISON = 9  # the server fails at it; leave that as it is


def counter(task):
    """Keep a total. A total that a client was told must never be lost, whenever this fails."""
    total = task.arg if (yield task.unstash()) == OK else 0
    yield task.stash(total)
    operation = yield task.recv()
    while True:
        if operation == POISON:
            raise ValueError("poison")
        if operation == ADD and type(task.arg) is int:
            total += task.arg
            yield task.stash(total)  # before anybody is told
            operation = yield task.reply_recv(OK, total)
        else:
            operation = yield task.reply_recv(REFUSED)
