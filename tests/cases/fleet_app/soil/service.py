"""A sensor that is made up: what it says is what a version is known by."""

from struct import pack, unpack

from bulkhead import OK, REFUSED

from services.soil.api import COUNT, READ

WET = 41


class Calls:
    """How many there were."""

    def __init__(self):
        self.count = 0

    def export_state(self):
        """Return it."""
        return pack("<I", self.count)

    def import_state(self, _version, state):
        """Go on with it."""
        (self.count,) = unpack("<I", state)


def main(task):
    """Serve `api`."""
    calls = Calls()
    task.carry_over(calls)
    operation = yield task.recv()
    while True:
        calls.count += 1
        if operation == READ:
            operation = yield task.reply_recv(OK, WET)
        elif operation == COUNT:
            operation = yield task.reply_recv(OK, calls.count)
        else:
            operation = yield task.reply_recv(REFUSED)
