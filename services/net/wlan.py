"""A wireless network: the chip is connected, and kept so, by the service `wifi`."""

import network  # type: ignore[import-not-found, unused-ignore]
from micropython import const

from services.net.api import CONNECTED, CONNECTING

_LOOK_MS = const(500)  # whether there is a connection


class Wlan:
    """See `Ppp`, whose place it takes: this one looks how the chip is, and tells it nothing."""

    line = ""
    look_ms = 5
    look_idle_ms = 20
    look_all_ms = 0  # nothing tells that something has come
    resolves = False

    def __init__(self, config):
        self.config = config
        self.chip = network.WLAN(network.STA_IF)
        self.state = CONNECTING

    def begin(self):
        """See whether it is connected already."""
        self.look()

    def look(self):
        """See how it is; return whether that has changed."""
        was = self.state
        self.state = CONNECTED if self.chip.isconnected() else CONNECTING
        return was != self.state

    def has_come(self):
        """Return whether bytes wait: the sockets tell."""
        return False

    def wait_ms(self):
        """Return when to look again, in ms."""
        return _LOOK_MS

    def address(self):
        """Return the board's address, an empty str if it has none."""
        return self.chip.ifconfig()[0] if self.state == CONNECTED else ""

    def name_server(self):
        """Return the address of the server that is asked for names, an empty str without one."""
        if self.config["name_server"]:
            return self.config["name_server"]
        return self.chip.ifconfig()[3] if self.state == CONNECTED else ""
