"""A serial display: ESC row text newline; only what has changed is written."""

from bulkhead import DEAD, OK, REFUSED

from services.display.api import COLUMNS, ROWS, SHOW
from services.uart.api import WRITE


def main(task):
    """Serve `api`."""
    rows = [""] * ROWS
    while True:
        operation = yield task.recv()
        arg, caller = task.arg, task.caller()
        is_good = (
            operation == SHOW
            and type(arg) is tuple
            and len(arg) == 2
            and type(arg[0]) is int
            and 0 <= arg[0] < ROWS
            and type(arg[1]) is str
        )
        if caller:
            yield task.reply_to(caller, OK if is_good else REFUSED)
        if is_good and rows[arg[0]] != arg[1]:
            rows[arg[0]] = arg[1]
            yield from write(task, "\x1b%d%-20s\n" % (arg[0], arg[1][:COLUMNS]))


def write(task, text):
    """Write all of a text."""
    uart, data = task.cap("uart"), text.encode()
    while data:
        status = yield task.call(uart, WRITE, data)
        if status == OK:
            data = data[task.arg :]
            if data:
                yield task.sleep(10)
        elif status == DEAD:
            if (yield task.reopen(uart)) != OK:
                yield task.sleep(50)
        else:
            return
