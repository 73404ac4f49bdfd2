"""Answer every call with its own value."""

from bulkhead import OK


def main(task):
    """Serve `api`."""
    yield task.recv()
    while True:
        yield task.reply_recv(OK, task.arg)
