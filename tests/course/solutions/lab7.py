"""Lab 7: a driver."""

from bulkhead import NOTIFIED

PRESSED = 1  # the bit that `watcher` is notified of

SETTLE_MS = 10


def button(task):
    """Notify `watcher` once for each press of a button that bounces for less than SETTLE_MS.

    An edge fires the line `edge`, which stays masked until it is acknowledged.
    """
    edge = task.cap("edge")
    watcher = task.cap("watcher")
    yield task.acknowledge(edge)
    while True:
        yield task.recv()
        yield task.notify(watcher, PRESSED)
        yield task.sleep(SETTLE_MS)
        yield task.acknowledge(edge)
        # The edges that came meanwhile are one interrupt, which comes right now.
        if (yield task.recv(timeout_ms=1)) == NOTIFIED:
            yield task.acknowledge(edge)
