"""Lab 2: a server and its protocol."""

from bulkhead import OK

ADD = 1  # arg: an int from 0 to 1000 -> OK, arg: the total
TOTAL = 2  # -> OK, arg: the total
RESET = 3  # -> OK, arg: the total that there was


def counter(task):
    """Serve the operations above. Everything else is answered REFUSED and changes nothing."""
    total = 0
    operation = yield task.recv()
    while True:
        if operation == ADD:
            total += task.arg
        operation = yield task.reply_recv(OK, total)
