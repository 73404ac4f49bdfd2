"""PPP over a UART: to a modem, a gateway's serial port, or the emulator's own."""

import time

import network  # type: ignore[import-not-found, unused-ignore]
from bulkhead_system import SERVICES
from machine import UART, Pin
from micropython import const

from services import net as outlasting

from services.net.api import CONNECTED, CONNECTING, PAUSING

# 0.3 s of the line: it keeps a window of TCP. What is sent waits there too, since lwIP drops the
# rest of a packet that does not fit.
_BUFFER_BYTES = const(4096)
_LOOK_CONNECTING_MS = const(250)  # at what has not come: the line tells of the rest
_LOOK_CONNECTED_MS = const(1000)
_PPP = "kept_ppp"  # it outlasts an update and a crash, as the sockets do
_PORT = "kept_port"

# Fields of a row of SERVICES, and of a line.
_LINES = const(6)
_ARGUMENT = const(2)
# What `PPP.status()` is above (extmod/network_ppp_lwip.c).
_STATUS_ERROR = const(2)


def _argument(rows, name):
    """Return number, baud rate, tx and rx of the port, as the line of service `name` has them."""
    for row in rows:
        if row[0] == name:
            return row[_LINES][0][_ARGUMENT]
    return None


class Ppp:
    """The link, and when to try again."""

    line = "receive"
    resolves = False
    # Bytes without a pause, which no line tells: the ring holds 0.35 s of them.
    look_ms = 50
    look_idle_ms = 250
    look_all_ms = 1000  # where no byte has come a connection may have timed out

    def __init__(self, config, name):
        self.config = config
        self.name = name
        self.state = PAUSING
        self.pause_ms = config["pause_first_ms"]
        self.due_ms = time.ticks_ms()
        self.ppp = getattr(outlasting, _PPP, None)
        self.port = getattr(outlasting, _PORT, None)

    def begin(self):
        """Have the UART, and a link that may be up already."""
        number, baudrate, tx, rx = _argument(SERVICES, self.name)
        if self.ppp is None:
            size = {"rxbuf": _BUFFER_BYTES, "txbuf": _BUFFER_BYTES}
            self.port = UART(number, baudrate, tx=Pin(tx), rx=Pin(rx), **size)
            self.ppp = network.PPP(self.port)
            setattr(outlasting, _PORT, self.port)
            setattr(outlasting, _PPP, self.ppp)
        elif hasattr(Pin, "ALT_UART"):  # where code that failed lay between, tx is held as safe
            Pin(tx, Pin.ALT, alt=Pin.ALT_UART)
        if self.ppp.isconnected():
            self.state = CONNECTED
        else:
            self._connect()

    def has_come(self):
        """Return whether bytes wait; an earlier version of this code has kept no port to ask."""
        return self.port is None or self.port.any() > 0

    def look(self):
        """Take what has come, see how the link is; return whether that has changed."""
        was = self.state
        if was != PAUSING:
            self.ppp.poll()
        now = time.ticks_ms()
        status = self.ppp.status()
        if self.ppp.isconnected():
            self.state = CONNECTED
            self.pause_ms = self.config["pause_first_ms"]
        elif was == PAUSING:
            if time.ticks_diff(now, self.due_ms) >= 0:
                self._connect()
        elif status <= _STATUS_ERROR:  # lwIP has asked ten times, or the peer has ended it
            self.state = PAUSING
            self.due_ms = time.ticks_add(now, self.pause_ms)
            self.pause_ms = min(2 * self.pause_ms, self.config["pause_last_ms"])
        return (was == CONNECTED) != (self.state == CONNECTED)

    def wait_ms(self):
        """Return when to look again, in ms, where no byte of the line tells before."""
        if self.state == PAUSING:
            return max(0, time.ticks_diff(self.due_ms, time.ticks_ms()))
        return _LOOK_CONNECTING_MS if self.state == CONNECTING else _LOOK_CONNECTED_MS

    def address(self):
        """Return the board's address, an empty str if it has none."""
        return self.ppp.ifconfig()[0] if self.state == CONNECTED else ""

    def name_server(self):
        """Return the address of the server that is asked for names, an empty str without one."""
        if self.config["name_server"]:
            return self.config["name_server"]
        found = self.ppp.ifconfig()[3] if self.state == CONNECTED else ""
        return "" if found == "0.0.0.0" else found

    def _connect(self):
        config = self.config
        self.state = CONNECTING
        try:
            if config["security"] == "none":
                self.ppp.connect()
            else:
                kind = network.PPP.SEC_PAP if config["security"] == "pap" else network.PPP.SEC_CHAP
                self.ppp.connect(security=kind, user=config["user"], key=config["password"])
        except OSError:  # lwIP has no room: this try fails in time
            pass
