"""Lab 6: lend a capability, and take it back."""

from bulkhead import OK, REFUSED, TIMEOUT
from kernel.abi import MAY_CALL, MAY_GRANT

BORROW = 1  # -> OK, grants `printer` for LOAN_MS; LENT
RETURN = 2  # -> OK: who has it may use it no more
LENT = 1  # somebody has it

LOAN_MS = 100


def desk(task):
    """Lend `printer` to one client at a time, with the right to call it and no other."""
    printer = task.cap("printer")
    lent = None
    holder = 0
    while True:
        operation = yield task.recv() if lent is None else task.recv(timeout_ms=LOAN_MS)
        if operation == TIMEOUT:
            yield from take_back(task, lent)
            lent = None
        elif operation == BORROW and lent is not None:
            yield task.reply(LENT)
        elif operation == BORROW:
            holder = task.badge()
            yield task.mint(printer, MAY_CALL | MAY_GRANT)
            lent = task.arg
            if (yield task.reply_granting(OK, lent)) != OK:
                yield from take_back(task, lent)
                lent = None
                yield task.reply(REFUSED)
        elif operation == RETURN and lent is not None and task.badge() == holder:
            yield from take_back(task, lent)
            lent = None
            yield task.reply(OK)
        else:
            yield task.reply(REFUSED)


def take_back(task, lent):
    """End a loan."""
    yield task.revoke(lent)
    yield task.delete(lent)
