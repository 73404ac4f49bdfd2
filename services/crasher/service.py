"""Fail on request, for tests and demonstrations."""

from bulkhead import OK, REFUSED

from services.crasher.api import LEAK, NEVER_REPLY, PING, RAISE, SLEEP, SPIN


class Crash(Exception):
    """What RAISE raises."""


def _leak():
    kept = []
    while True:
        kept.append(bytearray(2048))


def main(task):
    """Serve `api`."""
    operation = yield task.recv()
    while True:
        if operation == RAISE:
            raise Crash(task.arg)
        if operation == SPIN:
            while True:
                pass
        if operation == SLEEP:
            while True:
                yield task.sleep(60_000)
        if operation == LEAK:
            _leak()
        if operation == NEVER_REPLY:
            operation = yield task.recv()
        elif operation == PING:
            operation = yield task.reply_recv(OK, task.arg)
        else:
            operation = yield task.reply_recv(REFUSED)
