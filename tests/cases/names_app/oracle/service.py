"""Tell callers who they are, or fail."""

from bulkhead import OK, REFUSED

from services.oracle.api import FAIL, WHO


def main(sys):
    """Serve `api`."""
    operation = yield sys.recv()
    while True:
        if operation == FAIL:
            raise ValueError("asked to")
        status = OK if operation == WHO else REFUSED
        operation = yield sys.reply_recv(status, sys.badge())
