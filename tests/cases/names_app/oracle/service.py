"""Tell callers who they are, or fail."""

from bulkhead import OK, REFUSED

from services.oracle.api import FAIL, WHO


def main(task):
    """Serve `api`."""
    operation = yield task.recv()
    while True:
        if operation == FAIL:
            raise ValueError("asked to")
        status = OK if operation == WHO else REFUSED
        operation = yield task.reply_recv(status, task.badge())
