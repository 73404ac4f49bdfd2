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

from services import uart as outlasting

from services.uart.api import (
    BUSY,
    COUNT_MAX,
    EVEN,
    NO_PARITY,
    OVERRUN,
    READ,
    SET_UP,
    WAIT_MS_MAX,
    WRITE,
)

_RECEIVE_BYTES = const(4096)
_SEND_BYTES = const(512)
_LOOK_MS = const(10)
# `UART(number)` would leave the port without buffers, and new ones need 4 KB in one piece, which
# a heap in use may not have. So the object itself outlasts an update and a crash: an attribute of
# the folder's own module, which is no part of the code that is replaced.
_PORT = "port%d"
_BAUD_MIN = const(300)
_BAUD_MAX = const(1_000_000)

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


def main(task):
    """Serve `api`."""
    line = task.cap("receive")
    number, baudrate, tx, rx = argument(SERVICES, task.name())
    reader = Reader()
    port = getattr(outlasting, _PORT % number, None)  # as it is, with what is in its buffers
    if port is None:
        buffers = {"rxbuf": _RECEIVE_BYTES, "txbuf": _SEND_BYTES}
        port = UART(number, baudrate, tx=Pin(tx), rx=Pin(rx), **buffers)
        setattr(outlasting, _PORT % number, port)
    if task.carry_over(reader):
        if hasattr(Pin, "ALT_UART"):  # where code that failed lay between, tx is held as safe
            Pin(tx, Pin.ALT, alt=Pin.ALT_UART)
    else:
        set_up(port, baudrate, 8, NO_PARITY, 1)
        if (yield task.unstash()) == OK:
            set_up(port, *task.arg)
            yield task.stash(task.arg)
    while True:
        operation = yield task.recv(_LOOK_MS if reader.token else None)
        if operation == WRITE and type(task.arg) is bytes:
            yield task.reply(OK, port.write(task.arg) or 0)
        elif operation == READ and is_request(task.arg):
            if reader.token and reader.badge != task.badge():
                yield task.reply(BUSY)
            else:
                reader.take(task.caller(), task.badge(), *task.arg)
                if not reader.listening:
                    yield task.acknowledge(line)
                reader.listening = True
        elif operation == SET_UP and is_set_up(task.arg):
            token, settings = task.caller(), task.arg
            yield task.stash(settings)  # a failure does not bring the manifest's back
            set_up(port, *settings)
            yield task.reply_to(token, OK)
        elif operation == NOTIFIED:
            reader.listening = False
        elif operation != TIMEOUT and task.caller():
            yield task.reply(REFUSED)
        if reader.token:
            yield from serve(task, port, reader)


def is_request(arg):
    """Tell whether a value is what READ takes."""
    if type(arg) is not tuple or len(arg) != 2 or type(arg[0]) is not int:
        return False
    return 1 <= arg[0] <= COUNT_MAX and type(arg[1]) is int and 0 <= arg[1] <= WAIT_MS_MAX


def is_set_up(arg):
    """Tell whether a value is what SET_UP takes."""
    if type(arg) is not tuple or len(arg) != 4:
        return False
    for value in arg:
        if type(value) is not int:
            return False
    baudrate, bits, parity, stop = arg
    is_format = bits in (7, 8) and NO_PARITY <= parity <= EVEN and stop in (1, 2)
    return is_format and _BAUD_MIN <= baudrate <= _BAUD_MAX


def set_up(port, baudrate, bits, parity, stop):
    """Change rate and format; what is in the buffers stays."""
    even_or_odd = None if parity == NO_PARITY else parity & 1  # as machine.UART has it
    port.init(baudrate=baudrate, bits=bits, parity=even_or_odd, stop=stop)


def serve(task, port, reader):
    """Answer the reader if there are bytes, or if it has waited long enough."""
    waiting = port.any()
    if waiting == 0 and time.ticks_diff(reader.until_ms, time.ticks_ms()) > 0:
        return
    data = port.read(min(waiting, reader.count)) if waiting else b""
    token = reader.token
    reader.token = 0
    yield task.reply_to(token, OVERRUN if waiting >= _RECEIVE_BYTES else OK, data)
