"""Be another caller: call what the breaker says until it answers again, and report both."""

from bulkhead import DEAD

from services.breaker.api import ANSWERED, GO, NO_OPERATION, SERVERS


def main(sys):
    """Do so whenever notified."""
    while True:
        yield sys.recv()
        handle = sys.cap(SERVERS[sys.bits() & (GO - 1)])
        first = yield sys.call(handle, NO_OPERATION)
        status = first
        while status == DEAD:
            yield sys.sleep(1)
            yield sys.reopen(handle)
            status = yield sys.call(handle, NO_OPERATION)
        yield sys.send(sys.cap("breaker"), ANSWERED, (first, status))
