"""Read bytes that count up, until there are enough or none comes; tell what was missing."""

from micropython import const

from services.logger.api import INFO
from services.uart.api import READ, WRITE, read

BYTES = const(4000)
MODULUS = const(251)


def main(task):
    """Log how a wait without bytes ends, then what came; send an answer."""
    logger = task.cap("logger")
    uart = task.cap("uart")
    data = yield from read(task, wait_ms=20)
    yield task.send(logger, INFO, "silence: %r, listening" % data)
    count = wrong = 0
    while count < BYTES:
        data = yield from read(task)
        if not data:
            break
        for byte in data:
            wrong += byte != count % MODULUS
            count += 1
    text = "received: %d bytes, %d wrong" % (count, wrong)
    yield task.send(logger, INFO, text)
    status = yield task.call(uart, WRITE, b"thank you")
    text = "sent: %d %r" % (status, task.arg)
    yield task.send(logger, INFO, text)
    status = yield task.call(uart, READ, (241, 0))
    yield task.send(logger, INFO, "too many: %d, all done" % status)
    while True:
        yield task.recv()
