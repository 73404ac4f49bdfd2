"""Driver of a push button: an edge interrupt, debounced by leaving the line masked meanwhile."""

from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_board import BUTTON
from machine import Pin

from services.button.api import PRESSES

# A contact that bounces longer than this is worn out.
_SETTLE_MS = 10


def main(sys):
    """Count presses: the level is looked at once it has had time to settle after an edge."""
    edge = sys.cap("edge")
    pin = Pin(BUTTON)
    presses = 0
    settling = False
    yield sys.acknowledge(edge)
    operation = yield sys.recv()
    while True:
        if operation == NOTIFIED:
            settling = True
        elif operation == TIMEOUT:
            settling = False
            if pin.value() == 0:
                presses += 1
            yield sys.acknowledge(edge)
        elif operation == PRESSES:
            yield sys.reply(OK, presses)
        else:
            yield sys.reply(REFUSED)
        operation = yield sys.recv(_SETTLE_MS if settling else None)
