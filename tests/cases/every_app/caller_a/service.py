"""Call what the breaker says, until it answers again, and report both answers."""

from bulkhead import DEAD

from services.breaker.api import ANSWERED, GO, NO_OPERATION, SERVERS


def main(task):
    """Do so whenever notified."""
    while True:
        yield task.recv()
        handle = task.cap(SERVERS[task.bits() & (GO - 1)])
        first = yield task.call(handle, NO_OPERATION)
        status = first
        while status == DEAD:
            yield task.sleep(1)
            yield task.reopen(handle)
            status = yield task.call(handle, NO_OPERATION)
        yield task.send(task.cap("breaker"), ANSWERED, (first, status))
