"""Call the sensor every 10 ms, and count what is not answered."""

from bulkhead import OK, REFUSED, TIMEOUT

from services.caller.api import COUNTS
from services.soil.api import READ

PAUSE_MS = 10


def main(task):
    """Serve `api` between two calls."""
    soil = task.cap("soil")
    calls = lost = 0
    operation = yield task.recv(PAUSE_MS)
    while True:
        if operation == TIMEOUT:
            calls += 1
            lost += (yield task.call(soil, READ)) != OK
            operation = yield task.recv(PAUSE_MS)
        elif operation == COUNTS:
            operation = yield task.reply_recv(OK, (calls, lost), PAUSE_MS)
        else:
            operation = yield task.reply_recv(REFUSED, None, PAUSE_MS)
