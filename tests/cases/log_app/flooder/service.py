"""Log more than the console can print."""

from services.logger.api import DEBUG, INFO


def main(sys):
    """Send 200 records, eight at a time; the mailbox has room for sixteen."""
    logger = sys.cap("logger")
    yield sys.sleep(100)
    for number in range(200):
        yield sys.send(logger, INFO, "flood %d" % number)
        if number % 8 == 7:
            yield sys.sleep(5)
    yield sys.sleep(300)
    yield sys.send(logger, DEBUG, "not kept")
    yield sys.recv()
