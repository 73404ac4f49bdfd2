"""Call the sensor again and again, and count what is not answered."""

from bulkhead import OK, REFUSED, TIMEOUT
from bulkhead_system import CONFIG

from services.caller.api import COUNTS
from services.soil.api import READ


def main(task):
    """Serve `api` between two calls."""
    soil = task.cap("soil")
    pause_ms = dict(dict(CONFIG)[task.name()])["pause_ms"]
    calls = lost = 0
    operation = yield task.recv(pause_ms)
    while True:
        if operation == TIMEOUT:
            calls += 1
            lost += (yield task.call(soil, READ)) != OK
            operation = yield task.recv(pause_ms)
        elif operation == COUNTS:
            operation = yield task.reply_recv(OK, (calls, lost), pause_ms)
        else:
            operation = yield task.reply_recv(REFUSED, None, pause_ms)
