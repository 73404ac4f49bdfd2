"""Lab 7: a driver."""

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
        yield task.acknowledge(edge)
