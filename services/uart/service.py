"""Driver of one serial port, for clients that wait.

MicroPython collects what is received in the UART's own interrupt, into a ring of 4 KB: 0.35 s at
115,200 baud. So none is lost as long as clients read on average as fast as bytes come, whatever
else runs. The line tells when the port has fallen silent; bytes without a pause are looked for
while somebody waits.
"""

import time

from bulkhead import NOTIFIED, OK, REFUSED, TIMEOUT
from bulkhead_system import SERVICES
from machine import UART, Pin
from micropython import const

from services.uart.api import BUSY, COUNT_MAX, OVERRUN, READ, WAIT_MS_MAX, WRITE

_RECEIVE_BYTES = const(4096)
_SEND_BYTES = const(512)
_LOOK_MS = const(10)

# Fields of a row of SERVICES, and of a line.
_LINES = const(6)
_ARGUMENT = const(2)


class Reader:
    """The client that waits for bytes: `token` is 0 while there is none."""

    def __init__(self):
        self.token = 0
        self.badge = 0
        self.count = 0
        self.until_ms = time.ticks_ms()
        self.listening = False

    def export_state(self):
        """Return who waits. What was received and not read is in the port, which stays."""
        return (self.token, self.badge, self.count, self.until_ms, self.listening)

    def import_state(self, _version, state):
        """Let who waits go on waiting."""
        self.token, self.badge, self.count, self.until_ms, self.listening = state

    def take(self, token, badge, count, wait_ms):
        """Let a client wait."""
        self.token, self.badge, self.count = token, badge, count
        self.until_ms = time.ticks_add(time.ticks_ms(), wait_ms)


def argument(rows, name):
    """Return number, baud rate, tx and rx of the port, as the line of service `name` has them."""
    for row in rows:
        if row[0] == name:
            return row[_LINES][0][_ARGUMENT]
    return None


def main(sys):
    """Serve `api`."""
    line = sys.cap("receive")
    number, baudrate, tx, rx = argument(SERVICES, sys.name())
    reader = Reader()
    if sys.carry_over(reader):  # the port as it is, with what is in its buffers
        port = UART(number)
    else:
        buffers = {"rxbuf": _RECEIVE_BYTES, "txbuf": _SEND_BYTES}
        port = UART(number, baudrate, tx=Pin(tx), rx=Pin(rx), **buffers)
    while True:
        operation = yield sys.recv(_LOOK_MS if reader.token else None)
        if operation == WRITE and type(sys.arg) is bytes:
            yield sys.reply(OK, port.write(sys.arg) or 0)
        elif operation == READ and is_request(sys.arg):
            if reader.token and reader.badge != sys.badge():
                yield sys.reply(BUSY)
            else:
                reader.take(sys.caller(), sys.badge(), *sys.arg)
                if not reader.listening:
                    yield sys.acknowledge(line)
                reader.listening = True
        elif operation == NOTIFIED:
            reader.listening = False
        elif operation != TIMEOUT and sys.caller():
            yield sys.reply(REFUSED)
        if reader.token:
            yield from serve(sys, port, reader)


def is_request(arg):
    """Tell whether a value is what READ takes."""
    if type(arg) is not tuple or len(arg) != 2 or type(arg[0]) is not int:
        return False
    return 1 <= arg[0] <= COUNT_MAX and type(arg[1]) is int and 0 <= arg[1] <= WAIT_MS_MAX


def serve(sys, port, reader):
    """Answer the reader if there are bytes, or if it has waited long enough."""
    waiting = port.any()
    if waiting == 0 and time.ticks_diff(reader.until_ms, time.ticks_ms()) > 0:
        return
    data = port.read(min(waiting, reader.count)) if waiting else b""
    token = reader.token
    reader.token = 0
    yield sys.reply_to(token, OVERRUN if waiting >= _RECEIVE_BYTES else OK, data)
