"""Ask the asyncio program while it counts, and once it only blinks."""

from services.logger.api import INFO


def main(sys):
    """Log the answers."""
    for pause_ms in (70, 500):
        yield sys.sleep(pause_ms)
        status = yield sys.call(sys.cap("program"), 7, "how many")
        text = "answer: %d %r" % (status, sys.arg)
        yield sys.send(sys.cap("logger"), INFO, text)
    yield sys.send(sys.cap("logger"), INFO, "all done")
    yield sys.recv()
