"""Log ten lines a second."""

from services.logger.api import INFO


def main(sys):
    """Log a count, for ever."""
    logger = sys.cap("logger")
    count = 0
    while True:
        count += 1
        text = "line %d of many that nobody has asked for" % count
        yield sys.send(logger, INFO, text)
        yield sys.sleep(100)
