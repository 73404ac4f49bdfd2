"""Greet whoever calls: what a new service starts from."""

from bulkhead import OK, REFUSED, Frame

from services.logger.api import INFO
from services.template.api import COUNT, GREET, NAME_MAX


def main(task: Frame):
    """Serve `api`."""
    logger = task.cap("logger")
    yield task.send(logger, INFO, "template is up")
    greetings = 0
    operation = yield task.recv()
    while True:
        if operation == GREET and is_name(task.arg):
            greetings += 1
            operation = yield task.reply_recv(OK, "hello, %s" % task.arg)
        elif operation == COUNT:
            operation = yield task.reply_recv(OK, greetings)
        else:
            operation = yield task.reply_recv(REFUSED)


def is_name(arg):
    """Tell whether a value is what GREET takes: a client sends what it likes."""
    return type(arg) is str and len(arg) <= NAME_MAX
