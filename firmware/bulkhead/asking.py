"""Calls to a service that may have been started again since it was called last."""

from bulkhead import DEAD, OK


def ask(task, handle, operation, arg=None, timeout_ms=None):
    """Call, and once more if the server is another incarnation now; return the status.

        status = yield from ask(task, led, TOGGLE)

    DEAD then says that there is none, or that it has ended too. A server that fails at a request
    gets that once more; who does not want that calls, and reopens by itself.
    """
    status = yield task.call(handle, operation, arg, timeout_ms)
    if status == DEAD and (yield task.reopen(handle)) == OK:
        status = yield task.call(handle, operation, arg, timeout_ms)
    return status
