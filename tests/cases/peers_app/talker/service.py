"""Log ten lines a second."""

from services.logger.api import INFO


def main(task):
    """Log a count, for ever."""
    logger = task.cap("logger")
    count = 0
    while True:
        count += 1
        text = "line %d of many that nobody has asked for" % count
        yield task.send(logger, INFO, text)
        yield task.sleep(100)
