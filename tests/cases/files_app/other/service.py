"""Keep one file, of the name that another client has for one."""

from services.files.api import LIST, ask, replace
from services.logger.api import INFO


def main(sys):
    """Write it, and log what there is."""
    files = sys.cap("files")
    status = yield from replace(sys, files, "notes", b"of other")
    text = "replace: %d %r" % (status, sys.arg)
    yield sys.send(sys.cap("logger"), INFO, text)
    yield sys.sleep(500)
    status = yield from ask(sys, files, LIST, 0)
    text = "list: %d %r" % (status, sys.arg)
    yield sys.send(sys.cap("logger"), INFO, text)
    yield sys.recv()
