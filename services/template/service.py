"""Greet whoever calls: what a new service starts from."""

from bulkhead import OK, REFUSED

from services.logger.api import INFO
from services.template.api import COUNT, GREET, NAME_MAX


def main(sys):
    """Serve `api`."""
    logger = sys.cap("logger")
    yield sys.send(logger, INFO, "template is up")
    greetings = 0
    operation = yield sys.recv()
    while True:
        if operation == GREET and is_name(sys.arg):
            greetings += 1
            operation = yield sys.reply_recv(OK, "hello, %s" % sys.arg)
        elif operation == COUNT:
            operation = yield sys.reply_recv(OK, greetings)
        else:
            operation = yield sys.reply_recv(REFUSED)


def is_name(arg):
    """Tell whether a value is what GREET takes: a client sends what it likes."""
    return type(arg) is str and len(arg) <= NAME_MAX
