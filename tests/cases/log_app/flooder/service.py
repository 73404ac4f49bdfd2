"""Log more than the console can print."""

from services.logger.api import DEBUG, INFO


def main(task):
    """Send 200 records, eight at a time; the mailbox has room for sixteen."""
    logger = task.cap("logger")
    yield task.sleep(100)
    for number in range(200):
        yield task.send(logger, INFO, "flood %d" % number)
        if number % 8 == 7:
            yield task.sleep(5)
    yield task.sleep(300)
    yield task.send(logger, DEBUG, "not kept")
    yield task.recv()
