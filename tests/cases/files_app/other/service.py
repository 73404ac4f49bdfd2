"""Keep one file, of the name that another client has for one."""

from services.files.api import LIST, ask, replace
from services.logger.api import INFO


def main(task):
    """Write it, and log what there is."""
    files = task.cap("files")
    status = yield from replace(task, files, "notes", b"of other")
    text = "replace: %d %r" % (status, task.arg)
    yield task.send(task.cap("logger"), INFO, text)
    yield task.sleep(500)
    status = yield from ask(task, files, LIST, 0)
    text = "list: %d %r" % (status, task.arg)
    yield task.send(task.cap("logger"), INFO, text)
    yield task.recv()
