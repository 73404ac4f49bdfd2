"""Lab 6: lend a capability, and take it back."""

from bulkhead import OK, REFUSED

BORROW = 1  # -> OK, grants `printer` for LOAN_MS; LENT
RETURN = 2  # -> OK: who has it may use it no more
LENT = 1  # somebody has it

LOAN_MS = 100


def desk(task):
    """Lend `printer` to one client at a time, with the right to call it and no other."""
    printer = task.cap("printer")
    operation = yield task.recv()
    while True:
        if operation == BORROW:
            operation = yield task.reply_granting(OK, printer)
            operation = yield task.recv()
        elif operation == RETURN:
            operation = yield task.reply_recv(OK)
        else:
            operation = yield task.reply_recv(REFUSED)
