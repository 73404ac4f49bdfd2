"""Lab 2: a server and its protocol."""

from bulkhead import OK, REFUSED

ADD = 1  # arg: an int from 0 to 1000 -> OK, arg: the total
TOTAL = 2  # -> OK, arg: the total
RESET = 3  # -> OK, arg: the total that there was


def counter(task):
    """Serve the operations above. Everything else is answered REFUSED and changes nothing."""
    total = 0
    operation = yield task.recv()
    while True:
        status, value = OK, total
        if operation == ADD and type(task.arg) is int and 0 <= task.arg <= 1000:
            total += task.arg
            value = total
        elif operation == RESET:
            total = 0
        elif operation != TOTAL:
            status, value = REFUSED, None
        operation = yield task.reply_recv(status, value)
