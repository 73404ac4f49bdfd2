"""Fail on request, for tests and demonstrations."""

from bulkhead import OK, REFUSED

from services.crasher.api import LEAK, NEVER_REPLY, PING, RAISE, SLEEP, SPIN


class Crash(Exception):
    """What RAISE raises."""


def _leak():
    kept = []
    while True:
        kept.append(bytearray(2048))


def main(sys):
    """Serve `api`."""
    operation = yield sys.recv()
    while True:
        if operation == RAISE:
            raise Crash(sys.arg)
        if operation == SPIN:
            while True:
                pass
        if operation == SLEEP:
            while True:
                yield sys.sleep(60_000)
        if operation == LEAK:
            _leak()
        if operation == NEVER_REPLY:
            operation = yield sys.recv()
        elif operation == PING:
            operation = yield sys.reply_recv(OK, sys.arg)
        else:
            operation = yield sys.reply_recv(REFUSED)
