"""Ask net for what the test asks for, with no right to any of it."""

from bulkhead import NOTIFIED, OK

from services.stranger.api import RELAY


def main(task):
    """Serve `api`."""
    while True:
        operation = yield task.recv()
        if operation == NOTIFIED:
            continue
        token, value = task.caller(), None
        if operation == RELAY:
            arg = task.arg
            status = yield task.call(task.cap("net"), arg[0], arg[2:] if arg[1] else arg[2])
            value = (status, False, task.arg)
        yield task.reply_to(token, OK, value)
