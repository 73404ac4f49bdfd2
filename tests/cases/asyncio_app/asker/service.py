"""Ask the asyncio program while it counts, and once it only blinks."""

from services.logger.api import INFO


def main(task):
    """Log the answers."""
    for pause_ms in (70, 500):
        yield task.sleep(pause_ms)
        status = yield task.call(task.cap("program"), 7, "how many")
        text = "answer: %d %r" % (status, task.arg)
        yield task.send(task.cap("logger"), INFO, text)
    yield task.send(task.cap("logger"), INFO, "all done")
    yield task.recv()
